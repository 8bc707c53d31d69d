"""Columns of the user's files by name: letter case and blanks around do not matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from src.services.input.input_errors import refused, shown


@dataclass(frozen=True)
class Block:
    """Some records of one file: an array of text for each requested column, None where absent."""

    rows: int
    columns: list[pa.Array | None]


def plain_name(name: str) -> str:
    """Return a column's name as it is compared."""
    return name.strip("\ufeff \t\r\n\f\v\u00a0").lower()


def positions(names: Iterable[str], path: Path, line: int | None = None) -> dict[str, int]:
    """Return where each name is; raises InputDataError where one comes twice."""
    found: dict[str, int] = {}
    given = list(names)
    for place, name in enumerate(given):
        plain = plain_name(name)
        first = found.setdefault(plain, place)
        if first != place and plain:  # a column without a name is no table's
            raise twice(path, plain, line, f"{shown(given[first])} and {shown(name)}")
    return found


def twice(path: Path, name: str, line: int | None, given: str) -> Exception:
    """Return the error for a column or key that comes twice."""
    return refused(
        path,
        f"names column {shown(name)} twice",
        f"{given}: letter case and blanks around a name do not count",
        "leave one of the two, or rename one",
        line=line,
    )
