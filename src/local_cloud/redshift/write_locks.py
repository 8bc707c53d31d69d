"""Writers of one table queue, as Redshift's do; a conflict of two is its error 1023.

A statement that changes a table locks it before its transaction's snapshot is taken, which LOCK
alone does in PostgreSQL. What another writer has committed meanwhile is in the snapshot then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2

from src.sql.cursors import Cursor
from src.sql.quoting import qualified
from src.sql.reading import TokenReader
from src.sql.refusal import INTERNAL, Refusal
from src.sql.scanning import Statement

SERIALIZATION = "40001"
# A client may have the right to insert only: it waits for those that change rows, at least.
_MODES = ("SHARE ROW EXCLUSIVE", "ROW EXCLUSIVE")
_FINAL = ("57014", "40P01", "55P03", "57P01")  # cancelled, a deadlock, a time limit, the end
_FAILED_BEFORE = "25P02"
_WRITES = {"INSERT": "INTO", "UPDATE": "", "DELETE": "FROM", "MERGE": "INTO"}


def written_table(statement: Statement, prepared: dict[str, str | None]) -> str | None:
    """Return the table that a statement changes; `prepared` holds those of PREPARE's names."""
    word = statement.leading_word
    if word == "PREPARE" and len(statement.tokens) > 1:
        words = statement.words()
        end = words.index("AS") + 1 if "AS" in words else len(words)
        prepared[statement.tokens[1].name] = written_table(statement.since(end), {})
    if word == "EXECUTE" and len(statement.tokens) > 1:
        return prepared.get(statement.tokens[1].name)
    if word not in _WRITES:
        return None
    words_of = TokenReader(statement)
    words_of.next()
    words_of.take(_WRITES[word])
    try:
        parts = [words_of.identifier()]
        while words_of.take("."):
            parts.append(words_of.identifier())
    except Refusal:
        return None  # the statement's own error is the one to show
    return qualified(*parts[-2:])


def begin(connection: Any, table: str) -> bool:
    """Wait for a table's other writers; tells whether a transaction was opened for it.

    Whether the table can be written is left to the statement, whose error is the one to show.
    """
    opens = not connection.is_in_transaction
    start, end, back = "BEGIN", "", "ROLLBACK"
    if not opens:
        name = "redshift_write"
        start, end, back = f"SAVEPOINT {name}", f"; RELEASE {name}", f"ROLLBACK TO {name}"
    with connection.cursor() as cursor:
        for mode in _MODES:
            try:
                cursor.execute_postgres(f"{start}; LOCK TABLE {table} IN {mode} MODE{end}")
                break
            except psycopg2.Error as error:
                if connection.closed or error.pgcode == _FAILED_BEFORE:
                    raise
                if error.pgcode in _FINAL and not opens:
                    _abort(cursor)
                    raise
                cursor.execute_postgres(back)
                if error.pgcode in _FINAL:
                    raise
        else:
            if opens:
                cursor.execute_postgres("BEGIN")
    connection.last_written = table
    return opens


def _abort(cursor: Cursor) -> None:
    """Let a transaction fail as a whole: the locks that it had before the savepoint go as well."""
    cursor.execute_postgres("ROLLBACK; BEGIN")
    with suppress(psycopg2.Error):
        cursor.execute_postgres("SELECT redshift_local.fail('', '40P01', '')")


def end(connection: Any, is_good: bool) -> None:
    """End the transaction that `begin` opened."""
    with connection.cursor() as cursor:
        cursor.execute_postgres("COMMIT" if is_good else "ROLLBACK")


@contextmanager
def writing(connection: Any, table: str | None) -> Iterator[None]:
    """Hold a table's lock for one statement, or for as long as the client's transaction is."""
    if table is None:
        yield
        return
    opened = begin(connection, table)
    is_good = False
    try:
        yield
        is_good = True
    finally:
        if opened and not connection.closed:
            end(connection, is_good)


def conflict(connection: Any) -> Refusal:
    """Return Redshift's error of a transaction that cannot be one after the other.

    The numbers are the table's that it wrote last, and the latest transactions'.
    """
    table, latest = connection.look_up(
        "SELECT coalesce(to_regclass(%s)::oid::int8, 0), pg_snapshot_xmax(pg_current_snapshot())",
        (getattr(connection, "last_written", None) or "",),
    )
    detail = (
        f"Serializable isolation violation on table - {table}, transactions forming the cycle are: "
        f"{int(latest) - 1}, {latest} (pid:{connection.get_backend_pid()})"
    )
    return Refusal("1023", INTERNAL, detail)
