"""What ends a load as a whole, and which of PostgreSQL's errors are about the data."""

from __future__ import annotations

import psycopg2

# Cancelled, cut off, in conflict with another session, out of room: not the file's fault, and of
# use to the client as they are.
_ABOUT_THE_SERVER = frozenset(["08", "40", "53", "55", "57", "58"])
_NO_PRIVILEGE = "42501"


class LoadError(Exception):
    """A load that cannot be done: what clients read, its code, and the context of both."""

    def __init__(self, text: str, code: int = 8001, context: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.context = context


class ScanError(LoadError):
    """A columnar file does not fit the table."""

    def __init__(self, context: str, code: int = 15007) -> None:
        super().__init__("Spectrum Scan Error", code, context)


def is_about_data(error: psycopg2.Error) -> bool:
    """Tell whether PostgreSQL refused what it was given, and continues."""
    code = error.pgcode or ""
    return code != "" and code[:2] not in _ABOUT_THE_SERVER and code != _NO_PRIVILEGE
