"""A psycopg2 connection whose cursors speak Redshift."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import psycopg2
import psycopg2.extensions

from src.json_object import JsonObject
from src.local_cloud.redshift import query_log
from src.local_cloud.redshift.query_log import Entry
from src.local_cloud.redshift.refusals import raised_by_server
from src.local_cloud.redshift.sql import trusted_keys
from src.local_cloud.redshift.sql.expanding import looking_up
from src.local_cloud.redshift.statements import dispatch
from src.local_cloud.redshift.write_locks import conflict
from src.sql import scanning
from src.sql.cursors import Cursor, Row
from src.sql.files import read_all
from src.sql.quoting import postgres_literal
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

MakeClient = Callable[[], Any]
_CATALOG_SQL = Path(__file__).parent / "catalog"
# What would give the clients' schemas and relations to their owner. An identity's sequence follows
# its table.
_FOREIGN = """
SELECT format('ALTER SCHEMA %%I OWNER TO %%I', nspname, %(owner)s::text) FROM pg_namespace
 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'redshift_local')
   AND nspowner <> %(owner)s::regrole
   AND nspowner NOT IN (SELECT oid FROM redshift_local.principals)
UNION ALL
SELECT format('ALTER TABLE %%I.%%I OWNER TO %%I', nspname, relname, %(owner)s::text)
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'redshift_local')
   AND relowner <> %(owner)s::regrole
   AND relowner NOT IN (SELECT oid FROM redshift_local.principals)
   AND relkind IN ('r', 'p', 'v', 'm', 'S')
   AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
                   AND deptype IN ('a', 'i'))
"""


def connect(
    *, s3: Any, streams: MakeClient | None = None, serverless: bool = False, **address: Any
) -> RedshiftConnection:
    """Connect as psycopg2.connect does; COPY reads its objects through the boto3 client `s3`.

    `streams` returns the boto3 client of Kinesis that streaming views are refreshed from. A
    `serverless` warehouse denies the stl_ and stv_ views, and names the sys_ ones in messages.
    """
    connection: RedshiftConnection = psycopg2.connect(
        **address, connection_factory=RedshiftConnection, cursor_factory=RedshiftCursor
    )
    connection.s3, connection.streams, connection.address = s3, streams, address
    connection.is_serverless = serverless
    return connection


def prepare(address: JsonObject, owner: str) -> None:
    """Create or renew the system views and functions of the server; `address` is a superuser's.

    What clients made belongs to `owner`, also where an earlier version gave it to the superuser.
    """
    script = "\n".join(file.text for file in read_all(_CATALOG_SQL))
    digest = hashlib.sha256(script.encode()).hexdigest()
    # No function that a client made may stand in for one of the system's here.
    connection = psycopg2.connect(**address, options="-c search_path=pg_catalog,pg_temp")
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace('redshift_local'), 'pg_namespace')")
        found = cursor.fetchone()
        if not found or found[0] != digest:
            cursor.execute(script)
            cursor.execute("COMMENT ON SCHEMA redshift_local IS %s", (digest,))
        cursor.execute(
            "TRUNCATE redshift_local.sessions, redshift_local.unload_sessions"
        )  # pids of an earlier server
        cursor.execute("SELECT redshift_local.end_login(rolname::text) FROM pg_roles "
                       "JOIN redshift_local.lent_logins ON number = oid")  # fmt: skip
        cursor.execute(_FOREIGN, {"owner": owner})
        for (change,) in cursor.fetchall():
            cursor.execute(change)
    _vacuum(connection)
    connection.close()


def _vacuum(connection: psycopg2.extensions.connection) -> None:
    """Reclaim the space of deleted rows, as Redshift does automatically.

    PostgreSQL would too, but not within the seconds for which it is up.
    """
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables "
            "WHERE n_dead_tup > 1000 AND n_dead_tup > n_live_tup"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"VACUUM {table}")


class RedshiftConnection(psycopg2.extensions.connection):
    """Holds the S3 client COPY reads from, and logs what a ROLLBACK must not undo."""

    s3: Any = None
    streams: MakeClient | None = None  # of Kinesis's client; it is built at the first use
    is_serverless = False
    start_settings: Sequence[str] = ()  # the SET statements that a client's start stands for
    trusts_keys = False  # SET trust_declared_keys TO on
    last_written: str | None = None  # the table, for the error of a conflict
    call_depth = 0  # of stored procedures, one inside of the other
    was_cancelled = False  # the client's cancel message came while a procedure ran
    transaction_number = 0  # in the query log
    query_number: int | None = None  # of a COPY or UNLOAD, which takes one itself
    query_label = "default"
    address: JsonObject
    _log_connection: Any = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.prepared_writes: dict[str, str | None] = {}  # the tables that PREPARE's names change
        self.stream_iterators: dict[int, dict[str, tuple[str | None, str]]] = {}  # by view, shard

    def commit(self) -> None:
        """Commit; a conflict with another transaction is Redshift's error."""
        try:
            super().commit()
        except psycopg2.errors.SerializationFailure as error:
            with self.cursor() as cursor:
                cursor.raise_conflict(error)

    @contextmanager
    def translating(self, before: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Translate as this session's settings have it; `before` makes the connection usable."""

        def columns_of(query: str) -> list[str]:
            before()
            with self.cursor() as cursor:
                names: list[str] = cursor.columns_of(query)
                return names

        def keys_of() -> trusted_keys.Keys:
            before()
            with self.cursor() as cursor:
                cursor.execute_postgres(trusted_keys.KEYS)
                return trusted_keys.keys_from(cursor.fetchall())

        trusted = keys_of if self.trusts_keys else None
        with looking_up(columns_of), trusted_keys.trusting(trusted):
            yield

    def log(self, table: str, rows: list[Row]) -> None:
        """Write rows of a system table, in a transaction of their own."""
        if not rows:
            return
        with self._beside().cursor() as cursor:
            for statement, values in query_log.insertions("record", table, rows):
                cursor.execute(statement, values)
        if self.is_in_transaction:  # its snapshot would not show them
            with self.cursor() as own:
                if table.endswith("sessions"):
                    own.execute_postgres("SELECT redshift_local.forget_own(%s)", (table,))
                for statement, values in query_log.insertions("record_own", table, rows):
                    own.execute_postgres(statement, values)

    def next_query_number(self) -> int:
        """Take the number of the statement that runs, behind those before it."""
        self.write_log()
        self.query_number = self.look_up("SELECT nextval('redshift_local.query_ids')", ())[0]
        return int(self.query_number or 0)

    def begin_entry(self, statement: Statement) -> Entry:
        """Begin a statement's entry in the query log; one that reads the log sees all before it."""
        if query_log.is_read_by(statement):
            self.write_log()
        if statement.leading_word in ("SET", "RESET"):
            self.query_label = query_log.label_after(statement, self.query_label)
        return query_log.begin(statement, self)

    def end_entry(self, entry: Entry, tag: bytes = b"", code: str = "", error: str = "") -> None:
        """End a statement's entry in the query log."""
        entry.ends, entry.query = time.time(), self.query_number
        entry.tag, entry.code, entry.error = tag, code, error
        if query_log.log_of(self.address).add(entry):
            self.write_log()

    def write_log(self) -> None:
        """Write the entries of the query log that are held in memory."""
        query_log.log_of(self.address).write(self._beside().cursor())

    def look_up(self, query: str, arguments: Row) -> Row:
        """Return a row of a query beside the client's transaction."""
        with self._beside().cursor() as cursor:
            cursor.execute(query, arguments)
            row: Row = cursor.fetchone()
        return row

    def _beside(self) -> Any:
        if self._log_connection is None:
            self._log_connection = psycopg2.connect(**self.address)
            self._log_connection.autocommit = True
        return self._log_connection

    def set_client_encoding(self, encoding: str) -> None:
        """Refuse every encoding but UTF-8: the texts of statements are read as that."""
        if encoding.upper().replace("-", "").replace("_", "") not in ("UTF8", "UNICODE"):
            raise psycopg2.NotSupportedError(
                f"client_encoding {encoding} is not emulated by the local Redshift (UTF8 is)"
            )
        super().set_client_encoding(encoding)

    @property
    def is_in_transaction(self) -> bool:
        """Tell whether a transaction is open, or would be opened by the next statement."""
        is_open = self.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE
        return is_open or not self.autocommit

    def open_transaction(self) -> None:
        """Begin a transaction for a statement that is several of PostgreSQL's."""
        with self.cursor() as cursor:
            cursor.execute_postgres("BEGIN")

    def close_transaction(self, word: str) -> None:
        """COMMIT or ROLLBACK what `open_transaction` began."""
        with self.cursor() as cursor:
            cursor.execute_postgres(word)

    def restart_transaction(self, word: str) -> None:
        """COMMIT or ROLLBACK in a procedure; without a word the transaction has ended already."""
        if word:
            self.close_transaction(word)
        self.open_transaction()

    def check_cancelled(self, cursor: Cursor) -> None:
        """Raise the error of a cancelled statement, also between two of a procedure's."""
        if self.was_cancelled:
            self.was_cancelled = False
            text = "canceling statement due to user request"
            cursor.execute_postgres("SELECT redshift_local.fail(%s, '57014', '')", (text,))
        cursor.execute_postgres("SELECT")  # a client that is gone ends the session here

    def end_transaction(self) -> None:
        """Commit, as TRUNCATE does."""
        if not self.autocommit:
            self.commit()
        elif self.is_in_transaction:  # opened by a BEGIN that psycopg2 did not send
            with self.cursor() as cursor:
                cursor.execute_postgres("COMMIT")

    def close(self) -> None:
        """Close both connections."""
        if self.transaction_number:
            with suppress(psycopg2.Error):  # the server may be gone
                self.write_log()
        if self._log_connection is not None:
            self._log_connection.close()
        super().close()


class RedshiftCursor(psycopg2.extensions.cursor):
    """Executes Redshift statements; `execute_postgres` executes PostgreSQL's."""

    def execute_postgres(self, statement: Any, arguments: Any = None) -> None:
        """Send a statement to PostgreSQL as it is."""
        super().execute(statement, arguments)

    def columns_of(self, query: str) -> list[str]:
        """Return the names of the columns of one of PostgreSQL's queries."""
        self.execute_postgres(f"SELECT * FROM ({query}) AS redshift_query LIMIT 0")
        return [column.name for column in self.description]

    def execute(self, query: Any, vars: Any = None) -> None:
        """Execute Redshift statements; refuses by name what is not emulated."""
        text = self.mogrify(query, _escaped(vars)).decode()
        with raised_by_server(self.execute_postgres):
            found = scanning.split(text)
            try:
                for statement in found:
                    self._run(statement)
            except psycopg2.errors.SerializationFailure as error:
                self.raise_conflict(error)
        if not found:
            self.execute_postgres("")

    def _run(self, statement: Statement) -> None:
        entry = self.connection.begin_entry(statement)
        try:
            with self.connection.translating():
                dispatch.run(statement, self)
        except (psycopg2.Error, Refusal) as error:
            self.connection.end_entry(entry, code=query_log.code_of(error), error=str(error))
            raise
        self.connection.end_entry(entry, (self.statusmessage or "").encode())

    def raise_conflict(self, error: psycopg2.Error) -> NoReturn:
        """Raise Redshift's error of a conflict in the place of PostgreSQL's; rolls back."""
        if self.connection.is_in_transaction:
            self.execute_postgres("ROLLBACK; BEGIN")
        with raised_by_server(self.execute_postgres):
            raise conflict(self.connection)
        raise error

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Execute one statement for each set of arguments."""
        for arguments in vars_list:
            self.execute(query, arguments)


def _escaped(arguments: Any) -> Any:
    """Write strings with backslashes as E'...': in a plain literal of Redshift's they escape."""
    if isinstance(arguments, Mapping):
        return {name: _escaped_value(value) for name, value in arguments.items()}
    if isinstance(arguments, (list, tuple)):
        return tuple(_escaped_value(value) for value in arguments)
    return arguments


def _escaped_value(value: Any) -> Any:
    if not isinstance(value, str) or "\\" not in value:
        return value
    return psycopg2.extensions.AsIs(postgres_literal(value))
