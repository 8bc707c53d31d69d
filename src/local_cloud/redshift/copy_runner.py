"""Runs a COPY: stage as text, validate set-wise, insert, log; atomic inside the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from src.local_cloud.redshift import copy_parquet, copy_text
from src.local_cloud.redshift.copy_command import CopyCommand
from src.local_cloud.redshift.copy_source import SourceFile, source_files
from src.local_cloud.redshift.copy_values import BadRow, TargetColumn
from src.local_cloud.redshift.failures import INTERNAL, SYNTAX, detail_block, fail

_COLUMNS_OF = """
SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull, a.atthasdef, a.atttypmod,
       (SELECT substring(pg_get_constraintdef(c.oid) FROM '<= ([0-9]+)')::int
          FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.conname = a.attname || '_bytes')
  FROM pg_attribute a
 WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclass
class CopyResult:
    """What a COPY did."""

    rows: int
    scanned: list[int]  # lines per file
    bad: list[BadRow]
    bad_count: int


class CopyRunner:
    """One COPY on one cursor."""

    def __init__(self, cursor: Any, connection: Any, command: CopyCommand) -> None:
        self._cursor = cursor
        self._connection = connection
        self._command = command
        self._execute = cursor.plain

    def run(self) -> None:
        """Load, or raise with nothing loaded; in autocommit it is a transaction of its own."""
        if not self._connection.autocommit:
            self._run()
            return
        self._execute("BEGIN")
        try:
            self._run()
        except BaseException:
            self._execute("ROLLBACK")  # psycopg2 itself knows of no transaction here
            raise
        self._execute("COMMIT")

    def _run(self) -> None:
        command, started = self._command, _now()
        columns = self._target_columns()
        files = source_files(command, self._connection.s3, self._execute)
        query = self._begin_load()
        loader = copy_parquet.load if command.format == "parquet" else copy_text.load
        try:
            result = loader(self._cursor, command, columns, files, self._connection.s3)
        except copy_parquet.ScanError as error:
            self._log_history(query, started, files, "aborted", 0, 0)
            fail(
                self._execute,
                "Spectrum Scan Error",
                INTERNAL,
                detail_block("Spectrum Scan Error", error.code, str(error), query),
            )
        if result.bad:
            self._log_errors(query, started, files, result.bad)
        if result.bad_count >= max(command.max_error, 1):
            self._log_history(query, started, files, "aborted", 0, result.bad_count)
            view = "stl_load_errors"
            text = (
                f"Load into table '{command.shown}' failed.  "
                f"Check '{view}' system table for details."
            )
            fail(self._execute, text, INTERNAL, detail_block(text, 8001, query=query))
        self._finish(query, started, files, result)

    def _target_columns(self) -> list[TargetColumn]:
        command = self._command
        self._execute(_COLUMNS_OF, (command.table,))
        declared = [TargetColumn.from_catalog(*row) for row in self._cursor.fetchall()]
        if not declared:
            text = f"Cannot COPY into nonexistent table {command.shown}"
            fail(self._execute, text, INTERNAL)
        if not command.columns:
            return declared
        by_name = {column.name: column for column in declared}
        for name in command.columns:
            if name not in by_name:
                text = f'column "{name}" of relation "{command.shown}" does not exist'
                fail(self._execute, text, "42703")
        for column in declared:
            if column.not_null and not column.has_default and column.name not in command.columns:
                text = "NOT NULL column without DEFAULT must be included in column list"
                fail(self._execute, text, SYNTAX)
        return [by_name[name] for name in command.columns]

    def _begin_load(self) -> int:
        self._execute("SELECT nextval('redshift_local.query_ids')")
        query = int(self._cursor.fetchone()[0])
        self._set_session(query, 0)
        return query

    def _set_session(self, query: int, count: int) -> None:
        self._connection.log(
            "INSERT INTO redshift_local.sessions VALUES (%s, %s, %s) ON CONFLICT (pid) DO UPDATE "
            "SET last_copy_id = excluded.last_copy_id, last_copy_count = excluded.last_copy_count",
            [(self._connection.get_backend_pid(), query, count)],
        )

    def _finish(
        self, query: int, started: datetime, files: list[SourceFile], result: CopyResult
    ) -> None:
        name, now = self._command.shown, _now()
        self._connection.log(
            "INSERT INTO redshift_local.load_files VALUES (%s, %s, %s, %s, %s)",
            [
                (query, f.uri, scanned, f.size, now)
                for f, scanned in zip(files, result.scanned, strict=True)
            ],
        )
        self._log_history(query, started, files, "completed", result.rows, result.bad_count)
        self._set_session(query, result.rows)
        loaded = f"{result.rows} record(s) loaded successfully."
        self._info(f"Load into table '{name}' completed, {loaded}")
        if result.bad_count:
            lost = f"{result.bad_count} record(s) could not be loaded."
            self._info(
                f"Load into table '{name}' completed, {lost}  "
                "Check 'stl_load_errors' system table for details."
            )

    def _info(self, text: str) -> None:
        self._execute("SELECT redshift_local.info(%s)", (text,))

    def _log_errors(
        self, query: int, started: datetime, files: list[SourceFile], bad: list[BadRow]
    ) -> None:
        self._execute("SELECT to_regclass(%s)::oid::int8", (self._command.table,))
        table = self._cursor.fetchone()[0]
        session = self._connection.get_backend_pid()
        self._connection.log(
            "INSERT INTO redshift_local.load_errors VALUES "
            "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (query, session, table, started, files[b.file].uri, b.line, b.column, b.type,
                 b.length, b.position, b.raw_line[:1024], b.raw_value[:1024], b.code, b.reason)
                for b in bad
            ],
        )  # fmt: skip

    def _log_history(
        self,
        query: int,
        started: datetime,
        files: list[SourceFile],
        status: str,
        rows: int,
        errors: int,
    ) -> None:
        size = sum(f.size for f in files)
        self._connection.log(
            "INSERT INTO redshift_local.load_history VALUES "
            "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (query, self._connection.get_backend_pid(), self._command.shown, status, started,
                 _now(), self._command.source, self._command.format.upper(), rows, size,
                 len(files), size, errors)
            ],
        )  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
