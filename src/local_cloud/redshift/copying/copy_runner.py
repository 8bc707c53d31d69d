"""Runs a COPY: stage as text, validate set-wise, insert, log; atomic inside the transaction."""

from __future__ import annotations

import logging
from typing import Any

import psycopg2

from src.local_cloud.redshift.copying import text_loading
from src.local_cloud.redshift.copying.binary import parquet
from src.local_cloud.redshift.copying.copy_command import COLUMNAR, CopyCommand
from src.local_cloud.redshift.copying.copy_failures import LoadError, is_about_data
from src.local_cloud.redshift.copying.field_rules import CopyResult, TargetColumn
from src.local_cloud.redshift.copying.load_log import LoadLog
from src.local_cloud.redshift.copying.source_objects import SourceFile, source_files
from src.local_cloud.redshift.refusals import detail_block
from src.local_cloud.redshift.write_locks import writing
from src.sql.cursors import Cursor
from src.sql.quoting import shown
from src.sql.refusal import INTERNAL, SYNTAX, Refusal

_log = logging.getLogger(__name__)
_DATE_STYLE = "ISO, MDY"  # Redshift's: 'auto' reads 10-MAR-25 as the tenth of March
_NO_ROOM = "a row is none that the local warehouse can store"
_COLUMNS_OF = """
SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull, a.atthasdef, a.atttypmod,
       redshift_local.byte_limit(a.attrelid, a.attname), a.attidentity
  FROM pg_attribute a
 WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class CopyRunner:
    """One COPY on one cursor."""

    def __init__(self, cursor: Cursor, connection: Any, command: CopyCommand) -> None:
        self._cursor = cursor
        self._connection = connection
        self._command = command
        self._execute = cursor.execute_postgres

    def run(self) -> None:
        """Load, or raise with nothing loaded; in autocommit it is a transaction of its own."""
        with writing(self._connection, self._command.table):
            self._run()

    def _run(self) -> None:
        command = self._command
        columns = self._target_columns()
        if command.json == "noshred" and [c.type for c in columns] != ["super"]:
            raise Refusal("COPY with noshred requires a table with a single SUPER column")
        files = source_files(command, self._connection.s3)
        log = self._begin_load()
        log.files = files
        try:
            result = self._loaded(columns, files)
        except LoadError as error:
            log.history("aborted", 0, 0)
            text = str(error)
            block = detail_block(text, error.code, error.context, log.query)
            raise Refusal(text, INTERNAL, block) from error
        log.errors(result.bad)
        log.replaced(result.replaced)
        if result.bad_count >= command.errors_allowed:
            log.history("aborted", 0, result.bad_count)
            text = (
                f"Load into table '{command.shown}' failed.  "
                f"Check '{self._view}' system table for details."
            )
            raise Refusal(text, INTERNAL, detail_block(text, 8001, query=log.query))
        self._finish(log, result)

    def _loaded(self, columns: list[TargetColumn], files: list[SourceFile]) -> CopyResult:
        """Load the files. Raises LoadError, and the transaction continues then."""
        command = self._command
        loader = parquet.load if command.format in COLUMNAR else text_loading.load
        self._execute("SHOW datestyle")
        style = self._cursor.fetchone()[0]
        self._execute(f"SAVEPOINT redshift_load; SET LOCAL datestyle TO '{_DATE_STYLE}'")
        try:
            result = loader(self._cursor, command, columns, files, self._connection.s3)
        except Exception as error:
            if self._cursor.connection.closed:
                raise
            self._execute("ROLLBACK TO SAVEPOINT redshift_load")
            if not _is_about_a_file(error):
                raise
            # PostgreSQL's words are not Redshift's, and may name tables of this emulation's own.
            _log.warning("COPY into %s: %r", command.shown, error)
            text = f"Load into table '{command.shown}' failed: {_NO_ROOM}"
            raise LoadError(text, 1000, command.source) from error
        self._execute(f"RELEASE SAVEPOINT redshift_load; SET LOCAL datestyle TO '{style}'")
        return result

    @property
    def _view(self) -> str:
        """Return the view that messages send their reader to."""
        return "sys_load_error_detail" if self._connection.is_serverless else "stl_load_errors"

    def _target_columns(self) -> list[TargetColumn]:
        command = self._command
        self._execute(_COLUMNS_OF, (command.table,))
        declared = [TargetColumn.from_catalog(*row) for row in self._cursor.fetchall()]
        self._execute("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", (command.table,))
        if declared and self._cursor.fetchone()[0] not in ("r", "p"):
            raise Refusal(f"cannot copy to view {shown(command.shown)}", "42809")
        if not declared:
            text = f"Cannot COPY into nonexistent table {command.shown}"
            raise Refusal(text, INTERNAL)
        if not command.columns:  # IDENTITY columns are not part of the implicit list
            return [c for c in declared if command.explicit_ids or c.identity != "a"]
        by_name = {column.name: column for column in declared}
        for name in command.columns:
            if name not in by_name:
                text = f'column "{name}" of relation "{command.shown}" does not exist'
                raise Refusal(text, "42703")
        for name in command.columns:
            if by_name[name].identity == "a" and not command.explicit_ids:
                raise Refusal("cannot set an identity column to a value", SYNTAX)
        for column in declared:
            if column.identity:
                continue
            if column.not_null and not column.has_default and column.name not in command.columns:
                text = "NOT NULL column without DEFAULT must be included in column list"
                raise Refusal(text, SYNTAX)
        return [by_name[name] for name in command.columns]

    def _begin_load(self) -> LoadLog:
        query = self._connection.next_query_number()
        self._execute("SELECT to_regclass(%s)::oid::int8", (self._command.table,))
        log = LoadLog(self._connection, self._command, query, self._cursor.fetchone()[0])
        log.session(0)
        return log

    def _finish(self, log: LoadLog, result: CopyResult) -> None:
        name = self._command.shown
        log.scanned(result.scanned)
        log.history("completed", 0 if self._command.no_load else result.rows, result.bad_count)
        if self._command.no_load:
            self._info(f"Load into table '{name}' completed, {result.rows} record(s) validated.")
            return
        log.session(result.rows)
        self._leave_a_gap()
        if self._command.updates_statistics:
            self._execute(f"ANALYZE {self._command.table}")
        loaded = f"{result.rows} record(s) loaded successfully."
        self._info(f"Load into table '{name}' completed, {loaded}")
        if result.bad_count:
            lost = f"{result.bad_count} record(s) could not be loaded."
            self._info(
                f"Load into table '{name}' completed, {lost}  "
                f"Check '{self._view}' system table for details."
            )

    def _leave_a_gap(self) -> None:
        """Pass over a number of each identity column, as loads of Redshift's do."""
        self._execute(
            "SELECT nextval(pg_get_serial_sequence(%s, attname)) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attidentity <> ''",
            (self._command.table, self._command.table),
        )

    def _info(self, text: str) -> None:
        self._execute("SELECT redshift_local.info(%s)", (text,))


def _is_about_a_file(error: Exception) -> bool:
    """Tell whether what was raised is for want of a rule about some content."""
    if isinstance(error, psycopg2.Error):
        return is_about_data(error)
    return isinstance(error, (ValueError, ArithmeticError, RecursionError, MemoryError))
