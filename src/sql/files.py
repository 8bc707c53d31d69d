"""The .sql files of the project: the one place that finds and reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
# What a `:name` is not part of: comments, quoted text, and `::`, a cast.
_PARAMETER = re.compile(r"--[^\n]*|'[^']*'|(?<![:\w]):(\w+)")


@dataclass(frozen=True)
class SqlFile:
    """One file: its name in messages, and its text as it is stored."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Return the file's name without its ending."""
        return self.path.stem

    @property
    def shown(self) -> str:
        """Return the path as messages name it, from the repository's root."""
        return f"src/sql/{self.path.parent.name}/{self.path.name}"

    @property
    def statement(self) -> str:
        """Return the text as one statement, without its end mark."""
        return self.text.strip().rstrip(";")


def read(path: Path) -> SqlFile:
    """Read one file."""
    return SqlFile(path, path.read_text(encoding="utf-8"))


def read_all(folder: str | Path, names: str = "*") -> list[SqlFile]:
    """Read the files of a folder in the order of their names; it is one of src/sql, or a path."""
    return [read(path) for path in sorted((FOLDER / folder).glob(f"{names}.sql"))]


def parameters(sql: str) -> frozenset[str]:
    """Return the names of the `:name` parameters of a text."""
    return frozenset(match[1] for match in _PARAMETER.finditer(sql) if match[1])


def bind(sql: str, replacement: Callable[[str], str]) -> str:
    """Replace each `:name` by what `replacement` returns for its name."""
    return _PARAMETER.sub(lambda match: replacement(match[1]) if match[1] else match[0], sql)
