"""Checks of the documents: complete, unbroken, and true of the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from src.__main__ import COMMANDS
from src.commands import PROGRAM
from src.orchestration.validation.check import Check, Context, Finding, judge
from src.orchestration.validation.interface import SCRIPTS
from src.settings import Settings

GUIDE = "docs/guides/DEMO_PIPELINE_GUIDE.md"
GUIDE_SECTIONS = (
    "Overview",
    "Prerequisites",
    "AWS configuration",
    "Environment setup",
    "Phase 1: the pipeline",
    "Phase 2: the models",
    "Complete workflows",
    "What to point at in the report",
    "Troubleshooting",
    "Validation queries",
    "Reset",
    "Next steps",
)
LANGUAGES = ("sh", "text", "sql", "json", "python")
# What separates commands in a line of a shell.
_SEPARATORS = {"|", "||", "&&", ";", "&"}
_PYTHON = re.compile(r"^(\S*/)?python3?$")


@dataclass(frozen=True)
class Fence:
    """A fenced block of a page: where it starts, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Return where the block starts."""
        return f"{self.page}:{self.line}"


def guide(context: Context) -> Finding:
    """The presenter's guide has its sections, in order, each with text."""
    page = context.read(GUIDE)
    headings = re.findall(r"^## (.+?)\s*$", page, re.MULTILINE)
    problems = [f"no section {name!r}" for name in GUIDE_SECTIONS if name not in headings]
    present = [name for name in headings if name in GUIDE_SECTIONS]
    if not problems and present != list(GUIDE_SECTIONS):
        problems.append(f"the sections stand in another order: {', '.join(present)}")
    for name, body in re.findall(r"^## (.+?)\s*$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        if name in GUIDE_SECTIONS and len(body.split()) < 15:
            problems.append(f"section {name!r} is empty")
    return judge(f"{len(GUIDE_SECTIONS)} sections in {GUIDE}", "all of them", problems)


def env_example(context: Context) -> Finding:
    """.env.example lists every setting with its default, and nothing else."""
    text = context.read(".env.example")
    found = dict(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    expected = {f.metadata["env"]: str(f.default) for f in fields(Settings)}
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is no setting" for name in found if name not in expected]
    problems += [
        f"{name} is {found[name]!r}; the default is {default!r}"
        for name, default in expected.items()
        if found.get(name, default) != default
    ]
    return judge(f"{len(expected)} settings with their defaults", "all of them", problems)


def settings_page(context: Context) -> Finding:
    """docs/reference/settings.md names every setting, its option and its default."""
    page = context.read("docs/reference/settings.md")
    rows = {
        cells[0].strip("` "): cells
        for line in page.splitlines()
        if line.startswith("| `") and len(cells := [c.strip() for c in line[1:].split("|")]) >= 4
    }
    problems = []
    for spec in fields(Settings):
        env, default = spec.metadata["env"], str(spec.default)
        if env not in rows:
            problems.append(f"{env} is not documented")
        elif rows[env][2].strip("`") != default:
            problems.append(f"{env}: the page has {rows[env][2]}, the default is {default!r}")
    known = {spec.metadata["env"] for spec in fields(Settings)}
    problems += [f"{name} is no setting" for name in rows if name not in known]
    expected = f"{len(known)} settings in docs/reference/settings.md"
    hint = "python -m tests.contract.reference_pages"
    return judge(expected, "all of them", problems, hint)


def links(context: Context) -> Finding:
    """Every relative link resolves to a file, and to a heading of it."""
    problems, count = [], 0
    for page in pages(context.root):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
            count += 1
            file, _, anchor = target.partition("#")
            place = (page.parent / file) if file else page
            where = f"{page.relative_to(context.root)}: {target}"
            if not place.exists():
                problems.append(f"{where} is not there")
            elif anchor and anchor not in _anchors(place):
                problems.append(f"{where} has no such heading")
    return judge("all relative links resolve", f"{count} links", problems)


def commands(context: Context) -> Finding:
    """Every fenced block names its language, and every command in one parses."""
    problems: list[str] = []
    ours: list[tuple[str, str, list[str]]] = []
    for fence in fences(context.root):
        if fence.language not in LANGUAGES:
            problems.append(f"{fence.place}: no language: one of {', '.join(LANGUAGES)}")
        if fence.language != "sh":
            continue
        for line in fence.text.replace("\\\n", " ").splitlines():
            try:
                ours += [(fence.place, *called) for called in _our_commands(line)]
            except ValueError as error:
                problems.append(f"{fence.place}: {line.strip()}: {error}")
    problems += context.probe("commands", ours)
    return judge("every command in the documents parses", f"{len(ours)} commands", problems)


def _our_commands(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield this project's script or module that a shell line calls, and its arguments.

    Raises ValueError for a line no shell would read.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _SEPARATORS:
            words.append(word)
            continue
        while words and re.match(r"^[A-Za-z_]\w*=", words[0]):
            words.pop(0)
        redirected = next((i for i, w in enumerate(words) if w in (">", ">>", "<")), len(words))
        words = words[:redirected]
        if len(words) > 1 and _PYTHON.match(words[0]):
            if words[1] in SCRIPTS:
                yield words[1].removesuffix(".py"), words[2:]
            elif words[1] == "-m" and words[2].startswith("src."):
                yield f"{words[2]}.__main__", words[3:]
        elif len(words) > 1 and words[0] == PROGRAM:
            if words[1] not in COMMANDS:
                raise ValueError(f"{PROGRAM} has no command {words[1]}")
            yield COMMANDS[words[1]][0], words[2:]
        elif words and words[0].removeprefix("./") in SCRIPTS:
            yield words[0].removeprefix("./").removesuffix(".py"), words[1:]
        words = []


def pages(root: Path) -> list[Path]:
    """Return every page of the documentation."""
    return sorted(
        [*(root / "docs").rglob("*.md"), *root.glob("*.md"), *(root / "src").rglob("*.md")]
    )


def fences(root: Path) -> Iterator[Fence]:
    """Yield every fenced block of every page."""
    for page in pages(root):
        name = str(page.relative_to(root))
        language, start, body = "", 0, list[str]()
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                if start:
                    yield Fence(name, start, language, "\n".join(body))
                    start = 0
                else:
                    language, start, body = line.strip()[3:].strip(), number, []
            elif start:
                body.append(line)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.+?)\s*$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.replace(" ", "-"))
    return found


CHECKS = (
    Check("env_example", ".env.example against the settings", env_example, needs_checkout=True),
    Check("settings_page", "the page of settings", settings_page, needs_checkout=True),
    Check("guide", "the presenter's guide", guide, needs_checkout=True),
    Check("links", "links between the documents", links, needs_checkout=True),
    Check("commands", "commands in the documents", commands, needs_checkout=True),
)
