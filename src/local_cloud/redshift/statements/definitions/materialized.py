"""Materialized views: PostgreSQL's, computed anew at each REFRESH, and streaming ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.sql.relations import check_target, relations
from src.local_cloud.redshift.statements.objects import at_end, name_parts
from src.local_cloud.redshift.statements.streaming import stream_views
from src.local_cloud.redshift.statements.streaming.refreshing import refresh_stream
from src.local_cloud.redshift.statements.table_attributes import take_attributes
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import NOT_EMULATED, SYNTAX, Refusal
from src.sql.scanning import Statement

# The materialized views below one, the lowest first, also those with a plain view between.
_SOURCES = """
WITH RECURSIVE below AS (
    SELECT to_regclass(%s)::oid AS view, 0 AS depth
    UNION SELECT d.refobjid, b.depth + 1 FROM below b JOIN pg_rewrite r ON r.ev_class = b.view
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> b.view)
SELECT nspname, relname FROM below JOIN pg_class c ON c.oid = view
  JOIN pg_namespace n ON n.oid = relnamespace
 WHERE depth > 0 AND redshift_local.is_materialized(c.oid)
 GROUP BY nspname, relname, c.oid ORDER BY max(depth) DESC, c.oid
"""


def is_materialized(statement: Statement) -> bool:
    """Tell whether CREATE makes a materialized view."""
    return statement.words(0, 3) == ["CREATE", "MATERIALIZED", "VIEW"]


def create_materialized(statement: Statement, cursor: Cursor) -> None:
    """CREATE MATERIALIZED VIEW name [BACKUP] [DIST, SORT] [AUTO REFRESH YES | NO] AS query."""
    shorter, is_automatic = _without_auto_refresh(statement)
    plain, recorded = take_attributes(shorter)
    words = plain.words()
    if "AS" not in words:
        raise Refusal('syntax error at or near "end of statement"', SYNTAX)
    start = words.index("AS")
    head = TokenReader(plain.since(3, start))
    parts = name_parts(head)
    name = _checked(parts)
    columns = ""
    if head.take("("):
        names = [identifier(head.identifier())]
        while head.take(","):
            names.append(identifier(head.identifier()))
        head.expect(")")
        columns = f" ({', '.join(names)})"
    at_end(head)
    query = plain.since(start + 1)
    if query.leading_word not in ("SELECT", "WITH", "("):
        raise Refusal("syntax error: a materialized view has a query", SYNTAX)
    schema = stream_views.external_schema_of(query, cursor)
    if schema is not None:
        if columns:
            raise Refusal.not_emulated("a list of names for a streaming materialized view")
        recorded.append(("autorefresh", "t" if is_automatic else "f"))
        stream_views.create_stream_view(parts, query, schema, recorded, cursor)
        return
    if is_automatic:
        _check_sources(query, cursor)
    cursor.execute_postgres(
        f"CREATE MATERIALIZED VIEW {name}{columns} AS {parsing.translate(query)}"
    )
    cursor.execute_postgres(
        "SELECT redshift_local.declare_keys(to_regclass(%s), %s, %s, true)",
        (name, ["autorefresh"], ["t" if is_automatic else "f"]),
    )


def _check_sources(query: Statement, cursor: Cursor) -> None:
    """A view over a materialized view is refreshed by REFRESH alone."""
    for table in relations(parsing.parse(query)):
        name = qualified(*filter(None, (table.db.lower(), table.name.lower())))
        cursor.execute_postgres(
            "SELECT redshift_local.is_materialized(to_regclass(%s)::oid)", (name,)
        )
        if cursor.fetchone()[0]:
            raise Refusal(
                "AUTO REFRESH is not supported for a materialized view over a materialized view",
                NOT_EMULATED,
            )


def _without_auto_refresh(statement: Statement) -> tuple[Statement, bool]:
    words = statement.words()
    end = words.index("AS") if "AS" in words else len(words)
    for at in range(end - 2):
        if words[at : at + 2] == ["AUTO", "REFRESH"] and words[at + 2] in ("YES", "NO"):
            kept = statement.tokens[:at] + statement.tokens[at + 3 :]
            return Statement(kept), words[at + 2] == "YES"
    return statement, False


def refresh(statement: Statement, cursor: Cursor) -> None:
    """REFRESH MATERIALIZED VIEW name [RESTRICT | CASCADE]."""
    words = TokenReader(statement)
    for word in ("REFRESH", "MATERIALIZED", "VIEW"):
        words.expect(word)
    parts = name_parts(words)
    name = _checked(parts)
    is_cascading = not words.take("RESTRICT") and words.take("CASCADE")
    at_end(words)
    if not is_cascading:
        _refresh(name, parts[-1], cursor)
        return
    cursor.execute_postgres(_SOURCES, (name,))
    sources = cursor.fetchall()
    with _one_transaction(cursor.connection):
        for schema, source in sources:
            _refresh(qualified(schema, source), source, cursor)
        _refresh(name, parts[-1], cursor)


@contextmanager
def _one_transaction(connection: Any) -> Iterator[None]:
    """Commit all that is done inside, or nothing; within a client's transaction leave it to it."""
    if connection.is_in_transaction:
        yield
        return
    connection.open_transaction()
    word = "ROLLBACK"
    try:
        yield
        word = "COMMIT"
    finally:
        if not connection.closed:
            connection.close_transaction(word)


def _refresh(name: str, shown: str, cursor: Cursor) -> None:
    streaming = stream_views.find_stream_view(name, cursor)
    if streaming is not None:
        refresh_stream(streaming, shown, cursor)
        return
    cursor.execute_postgres("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    (started,) = cursor.fetchone()
    cursor.execute_postgres(f"REFRESH MATERIALIZED VIEW {name}")
    cursor.execute_postgres(
        "SELECT redshift_local.note_refresh(to_regclass(%s), %s, %s, 'Manual')",
        (name, started, "Refresh successfully recomputed MV from scratch"),
    )
    text = f"Materialized view {shown} was recomputed successfully."
    cursor.execute_postgres("SELECT redshift_local.info(%s)", (text,))


def is_of_materialized(statement: Statement) -> bool:
    """Tell whether ALTER or DROP is about materialized views."""
    is_changed = statement.leading_word in ("ALTER", "DROP")
    return is_changed and statement.words(1, 2) == ["MATERIALIZED", "VIEW"]


def change_materialized(statement: Statement, cursor: Cursor) -> None:
    """ALTER MATERIALIZED VIEW name AUTO REFRESH YES | NO; DROP MATERIALIZED VIEW [IF EXISTS]."""
    words = TokenReader(statement.since(3))
    if statement.leading_word == "DROP":
        _drop(words, cursor)
        return
    name = _target(words)
    for word in ("AUTO", "REFRESH"):
        if not words.take(word):
            raise Refusal.not_emulated(f"ALTER MATERIALIZED VIEW ... {words.next().upper()}")
    is_on = words.take("YES")
    if not is_on:
        words.expect("NO")
    at_end(words)
    cursor.execute_postgres("SELECT %s::regclass::oid", (name,))
    (oid,) = cursor.fetchone()
    cursor.execute_postgres("SELECT redshift_local.is_materialized(%s)", (oid,))
    if not cursor.fetchone()[0]:
        raise Refusal(f"{name} is not a materialized view", "42809")
    cursor.execute_postgres("SELECT redshift_local.set_auto_refresh(%s, %s)", (oid, is_on))


def _drop(words: TokenReader, cursor: Cursor) -> None:
    condition = ""
    if words.take("IF"):
        words.expect("EXISTS")
        condition = "IF EXISTS "
    names = [_target(words)]
    while words.take(","):
        names.append(_target(words))
    behind = "CASCADE" if words.take("CASCADE") else ""
    words.take("RESTRICT")
    at_end(words)
    streaming = [stream_views.find_stream_view(name, cursor) for name in names]
    for name, found in zip(names, streaming, strict=True):
        kind = "MATERIALIZED VIEW" if found is None else "VIEW"
        cursor.execute_postgres(f"DROP {kind} {condition}{name} {behind}")


def is_append(statement: Statement) -> bool:
    """Tell whether ALTER TABLE moves another table's rows."""
    words = statement.words()
    return words[:2] == ["ALTER", "TABLE"] and "APPEND" in words[3:6]


def append(statement: Statement, cursor: Cursor) -> None:
    """ALTER TABLE target APPEND FROM source [IGNOREEXTRA | FILLTARGET]: the rows change tables."""
    words = TokenReader(statement)
    words.expect("ALTER")
    words.expect("TABLE")
    target = _target(words)
    words.expect("APPEND")
    words.expect("FROM")
    source = _target(words)
    ignores, fills = words.take("IGNOREEXTRA"), words.take("FILLTARGET")
    at_end(words)
    if cursor.connection.is_in_transaction:
        raise Refusal("ALTER TABLE APPEND cannot run inside a transaction block", "25001")
    views = [stream_views.find_stream_view(name, cursor) for name in (source, target)]
    source, target = (
        name if view is None else view.rows_table
        for name, view in zip((source, target), views, strict=True)
    )
    passing = ""
    if views[0] is not None and views[1] is not None:
        passing = f"; SELECT redshift_local.pass_positions({views[0].oid}, {views[1].oid})"
    here, there = _columns(target, cursor), _columns(source, cursor)
    if not ignores and set(there) - set(here):
        raise Refusal("The source table has columns that the target table lacks: use IGNOREEXTRA")
    if not fills and set(here) - set(there):
        raise Refusal("The target table has columns that the source table lacks: use FILLTARGET")
    shared = [name for name in here if name in there]
    for name in shared:
        if here[name] != there[name]:
            raise Refusal(f'column "{name}" has different types in the two tables')
    listed = ", ".join(identifier(name) for name in shared)
    cursor.execute_postgres(
        f"WITH moved AS (DELETE FROM {source} RETURNING {listed}) INSERT INTO {target} ({listed}) "
        f"OVERRIDING SYSTEM VALUE SELECT {listed} FROM moved{passing}"
    )


def _columns(table: str, cursor: Cursor) -> dict[str, tuple[int, int | None]]:
    cursor.execute_postgres(f"SELECT * FROM {table} LIMIT 0")
    return {column.name: (column.type_code, column.internal_size) for column in cursor.description}


def _target(words: TokenReader) -> str:
    return _checked(name_parts(words))


def _checked(parts: list[str]) -> str:
    check_target(parts[-2] if len(parts) > 1 else "", parts[-1])
    return qualified(*parts)
