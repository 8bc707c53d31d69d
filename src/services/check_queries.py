"""One query for all checks of one source: its rows are read once, however many laws they obey.

A check stays a statement of its own: SELECT a number FROM a source, with or without WHERE. Here
the statements that name the same source become columns of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.sql import scanning
from src.sql.scanning import Statement

_MORE = {"GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT"}
_COUNT_ROWS = ["COUNT", "(", "*", ")"]


@dataclass(frozen=True)
class CheckQuery:
    """A query of one row, and the checks whose numbers are its columns, in their order."""

    sql: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    """A check as one aggregate over all rows of a source."""

    source: str
    aggregate: str


def combined(checks: Mapping[str, str]) -> list[CheckQuery]:
    """Return as few queries as give every check's number; `checks` has their SQL by name."""
    alone: list[CheckQuery] = []
    sources: dict[str, dict[str, str]] = {}
    for name, sql in checks.items():
        column = _column(scanning.read(sql))
        if column is None:
            alone.append(CheckQuery(sql, (name,)))
        else:
            sources.setdefault(column.source, {})[name] = column.aggregate
    together = []
    for source, columns in sources.items():
        listed = ", ".join(f"{aggregate} AS {name}" for name, aggregate in columns.items())
        together.append(CheckQuery(f"SELECT {listed} FROM {source}", tuple(columns)))
    return together + alone


def _column(statement: Statement) -> _Column | None:
    """Return the check as a column; None for one of any other form."""
    words = [token.word for token in statement.tokens]
    places = _outermost(words)
    if words[0] != "SELECT" or any(words[place] in _MORE for place in places):
        return None
    starts = [place for place in places if words[place] == "FROM"]
    ends = [place for place in places if words[place] == "WHERE"]
    if len(starts) != 1 or any(words[p] == "," for p in places if p < starts[0]):
        return None
    at = starts[0]
    end = ends[0] if ends else len(words)
    if "DISTINCT" in words[1:at]:  # a warehouse would sort all that the other columns need
        return None
    aggregate, source = statement.since(1, at).code, statement.since(at + 1, end).code
    if ends:
        if words[1:at] != _COUNT_ROWS:
            return None
        aggregate = f"COUNT(CASE WHEN {statement.since(end + 1).code} THEN 1 END)"
    return _Column(source, aggregate)


def _outermost(words: list[str]) -> list[int]:
    """Return the places of the words that stand in no bracket."""
    found, depth = [], 0
    for place, word in enumerate(words):
        depth -= word == ")"
        if not depth and word not in ("(", ")"):
            found.append(place)
        depth += word == "("
    return found
