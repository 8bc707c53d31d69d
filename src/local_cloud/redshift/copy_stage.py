"""The temporary tables of a COPY on its way: text as it came, and JSON documents."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TypeVar

STAGE = "pg_temp.redshift_copy_stage"
LINES = "pg_temp.redshift_copy_lines"
_PER_PART = 20_000
_T = TypeVar("_T")


def parts(records: Iterator[_T]) -> Iterator[list[_T]]:
    """Yield what Python reads in parts to be passed on one by one: memory stays flat."""
    while part := list(itertools.islice(records, _PER_PART)):
        yield part
