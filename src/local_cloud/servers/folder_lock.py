"""A lock on a folder, held by a living process and freed by its death."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class FolderLock:
    """An exclusive lock whose file names the process that holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Take the lock if it is free; tells whether this object holds it now."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Free the lock, if held."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def is_held(self) -> bool:
        """Tell whether this object holds the lock."""
        return self._file is not None

    def holder(self) -> str:
        """Return the process id that the lock's file names."""
        return self._path.read_text().strip() or "unknown"
