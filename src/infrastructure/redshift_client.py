"""A connection to Redshift: retries, transactions, rows, and errors with the server's detail."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

from src.errors import UnreachableError, WarehouseError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

SCHEMA_SQL = Path(__file__).parents[1] / "sql" / "schema"
# Statements that carry credentials are never logged.
_SECRET_STATEMENT = re.compile(r"IAM_ROLE|CREDENTIALS|ACCESS_KEY|PASSWORD", re.IGNORECASE)
_DETAIL_LINE = re.compile(r"^\s*(error|context):\s+(\S.*)$", re.MULTILINE)
# A condition another transaction caused: the same transaction may succeed next time.
_CONFLICTS = ("1023", "conflict with concurrent transaction", "deadlock detected")


class RedshiftClient:
    """Runs statements over one connection, opened at first use.

    `connect` is called without arguments and returns a psycopg2 connection; tests pass any
    callable. Every driver error becomes a WarehouseError carrying the server's detail.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        address: str = "the warehouse",
        attempts: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._address = address
        self._attempts = attempts
        self._sleep = sleep
        self._connection: Any = None

    @property
    def connection(self) -> Any:
        """Return the open connection, connecting with growing pauses if need be."""
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def _open(self) -> Any:
        for attempt in range(1, self._attempts + 1):
            try:
                return self._connect()
            except psycopg2.OperationalError as error:
                text = str(error).strip().splitlines()[0]
                is_refused = "authentication" in text or "does not exist" in text
                if attempt == self._attempts or is_refused:
                    raise UnreachableError(
                        "the warehouse does not answer",
                        where=self._address,
                        cause=text,
                        hint="check REDSHIFT_HOST, _PORT, _USER and _PASSWORD, and the network",
                    ) from error
                self._sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        if self._connection is not None and not self._connection.closed:
            self._connection.close()
        self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or roll all of it back."""
        connection = self.connection
        try:
            yield
            connection.commit()
        except psycopg2.Error as error:
            self._rollback()
            raise self.as_warehouse_error(error) from error
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        if self._connection is not None and not self._connection.closed:
            self._connection.rollback()

    def execute(self, statement: str, arguments: Sequence[Any] | None = None) -> int:
        """Execute one statement; returns the number of rows it touched (-1 if unknown)."""
        with self._cursor(statement, arguments) as cursor:
            return int(cursor.rowcount)

    def query(self, statement: str, arguments: Sequence[Any] | None = None) -> list[dict[str, Any]]:
        """Execute a query; returns its rows as dicts."""
        with self._cursor(statement, arguments) as cursor:
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def query_value(self, statement: str, arguments: Sequence[Any] | None = None) -> Any:
        """Execute a query; returns the first column of its first row, or None."""
        with self._cursor(statement, arguments) as cursor:
            row = cursor.fetchone()
            return None if row is None else row[0]

    def query_dataframe(
        self, statement: str, arguments: Sequence[Any] | None = None
    ) -> pd.DataFrame:
        """Execute a query; returns its rows as a DataFrame, columns in query order."""
        import pandas as pd

        with self._cursor(statement, arguments) as cursor:
            names = [column.name for column in cursor.description]
            return pd.DataFrame(cursor.fetchall(), columns=names)

    @contextmanager
    def _cursor(self, statement: str, arguments: Sequence[Any] | None) -> Iterator[Any]:
        if not _SECRET_STATEMENT.search(statement):
            logger.debug("sql: %s", " ".join(statement.split()))
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(statement, arguments)
                yield cursor
            except psycopg2.Error as error:
                self._rollback()
                raise self.as_warehouse_error(error) from error

    def create_tables(self) -> None:
        """Create the schema and every table that is not there yet."""
        with self.transaction():
            self.execute("CREATE SCHEMA IF NOT EXISTS concert_dw")
            for file in sorted(SCHEMA_SQL.glob("*.sql")):
                self.execute(file.read_text())

    def table_names(self, schema: str) -> list[str]:
        """Return the tables of a schema."""
        rows = self.query(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = %s ORDER BY table_name",
            (schema,),
        )
        return [row["table_name"] for row in rows]

    def row_count(self, schema: str, table: str) -> int:
        """Return a table's rows."""
        target = f"{quote_identifier(schema)}.{quote_identifier(table)}"
        return int(self.query_value(f"SELECT COUNT(*) FROM {target}"))

    def as_warehouse_error(self, error: psycopg2.Error) -> WarehouseError:
        """Return the project's error for a driver error; never holds the statement."""
        message = (getattr(error.diag, "message_primary", None) or str(error)).strip()
        detail = getattr(error.diag, "message_detail", None) or ""
        found = [text for _, text in _DETAIL_LINE.findall(detail) if text != message]
        conflict = any(mark in message for mark in _CONFLICTS)
        return WarehouseError(
            "Redshift refused a statement",
            where=self._address,
            cause="; ".join([message, *found]) + (f" [{error.pgcode}]" if error.pgcode else ""),
            hint="run the same command again"
            if conflict
            else "run the same command with -v and read run.log",
        )


def quote_identifier(name: str) -> str:
    """Quote a name for SQL; doubles the quotes inside."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str) -> str:
    """Quote a string for SQL statements that take no parameters, as COPY."""
    return "'" + value.replace("'", "''") + "'"
