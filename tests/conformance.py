"""What the local Redshift does, as its tests prove it.

A test is marked with `conforms(...)`; the list in src/local_cloud/README.md is made of the marks,
with the values of the test's own table where `cases` names its parameter.
"""

import importlib
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TABLE_HEAD = ["| behaviour | status | source | tests in |", "| --- | --- | --- | --- |"]
_STREAMS = "local_cloud/test_kinesis.py"
CELL, ROW = 220, 200  # characters of a table's cell, and of its row
AREAS = (
    "COPY: what loads", "COPY: what fails", "COPY: sources and options", "UNLOAD", "System views",
    "Tables", "Queries and changes", "Functions", "SUPER and VARBYTE",
    "Streaming ingestion", "Streams of Kinesis", "Sessions and transactions",
    "Stored procedures", "Any client",
    "AWS's tutorials",
)  # fmt: skip


def conforms(
    area: str, behaviour: str, source: str, *, partly: str = "", refused: bool = False,
    cases: str = "",
) -> Callable[[Any], Any]:  # fmt: skip
    """Mark a test as the proof of a behaviour.

    `source` names the pages of AWS's Redshift documentation (or the public error report) that
    describe it, `partly` says what is missing, `refused` that it is refused by name.
    """
    assert area in AREAS, area
    return pytest.mark.conformance(
        area=area, behaviour=behaviour, source=source, partly=partly, refused=refused, cases=cases
    )


def marked_tests() -> list[tuple[str, Any, dict[str, Any]]]:
    """Return (file, function, mark) of every marked test, in the order of the files."""
    found = []
    folder = ROOT / "tests/integration"
    for path in (*sorted((folder / "redshift").glob("test_redshift_*.py")), folder / _STREAMS):
        module = importlib.import_module(f"tests.integration.{path.parent.name}.{path.stem}")
        for name, value in vars(module).items():
            if name.startswith("test_"):
                for mark in getattr(value, "pytestmark", []):
                    if mark.name == "conformance":
                        found.append((path.name, value, mark.kwargs))
    return found


def cases_of(test: Any, parameter: str) -> list[str]:
    """Return the different values of one parameter of a parametrised test."""
    for mark in test.pytestmark:
        if mark.name != "parametrize":
            continue
        names, values = mark.args[:2]
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        if parameter in names:
            rows = (v.values if hasattr(v, "values") else v for v in values)
            picked = (row if len(names) == 1 else row[names.index(parameter)] for row in rows)
            return list(dict.fromkeys(str(value) for value in picked))
    raise AssertionError(f"{test.__name__} has no parameter {parameter}")


def _place(file: str) -> str:
    return file.removesuffix(".py").removeprefix("test_").removeprefix("redshift_")


def conformance_list() -> str:
    """Return the list as Markdown."""
    tests = marked_tests()
    parts = []
    for area in AREAS:
        found = [(file, test, mark) for file, test, mark in tests if mark["area"] == area]
        rows = [_row(*one) for one in found]
        parts.append("\n".join([f"### {area}\n", *TABLE_HEAD, *(row for row, _ in rows)]))
        parts += [note for _, notes in rows for note in notes]
    return "\n\n".join(parts)


def _row(file: str, test: Any, mark: dict[str, Any]) -> tuple[str, list[str]]:
    """Return a test's row; what makes it too long stands below the table: cases, then the rest."""
    about, behaviour, status = mark["behaviour"], _all_cases(test, mark), _status(mark)
    notes: list[str] = []

    def row() -> str:
        return f"| {behaviour} | {status} | {mark['source']} | {_place(file)} |"

    if mark["cases"] and (len(row()) > ROW or len(behaviour) > CELL):
        behaviour = f"{about}: {len(cases_of(test, mark['cases']))} cases, below"
        notes.append(f"Cases of *{about}*:\n\n```text\n{_lines(test, mark)}\n```")
    if mark["partly"] and len(row()) > ROW:
        status = "partly, below"
        text = f"What is missing of *{about}*: {mark['partly']}."
        notes.append("\n".join(textwrap.wrap(text, 130, break_on_hyphens=False)))
    return row(), notes


def _all_cases(test: Any, mark: dict[str, Any]) -> str:
    if not mark["cases"]:
        return str(mark["behaviour"])
    return f"{mark['behaviour']}: {', '.join(code(case) for case in cases_of(test, mark['cases']))}"


def _lines(test: Any, mark: dict[str, Any]) -> str:
    """Return the cases as lines of a block: short ones together, others alone."""
    lines: list[str] = []
    for case in cases_of(test, mark["cases"]):
        shown = visible(case) if case.strip() else "(none)"
        if lines and len(lines[-1]) + len(shown) < 100 and mark["cases"] == "path":
            lines[-1] += f"  {shown}"
        else:
            lines += textwrap.wrap(shown, 120, subsequent_indent="    ") or [shown]
    return "\n".join(lines)


def _status(mark: dict[str, Any]) -> str:
    if mark["refused"]:
        return "refused by name"
    return f"partly: {mark['partly']}" if mark["partly"] else "supported"


def code(text: str) -> str:
    """Return text as code inside of a table's cell."""
    plain = visible(text).replace("|", "\\|")
    return f"`{plain}`" if plain.strip() else "(none)"


def visible(text: str) -> str:
    """Return text with its control characters written out."""
    return re.sub(r"[\x00-\x1f]", lambda m: f"\\x{ord(m[0]):02x}", text)
