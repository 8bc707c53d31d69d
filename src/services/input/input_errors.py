"""How an error about the user's own files names file, line, column, and what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

from src.errors import InputDataError

DICTIONARY = "see docs/reference/data_dictionary.md for what each file must hold"
_LONGEST = 120


def shown(text: object, longest: int = _LONGEST) -> str:
    """Return a name or a value for a message: no control characters, not too long."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text)[: longest + 1])
    return plain if len(plain) <= longest else plain[:longest] + "..."


def shown_all(names: list[str] | tuple[str, ...], most: int = 20) -> str:
    """Return names for a message: the first of them, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown(name) or "(no name)" for name in names[:most]) + more


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(shown(path, 1_000))


def refused(
    path: Path, message: str, cause: str, hint: str = DICTIONARY, *, line: int | None = None
) -> InputDataError:
    """Return the error for a file, or a line of it; `message` follows the file's name."""
    place = f" line {line}" if line is not None else ""
    return InputDataError(
        f"{shown(path.name)}{place} {message}",
        where=f"{shown(path, 1_000)}{place}",
        cause=cause,
        hint=hint,
    )


def broken_line(path: Path, line: int, cause: str) -> InputDataError:
    """Return the error for a line that is no record."""
    is_packed = path.name.lower().endswith(".gz")
    show = f"sed -n {line}p {quoted(path)}"
    if is_packed:
        show = f"gzip -dc {quoted(path)} | sed -n {line}p"
    return refused(path, "cannot be read", cause, f"correct or remove that line: {show}", line=line)
