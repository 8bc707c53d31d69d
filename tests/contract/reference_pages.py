"""The generated parts of the pages: `python -m tests.contract.reference_pages` writes them.

A page holds them between `<!-- generated: NAME -->` and `<!-- end -->`; the rest is hand-written.
"""

import ast
import importlib
import json
import re
import sys
import textwrap
from dataclasses import fields

from src.orchestration.option_rules import EXCLUSIONS, option_text
from src.orchestration.validation.interface import REQUIRED_CLASSES, SCRIPTS, signatures
from src.reporting.terminal.cards import scenes
from src.reporting.wording import stage_name
from src.settings import Settings
from tests.clients.counts import matrix
from tests.conformance import conformance_list
from tests.conftest import ROOT
from tests.contract.pictures import about
from tests.contract.test_architecture import ALLOWED

_BLOCK = re.compile(r"(<!-- generated: ([\w./-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OPTIONS_A_ROW = 7
_LOCAL_CLOUD = "src.local_cloud.__main__"


def pages():
    """Yield (path, text as it is, text as it should be) of every page with generated parts."""
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "src/local_cloud/README.md"]:
        text = path.read_text()
        if _BLOCK.search(text):
            yield path, text, _BLOCK.sub(lambda m: m[1] + _content(m[2]) + "\n" + m[3], text)


def _content(name):
    kind, _, argument = name.partition("/")
    return {
        "options": options_table,
        "commands": commands_tables,
        "settings": settings_table,
        "class": class_block,
        "schema": schema_table,
        "exclusions": exclusions_table,
        "cards": cards_list,
        "folders": folders_table,
        "conformance": lambda _: conformance_list(),
        "clients": matrix,
    }[kind](argument)


def options_table(script):
    module = importlib.import_module(script.removesuffix(".py"))
    parser = module.build_parser()
    lines = [f"{parser.description}", "", "```sh"]
    lines += [line.strip() for line in module.EXAMPLES.strip().splitlines()]
    return "\n".join([*lines, "```", "", *option_rows(parser)])


def cards_list(scene):
    """Return the cards of a part of the talk: what a presenter sees at the pauses, to read."""
    lines = []
    for number, card in enumerate(scenes()[scene].cards, 1):
        name, _, variant = card.key.partition(":")
        own = {"own": " (with `--input-dir`)", "found": " (with `--skip-generation`)"}
        name = name if variant in own else card.key  # a moment such as 0:15 is no variant
        title = (stage_name(name) if "_" in name else name) + own.get(variant, "")
        lines.append(textwrap.fill(
            f"{number}. **{title}.** {card.what} *{card.service}.*", 130,
            subsequent_indent="   ", break_on_hyphens=False, break_long_words=False,
        ))  # fmt: skip
        lines += ["", *(["   ```sh", *(f"   {c}" for c in card.type.splitlines()), "   ```", ""]
                        if card.type else [])]  # fmt: skip
        lines += [textwrap.fill(f"> {card.say}", 130, initial_indent="   ",
                                subsequent_indent="   > ", break_on_hyphens=False), ""]  # fmt: skip
    return "\n".join(lines).rstrip("\n")


def commands_tables(module):
    """Return the examples of a module's commands, and the options of each."""
    found = importlib.import_module(f"{module}.__main__")
    examples = getattr(found, "EXAMPLES", "").strip("\n").splitlines()
    lines = ["```sh", *(line.removeprefix("  ") for line in examples), "```"] if examples else []
    (commands,) = (a for a in found.build_parser()._actions if a.dest == "command")
    for name, parser in commands.choices.items():
        usage = " ".join(a.metavar or a.dest for a in parser._actions if not a.option_strings)
        lines += ["", f"### `{' '.join(filter(None, (name, usage)))}`", "",
                  " ".join(parser.description.split()), "", *option_rows(parser)]  # fmt: skip
    return "\n".join(lines)


def option_rows(parser):
    by_env = {spec.metadata["env"]: spec for spec in fields(Settings)}
    lines = ["| option | default | meaning |", "| --- | --- | --- |"]
    for action in parser._actions:
        long = [name for name in action.option_strings if name.startswith("--")]
        if not long:
            continue
        argument = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        argument = argument.replace("|", "\\|")
        short = [f", `{name}`" for name in action.option_strings if name not in long]
        words = (action.help or "") % {"prog": parser.prog}
        env = re.search(r" \[(\w+)\]", words)
        default = str(by_env[env[1]].default) if env else ""
        words = re.sub(r" \[\w+\].*$", "", words)
        words += f" Variable `{env[1]}`." if env else ""
        shown = f"`{default}`" if default else ""
        lines.append(f"| `{long[0]}{argument}`{''.join(short)} | {shown} | {words} |")
    return lines


def exclusions_table(_):
    lines = ["| option | does not go with | because |", "| --- | --- | --- |"]
    for rule in EXCLUSIONS:
        others = [f"`{option_text(other)}`" for other in rule.others]
        for start in range(0, len(others), _OPTIONS_A_ROW):
            some = ", ".join(others[start : start + _OPTIONS_A_ROW])
            lines.append(f"| `{rule.text}` | {some} | {rule.because} |")
    return "\n".join(lines)


def settings_table(_):
    lines = ["| variable | option | default | meaning |", "| --- | --- | --- | --- |"]
    known = set()
    for script in SCRIPTS:
        parser = importlib.import_module(script.removesuffix(".py")).build_parser()
        known |= {o for action in parser._actions for o in action.option_strings}
    for spec in fields(Settings):
        meta = spec.metadata
        option = "--" + spec.name.replace("_", "-")
        words = [meta["doc"]]
        if meta["choices"]:
            words.append("One of " + ", ".join(f"`{choice}`" for choice in meta["choices"]) + ".")
        if meta["min"] is not None and meta["max"] is not None:
            words.append(f"{meta['min']} to {meta['max']}.")
        elif meta["min"] is not None:
            words.append(f"At least {meta['min']}.")
        if meta["secret"]:
            words.append("Secret: it is in no log and no report.")
        default = f"`{spec.default}`" if spec.default != "" else ""
        shown = f"`{option}`" if option in known else ""
        lines.append(f"| `{meta['env']}` | {shown} | {default} | {' '.join(words)} |")
    return "\n".join(lines)


def class_block(name):
    (place,) = [p for p in REQUIRED_CLASSES if p.endswith(f":{name}")]
    file = place.split(":")[0]
    tree = ast.parse((ROOT / file).read_text())
    (node,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    about = " ".join(ast.get_docstring(node).split("\n\n")[0].split())
    module = file.removesuffix(".py").replace("/", ".")
    listed = "\n".join(
        textwrap.fill(s, 110, subsequent_indent="    ", break_long_words=False,
                      break_on_hyphens=False)
        for s in signatures(ROOT / file, name)
    )  # fmt: skip
    return f"`from {module} import {name}`\n\n{about}\n\n```text\n{listed}\n```"


def schema_table(kind):
    schema = json.loads((ROOT / f"src/reporting/schemas/{kind}_report.schema.json").read_text())
    lines = ["| field | values | meaning |", "| --- | --- | --- |"]
    for name, found in schema["properties"].items():
        if "const" in found:
            values = f"`{json.dumps(found['const'])}`"
        elif "enum" in found:
            values = ", ".join(f"`{value}`" for value in found["enum"])
        else:
            kinds = found.get("type", "object")
            values = kinds if isinstance(kinds, str) else " or ".join(kinds)
        lines.append(f"| `{name}` | {values} | {found['description']} |")
    return "\n".join(lines)


def folders_table(_):
    """Return each folder of `src`, what it holds and what it may import."""
    lines = ["| folder of `src` | holds | may import |", "| --- | --- | --- |"]
    for name, others in sorted(ALLOWED.items()):
        kept = [f for f in _shortened(others) if f != f"`{name.replace('.', '/')}`"]
        shown = ", ".join(kept).replace("`local_cloud/", "`") or "nothing"
        lines.append(f"| `{name.replace('.', '/')}/` | {about(name)} | {shown} |")
    lines.append(
        "| `glue_jobs/` | The PySpark scripts of the Glue jobs. "
        "| what is shipped with the generation job |"
    )
    return "\n".join(lines)


def _shortened(folders):
    """Return folders by name; one that is named with all of its own is `folder/*`."""
    whole = set()
    for top in folders:
        own = {f for f in ALLOWED if f.startswith(f"{top}.") and f != "reporting.schemas"}
        if own and own <= folders:
            whole.add(top)
    kept = [f for f in folders if not any(f.startswith(f"{top}.") for top in whole)]
    return [f"`{f.replace('.', '/')}{'/*' if f in whole else ''}`" for f in sorted(kept)]


def main():
    for path, text, wanted in pages():
        if text != wanted:
            path.write_text(wanted)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
