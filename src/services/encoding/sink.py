"""Where the files of a data set go, and how many rows one of them holds."""

from __future__ import annotations

from typing import Protocol

ROWS_PER_PART = 250_000


class Sink(Protocol):
    """Where the files of a data set go."""

    def put(self, path: str, body: bytes) -> None:
        """Store one file at a path relative to the data set."""
