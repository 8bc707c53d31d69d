"""What a COPY leaves in the system tables; a ROLLBACK of the user's does not undo it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.field_rules import BadRow
from src.local_cloud.redshift.copying.source_objects import SourceFile
from src.sql.cursors import Row

_MAX_DETAILED = 20  # rows of stl_loaderror_detail
_MAX_REPLACED = 100  # rows of stl_replacements


class LoadLog:
    """The entries of one COPY, under its query id."""

    def __init__(self, connection: Any, command: CopyCommand, query: int, table: int) -> None:
        self._connection = connection
        self._command = command
        self._table = table
        self._started = now()
        self._session = connection.get_backend_pid()
        self.query = query
        self.files: list[SourceFile] = []

    def session(self, rows: int) -> None:
        """Note what pg_last_copy_id() and pg_last_copy_count() answer from now on."""
        self._connection.log("sessions", [(self._session, self.query, rows)])

    def scanned(self, lines: list[int]) -> None:
        """Note the files that were read, and their lines."""
        self._insert(
            "load_files",
            [
                (self.query, f.uri, scanned, f.size, now())
                for f, scanned in zip(self.files, lines, strict=True)
            ],
        )

    def errors(self, bad: list[BadRow]) -> None:
        """Note the rows that were refused, and for the first of them every field looked at."""
        self._insert(
            "load_errors",
            [
                (self.query, self._session, self._table, self._started, self.files[b.file].uri,
                 b.line, b.column, b.type, b.length, b.position, b.raw_line[:1024],
                 b.raw_value[:1024], b.code, b.reason)
                for b in bad
            ],
        )  # fmt: skip
        self._insert(
            "load_error_fields",
            [
                (self.query, self.files[b.file].uri, b.line, at, *fact[:3], fact[3] or "",
                 fact[3] is None, b.code if at == len(b.fields) - 1 else 0,
                 b.reason if at == len(b.fields) - 1 else "", self._session, self._started,
                 self._table)
                for b in bad[:_MAX_DETAILED]
                for at, fact in enumerate(b.fields)
            ],
        )  # fmt: skip

    def replaced(self, found: list[tuple[int, int, str]]) -> None:
        """Note the rows in which ACCEPTINVCHARS replaced something."""
        self._insert(
            "replacements",
            [
                (self.query, self._session, self._table, self._started, self.files[file].uri,
                 line, raw[:1024])
                for file, line, raw in found[:_MAX_REPLACED]
            ],
        )  # fmt: skip

    def history(self, status: str, rows: int, errors: int) -> None:
        """Note how the COPY ended."""
        size = sum(f.size for f in self.files)
        command = self._command
        self._insert(
            "load_history",
            [(self.query, self._session, command.shown, status, self._started, now(),
              command.source, command.format.upper(), rows, size, len(self.files), size, errors)],
        )  # fmt: skip

    def _insert(self, table: str, rows: list[Row]) -> None:
        if rows:
            self._connection.log(table, rows)


def now() -> datetime:
    """Return the time as the system tables hold it: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
