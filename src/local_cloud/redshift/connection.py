"""A psycopg2 connection whose cursors speak Redshift."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from src.local_cloud.redshift import dialect
from src.local_cloud.redshift.copy_command import parse_copy
from src.local_cloud.redshift.copy_runner import CopyRunner
from src.local_cloud.redshift.ddl import create_table
from src.local_cloud.redshift.failures import fails_on_redshift, not_emulated

_SYSTEM_SQL = Path(__file__).with_name("system.sql")


def connect(*, s3: Any, **address: Any) -> psycopg2.extensions.connection:
    """Connect as psycopg2.connect does; COPY reads its objects through the boto3 client `s3`."""
    connection = psycopg2.connect(
        **address, connection_factory=RedshiftConnection, cursor_factory=RedshiftCursor
    )
    assert isinstance(connection, RedshiftConnection)
    connection.s3, connection.address = s3, address
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
        cursor.execute("TRUNCATE redshift_local.sessions")  # pids of an earlier server
    connection.close()


class RedshiftConnection(psycopg2.extensions.connection):
    """Knows the S3 client COPY reads from, and how to log what a ROLLBACK must not undo."""

    s3: Any = None
    address: dict[str, Any]
    _log_connection: Any = None

    def log(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Write to the system tables in a transaction of their own."""
        if self._log_connection is None:
            self._log_connection = psycopg2.connect(**self.address)
            self._log_connection.autocommit = True
        with self._log_connection.cursor() as cursor:
            cursor.executemany(statement, rows)

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
        text = self.mogrify(query, vars).decode()
        statements = dialect.split(text)
        if not statements:
            return self.plain(text)
        for statement in statements:
            self._one(statement)
        return None

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Execute one statement for each set of arguments."""
        for arguments in vars_list:
            self.execute(query, arguments)

    def _one(self, statement: str) -> None:
        connection = self.connection
        assert isinstance(connection, RedshiftConnection)
        word = dialect.leading_word(statement)
        if word == "COPY":
            CopyRunner(self, connection, parse_copy(statement, self.plain)).run()
        elif word == "TRUNCATE":
            self.plain(dialect.translate(statement, self.plain))
            if not connection.autocommit:
                connection.commit()  # as Redshift does
        elif word in ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"):
            self._transaction_statement(statement)
        elif word in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "DROP", "ANALYZE", "LOCK"):
            self.plain(dialect.translate(statement, self.plain))
        elif word == "CREATE":
            self._create(statement)
        elif word == "SET":
            self._set(statement)
        else:
            not_emulated(self.plain, f"{word} statements: {statement[:60]!r}")

    def _transaction_statement(self, statement: str) -> None:
        if "SAVEPOINT" in statement.upper().split():
            fails_on_redshift(self.plain, "ROLLBACK TO SAVEPOINT")
        self.plain(statement)

    def _create(self, statement: str) -> None:
        if dialect.creates_table(statement):
            create_table(statement, self.plain, self)
        else:
            self.plain(dialect.translate(statement, self.plain))

    def _set(self, statement: str) -> None:
        name = statement.split(None, 2)[1].split("=", maxsplit=1)[0].strip().lower()
        if name == "query_group":
            value = statement.split("to" if " to " in statement.lower() else "=", 1)[-1]
            self.plain("SELECT set_config('redshift.query_group', %s, false)", (value.strip(" '"),))
        elif name in ("statement_timeout", "search_path", "timezone", "datestyle"):
            self.plain(statement)
        else:
            not_emulated(self.plain, f"SET {name}")
