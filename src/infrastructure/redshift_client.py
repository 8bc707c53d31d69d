"""A connection to Redshift: retries, transactions, rows, and errors with the server's detail."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2
import psycopg2.extensions

from src.domain.tables import SCHEMA
from src.errors import UnreachableError, WarehouseError
from src.infrastructure.warehouse.schema_upgrades import upgrade_tables
from src.json_object import JsonObject
from src.sql.files import read_all
from src.sql.quoting import identifier, literal, qualified
from src.waiting import Clock, Sleep, attempts, growing, real_clock, real_sleep

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Read = TypeVar("Read")

TRUSTED_S = 60.0
SERVERLESS_SLICES = 16  # an assumption: enough files for a workgroup of 8 to 32 RPU
# Statements that carry credentials are never logged.
_SECRET_STATEMENT = re.compile(r"IAM_ROLE|CREDENTIALS|ACCESS_KEY|PASSWORD", re.IGNORECASE)
_DETAIL_LINE = re.compile(r"^\s*(error|context):\s+(\S.*)$", re.MULTILINE)
# Transient errors, by the message: SQLSTATE does not separate 1023 from other XX000.
_PASSING = ("1023", "conflict with concurrent transaction", "deadlock detected", "CanRetry 1",
            "Data API refused: ThrottlingException", "Status 503")  # fmt: skip
_LOST_STATES = ("57P01", "57P02", "57P03")

# What another attempt would not change, and what would.
_HINTS_OF_REFUSALS = {
    "authentication method 13": "the driver has no SHA-256 passwords: REDSHIFT_VIA=data-api, or "
    "ALTER USER ... PASSWORD with one that begins with md5",
    "authentication": "check REDSHIFT_USER and REDSHIFT_PASSWORD, or REDSHIFT_SECRET",
    "does not exist": "check REDSHIFT_DATABASE and REDSHIFT_USER",
    "certificate": "REDSHIFT_HOST must be the endpoint's own name, or name REDSHIFT_CA_FILE",
    "could not translate host name": "check REDSHIFT_HOST, or set REDSHIFT_WORKGROUP",
    "Data API refused": "python validate_demo_pipeline.py --target aws",
}
_NO_ROUTE = "check REDSHIFT_HOST, the security group and the network, or REDSHIFT_VIA=data-api"

Arguments = Sequence[Any] | None  # of a statement, by position


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _hint_of_refusal(text: str) -> str:
    return next((hint for words, hint in _HINTS_OF_REFUSALS.items() if words in text), _NO_ROUTE)


class RedshiftClient:
    """Runs statements over one connection, opened at first use.

    `connect` is called without arguments and returns a psycopg2 connection; tests pass any
    callable. Every driver error becomes a WarehouseError carrying the server's detail. Outside of
    `transaction` each statement is a transaction of its own, which leaves none open.
    `is_part` is for a client of a transaction that another one has opened.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        address: str = "the warehouse",
        attempts: int = 4,
        query_group: str = "",
        is_serverless: bool = False,
        is_part: bool = False,
        sleep: Sleep = real_sleep,
        clock: Clock = real_clock,
    ) -> None:
        self._clock = clock
        self._used_at = clock()
        self._connect = connect
        self._address = address
        self._attempts = attempts
        self._query_group = query_group
        self.is_serverless = is_serverless
        self._sleep = sleep
        self._connection: Any = None
        self._in_transaction = is_part
        self._has_state = False  # in the session, by a statement outside `transaction`

    @property
    def connection(self) -> Any:
        """Return the open connection, connecting with growing pauses if need be.

        A connection that was idle for a while may have been dropped by a gateway without notice.
        """
        is_closed = self._connection is None or bool(self._connection.closed)
        if is_closed or (self._was_forgotten() and not self._answers()):
            self._connection = self._open()
        self._used_at = self._clock()
        return self._connection

    def _was_forgotten(self) -> bool:
        """Tell whether the connection was idle for a while; an open transaction is in use."""
        if self._clock() - self._used_at <= TRUSTED_S:
            return False
        return bool(self._connection.status == psycopg2.extensions.STATUS_READY)

    def _answers(self) -> bool:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            self._connection.rollback()
        except psycopg2.Error:
            self.close()
            return False
        return True

    def _open(self) -> Any:
        def may_repeat(error: Exception) -> bool:
            text = _first_line(error)
            is_refused = any(words in text for words in _HINTS_OF_REFUSALS)
            return isinstance(error, psycopg2.OperationalError) and not is_refused

        try:
            opened = self._again(lambda: self._labelled(self._connect()), may_repeat)
        except psycopg2.Error as error:
            text = _first_line(error)
            raise UnreachableError(
                "the warehouse does not answer",
                where=self._address,
                cause=text,
                hint=_hint_of_refusal(text),
            ) from error
        self._has_state = False
        return opened

    def _again(self, action: Callable[[], Read], may_repeat: Callable[[Exception], bool]) -> Read:
        pauses = islice(growing(1.0), self._attempts - 1)
        return attempts(action, may_repeat=may_repeat, pauses_s=pauses, sleep=self._sleep)

    def _labelled(self, connection: Any) -> Any:
        """Name the queries' group, by which the warehouse's administrators find them."""
        if not self._in_transaction:
            connection.autocommit = True
        if self._query_group:
            with connection.cursor() as cursor:
                cursor.execute(f"SET query_group TO {literal(self._query_group)}")
        return connection

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        if self._connection is not None and not self._connection.closed:
            self._connection.close()
        self._connection, self._has_state = None, False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or roll all of it back."""
        connection = self.connection
        connection.autocommit = False
        self._in_transaction = True
        try:
            yield
            connection.commit()
        except psycopg2.Error as error:
            self._rollback()
            raise self.as_warehouse_error(error) from error
        except BaseException:
            self._rollback()
            raise
        finally:
            self._in_transaction = False
            if not connection.closed:
                connection.autocommit = True

    def _rollback(self) -> None:
        """Roll back; a connection that cannot is given up, and the server rolls back."""
        try:
            if self._connection is not None:
                self._connection.rollback()
        except psycopg2.Error:  # also where the server closed it
            self.close()

    def execute(self, statement: str, arguments: Arguments = None) -> int:
        """Execute one statement; returns the number of rows it touched (-1 if unknown)."""
        with self._cursor(statement, arguments) as cursor:
            self._has_state |= not self._in_transaction
            return int(cursor.rowcount)

    def insert_rows(
        self, table: str, rows: Sequence[Sequence[Any]], columns: Sequence[str] = ()
    ) -> None:
        """Insert rows by one statement: Redshift takes as long for one row as for hundreds."""
        names = f" ({', '.join(columns)})" if columns else ""
        marks = ", ".join(["(" + ", ".join(["%s"] * len(rows[0])) + ")"] * len(rows))
        values = [value for row in rows for value in row]
        self.execute(f"INSERT INTO {table}{names} VALUES {marks}", values)

    def query(self, statement: str, arguments: Arguments = None) -> list[JsonObject]:
        """Execute a query; returns its rows as dicts."""

        def rows(cursor: Any) -> list[JsonObject]:
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self._read(statement, arguments, rows)

    def query_value(self, statement: str, arguments: Arguments = None) -> Any:
        """Execute a query; returns the first column of its first row, or None."""

        def value(cursor: Any) -> Any:
            row = cursor.fetchone()
            return None if row is None else row[0]

        return self._read(statement, arguments, value)

    def query_dataframe(self, statement: str, arguments: Arguments = None) -> pd.DataFrame:
        """Execute a query; returns its rows as a DataFrame, columns in query order."""
        import pandas as pd

        def frame(cursor: Any) -> pd.DataFrame:
            names = [column.name for column in cursor.description]
            return pd.DataFrame(cursor.fetchall(), columns=names)

        return self._read(statement, arguments, frame)

    def _read(self, statement: str, arguments: Arguments, fetch: Callable[[Any], Read]) -> Read:
        def once() -> Read:
            with self._cursor(statement, arguments) as cursor:
                return fetch(cursor)

        # Within a transaction only all of it can be done again, which is its owner's to do.
        return once() if self._in_transaction or self._has_state else self.repeatedly(once)

    def read_together(self, action: Callable[[], Read]) -> Read:
        """Do reads that all see the warehouse at one moment, whatever is loaded meanwhile."""
        return self.repeatedly(self.transaction()(action))

    def repeatedly(self, action: Callable[[], Read]) -> Read:
        """Do what may be done twice, again where the connection was lost in it."""

        def may_repeat(error: Exception) -> bool:
            return isinstance(error, WarehouseError) and error.is_lost

        return self._again(action, may_repeat)

    @contextmanager
    def _cursor(self, statement: str, arguments: Arguments) -> Iterator[Any]:
        if not _SECRET_STATEMENT.search(statement):
            logger.debug("sql: %s", " ".join(statement.split()))
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(statement, arguments)
                yield cursor
            except psycopg2.Error as error:
                self._rollback()
                raise self.as_warehouse_error(error) from error

    def slices(self) -> int:
        """Return how many files the warehouse loads at once; Serverless does not report it."""
        if self.is_serverless:
            return SERVERLESS_SLICES
        return max(int(self.query_value("SELECT COUNT(*) FROM stv_slices")), 1)

    def create_schema(self, name: str) -> None:
        """Create a schema unless it is there: IF NOT EXISTS needs the right to create any."""
        if not self.has_schema(name):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}")

    def has_schema(self, name: str) -> bool:
        """Tell whether a schema is there, also an external one."""
        return bool(self.query("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,)))

    def create_tables(self) -> None:
        """Create the schema and every table that is not there yet; upgrade the others."""

        def create() -> None:
            with self.transaction():
                self.create_schema(SCHEMA)
                present = set(self.table_names(SCHEMA))
                for file in read_all("schema"):
                    if file.name.partition("_")[2] not in present:
                        self.execute(file.text)
                for name in upgrade_tables(self):
                    logger.info("upgraded %s of an earlier version", name)

        self.repeatedly(create)

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
        target = qualified(schema, table)
        return int(self.query_value(f"SELECT COUNT(*) FROM {target}"))

    def as_warehouse_error(self, error: psycopg2.Error) -> WarehouseError:
        """Return the project's error for a driver error; never holds the statement."""
        message = " ".join((getattr(error.diag, "message_primary", None) or str(error)).split())
        detail = getattr(error.diag, "message_detail", None) or ""
        found = [text for _, text in _DETAIL_LINE.findall(detail) if text != message]
        is_lost = self._is_lost(error)
        passes = is_lost or any(mark in message for mark in _PASSING)
        refused = WarehouseError(
            "the connection to Redshift was lost" if is_lost else "Redshift refused a statement",
            where=self._address,
            cause="; ".join([message, *found]) + (f" [{error.pgcode}]" if error.pgcode else ""),
            hint="run the same command again"
            if passes
            else "run the same command with -v and read run.log",
        )
        refused.passes, refused.is_lost = passes, is_lost
        return refused

    def _is_lost(self, error: psycopg2.Error) -> bool:
        code = error.pgcode or ""
        is_closed = self._connection is None or bool(self._connection.closed)
        return is_closed or code in _LOST_STATES or code.startswith("08")
