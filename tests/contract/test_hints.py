"""Every command that the program proposes exists, with every option that it names."""

import ast
import importlib
import re
import shlex
import sys

import pytest

from src.__main__ import COMMANDS
from src.commands import as_started
from src.errors import UsageError
from tests.conftest import ROOT

FILES = [*sorted((ROOT / "src").rglob("*.py")), *sorted(ROOT.glob("*_demo_*.py"))]
FILES.remove(ROOT / "src/commands.py")  # it has patterns of commands
SCRIPTS = ("run_demo_pipeline", "train_demo_models", "validate_demo_pipeline")
MODULES = ("src.local_cloud", "src.operations", "src.serving", "src.streaming")
# A command ends where the sentence goes on.
COMMAND = re.compile(r"python3? (?:-m )?[\w./]+[^,;`()|&\n]*")
FOREIGN = ("pip", "venv")
HINTS = {"hint", "following", "follow_up", "_HINT"}


def texts():
    """Yield (place, text, whether it is a hint) of every text of the program but docstrings."""
    for file in FILES:
        tree = ast.parse(file.read_text())
        nodes = list(ast.walk(tree))
        parts = {id(p) for n in nodes if isinstance(n, ast.JoinedStr) for p in ast.walk(n)
                 if p is not n}  # fmt: skip
        hints = {id(p) for n in nodes for name, value in named(n) if name in HINTS
                 for p in ast.walk(value)}  # fmt: skip
        documents = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}
        for node in nodes:
            if id(node) in parts or id(node) in documents:
                continue
            text = text_of(node)
            if text is not None:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", text, id(node) in hints


def named(node):
    if isinstance(node, ast.Call):
        yield from ((k.arg, k.value) for k in node.keywords)
    elif isinstance(node, ast.Assign):
        yield from ((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "return", node.value


def text_of(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
    return None


def commands():
    for place, text, _ in texts():
        for found in COMMAND.findall(text):
            yield place, found.strip(" .")


def options_of(parser):
    below = [p for p in parser._all_parsers() if p is not parser]
    own = {o for action in parser._actions for o in action.option_strings}
    return own.union(*map(options_of, below))


def parser_of(name):
    return importlib.import_module(name).build_parser()


def filled(command):
    """Return a command as it is typed, with something where an f-string puts something."""
    command = command.split(" or ")[0].split(" -- ")[0]
    return re.sub(r"(?<=\S)\0", "", command).replace("\0", "X")


def check(command):
    """Raise unless a command can be typed as it is written."""
    words = [word for word in shlex.split(filled(command))[1:] if word != "--help"]
    if words[0] == "-m" and words[1].split(".")[0] in FOREIGN:
        return
    if words[0] == "-m":
        name, words = words[1], words[2:]
        module = name if name not in MODULES else f"{name}.__main__"
        assert importlib.util.find_spec(module), f"there is no module {name}"
        if name in MODULES and words:
            parser_of(module).parse_args(words)
        return
    script = words[0].removesuffix(".py")
    assert script in SCRIPTS, f"there is no script {words[0]}"
    parser_of(script).parse_args(words[1:])


def test_commands_are_found():
    found = [command for _, command in commands()]
    assert len(found) > 30 and any("local_cloud psql" in command for command in found)


@pytest.mark.parametrize(("place", "command"), sorted(set(commands())), ids=lambda v: v[:60])
def test_each_command_that_is_proposed_can_be_typed(place, command):
    try:
        check(command)
    except UsageError as error:
        pytest.fail(f"{place}: {command}: {error}")


@pytest.mark.parametrize("program", ["concert-demo", "python -m src"])
def test_each_command_can_be_typed_as_the_program_was_started(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"{program} run"])
    for place, command in set(commands()):
        if command.split()[1:3] == ["-m", "tests.contract.reference_pages"]:
            continue  # proposed by checks that need a checkout
        shown = as_started(filled(command))
        if shown.split()[1:2] == ["-m"] and shown.split()[2] in FOREIGN:
            continue
        assert shown.startswith(f"{program} "), f"{place}: {shown}"
        name, *words = shlex.split(shown.removeprefix(program))
        parser = importlib.import_module(COMMANDS[name][0]).build_parser()
        if words:
            parser.parse_args([word for word in words if word != "--help"])


def test_each_command_that_is_printed_is_the_one_to_type():
    """Errors and findings pass their hints through `as_started`; what is printed must do so."""
    wrong = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            called = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2]
            if called not in ("line", "print", "print_answer"):
                continue
            translated = {id(part) for inner in ast.walk(node) if isinstance(inner, ast.Call)
                          and ast.unparse(inner.func) == "as_started"
                          for part in ast.walk(inner)}  # fmt: skip
            wrong += [
                f"{file.relative_to(ROOT)}:{node.lineno}: {part.value}"
                for part in ast.walk(node)
                if isinstance(part, ast.Constant) and id(part) not in translated
                and COMMAND.search(str(part.value))
            ]  # fmt: skip
    assert not wrong


REPLACING = {
    "src/orchestration/training/extraction.py",
    "src/orchestration/validation/check.py",
    "src/orchestration/open_command.py",
    "src/orchestration/pipeline/command.py",
    "src/streaming/ingestion.py",
    "src/streaming/production.py",
}  # they look at what is loaded first; examples of --help
HARMLESS = ("--dry-run", "--resume", "--load-mode merge", "--input-dir")


def test_only_a_look_at_what_is_loaded_lets_a_hint_replace_it():
    """The user's own data is never replaced by generated data on the program's advice."""
    found = {
        place.split(":")[0]
        for place, command in commands()
        if "run_demo_pipeline.py" in command and not any(o in command for o in HARMLESS)
    }
    assert found == REPLACING
    for place, text, is_hint in texts():
        assert not (is_hint and text.startswith("python -m src.local_cloud reset")), place


def test_each_option_that_a_hint_names_is_one_of_a_script():
    programs = (*SCRIPTS, "src.serving.__main__", "src.streaming.__main__")
    known = set().union(*(options_of(parser_of(name)) for name in programs))
    operations = importlib.import_module("src.operations.__main__").build_parser()
    known |= set().union(*(parser.options() for parser in operations._all_parsers()))
    unknown = [
        (place, option)
        for place, text, is_hint in texts()
        if is_hint and not re.search(r"\b(aws|docker|pip) ", text)
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]+(?![\w\0-])", text)
        if option not in known
    ]
    assert not unknown


@pytest.mark.parametrize(
    "command", ["python __main__.py", "python run_demo_pipeline.py --nope",
                "python -m src.local_cloud stat", "python -m src.nowhere"]
)  # fmt: skip
def test_a_command_that_does_not_exist_is_found(command):
    with pytest.raises((AssertionError, UsageError, ModuleNotFoundError)):
        check(command)
