"""Reading .gz files with unexpected content."""

from __future__ import annotations

import gzip
from pathlib import Path

from src.errors import InputDataError

LARGEST_RATIO = 200  # records reach 10 to 50
ALWAYS_READ_BYTES = 64 << 20


class Unzipped(gzip.GzipFile):
    """A .gz file that does not grow beyond measure while it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._path = path
        self._most = max(path.stat().st_size * LARGEST_RATIO, ALWAYS_READ_BYTES)

    def read1(self, size: int | None = -1) -> bytes:
        """Read some bytes; raises InputDataError where there are suspiciously many."""
        content = super().read1(-1 if size is None else size)
        if self.tell() > self._most:
            raise InputDataError(
                f"{self._path.name} decompresses to more than {LARGEST_RATIO} times its size",
                where=str(self._path),
                cause="records do not compress so well: this is an accident or a zip bomb",
                hint=f"gunzip {self._path.name}, check it, and pass the uncompressed file",
            )
        return content
