"""The temporary tables of a running COPY: text as it came, and JSON documents.

Their names have capitals, which no statement of a client's can write: names are folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

STAGE = 'pg_temp."COPY_STAGE"'
LINES = 'pg_temp."COPY_LINES"'
_PER_PART = 20_000
_PART_SIZE = 4 << 20
_T = TypeVar("_T")


def parts(records: Iterator[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Yield what Python reads in parts to be passed on one by one: memory stays flat."""
    part: list[_T] = []
    total = 0
    for record in records:
        part.append(record)
        total += size(record)
        if total >= _PART_SIZE or len(part) >= _PER_PART:
            yield part
            part, total = [], 0
    if part:
        yield part
