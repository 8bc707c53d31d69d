"""A psycopg2 connection whose cursors speak Redshift."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from src.local_cloud.redshift import dialect, statements

_SYSTEM_SQL = Path(__file__).with_name("system.sql")


def connect(*, s3: Any, serverless: bool = False, **address: Any) -> psycopg2.extensions.connection:
    """Connect as psycopg2.connect does; COPY reads its objects through the boto3 client `s3`.

    A `serverless` warehouse denies the stl_ and stv_ views, and names the sys_ ones in messages.
    """
    connection = psycopg2.connect(
        **address, connection_factory=RedshiftConnection, cursor_factory=RedshiftCursor
    )
    assert isinstance(connection, RedshiftConnection)
    connection.s3, connection.address = s3, address
    connection.is_serverless = serverless
    return connection


def prepare(address: dict[str, Any]) -> None:
    """Create or renew the system views and functions of the server at `address`."""
    script = _SYSTEM_SQL.read_text()
    digest = hashlib.sha256(script.encode()).hexdigest()
    connection = psycopg2.connect(**address)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace('redshift_local'), 'pg_namespace')")
        found = cursor.fetchone()
        if not found or found[0] != digest:
            cursor.execute(script)
            cursor.execute("COMMENT ON SCHEMA redshift_local IS %s", (digest,))
        cursor.execute(
            "TRUNCATE redshift_local.sessions, redshift_local.unload_sessions"
        )  # pids of an earlier server
    _vacuum(connection)
    connection.close()


def _vacuum(connection: psycopg2.extensions.connection) -> None:
    """Give back the room of deleted rows, as Redshift does by itself.

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
    """Knows the S3 client COPY reads from, and how to log what a ROLLBACK must not undo."""

    s3: Any = None
    is_serverless = False
    address: dict[str, Any]
    _log_connection: Any = None

    def log(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Write to the system tables in a transaction of their own."""
        if self._log_connection is None:
            self._log_connection = psycopg2.connect(**self.address)
            self._log_connection.autocommit = True
        with self._log_connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    @property
    def is_in_transaction(self) -> bool:
        """Tell whether a transaction is open, or would be opened by the next statement."""
        is_open = self.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE
        return is_open or not self.autocommit

    def end_transaction(self) -> None:
        """Commit, as TRUNCATE does."""
        if not self.autocommit:
            self.commit()
        elif self.is_in_transaction:  # opened by a BEGIN that psycopg2 knows nothing of
            with self.cursor() as cursor:
                cursor.plain("COMMIT")

    def close(self) -> None:
        """Close both connections."""
        if self._log_connection is not None:
            self._log_connection.close()
        super().close()


class RedshiftCursor(psycopg2.extensions.cursor):
    """Executes Redshift statements; `plain` executes PostgreSQL's."""

    def plain(self, statement: Any, arguments: Any = None) -> None:
        """Send a statement to PostgreSQL as it is."""
        super().execute(statement, arguments)

    def execute(self, query: Any, vars: Any = None) -> None:
        """Execute one Redshift statement; refuses by name what is not emulated."""
        text = self.mogrify(query, _escaped(vars)).decode()
        found = dialect.split(text, self.plain)
        if not found:
            return self.plain(text)
        for statement in found:
            statements.run(statement, self)
        return None

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
    doubled = value.replace("\\", "\\\\").replace("'", "''")
    return psycopg2.extensions.AsIs(f"E'{doubled}'")
