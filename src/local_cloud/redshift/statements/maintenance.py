"""VACUUM and ANALYZE, of a table or of all that are the client's."""

from __future__ import annotations

from src.local_cloud.redshift.sql.relations import check_target
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, literal, postgres_literal, qualified
from src.sql.reading import TokenReader
from src.sql.scanning import Statement

_OWN_TABLES = (
    "SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n "
    "ON n.oid = relnamespace WHERE relkind = 'r' AND relpersistence = 'p' AND relowner = "
    "(SELECT oid FROM pg_roles WHERE rolname = current_user) AND nspname !~ '^pg_' ORDER BY 1"
)


def vacuum(statement: Statement, cursor: Cursor) -> None:
    """VACUUM, with whatever options: PostgreSQL's own does all of it."""
    words = TokenReader(statement)
    words.next()
    while words.take_any("FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER"):
        pass
    table = _table(words)
    if words.take("TO"):
        words.number(0, 100, "TO")
        words.expect("PERCENT")
    words.take("BOOST")
    _at_end(words)
    _run("VACUUM", table, cursor)


def analyze(statement: Statement, cursor: Cursor) -> None:
    """ANALYZE; all columns are looked at in any case."""
    words = TokenReader(statement)
    words.next()
    words.take("VERBOSE")
    table = _table(words)
    if table and words.take("("):
        names = [words.identifier()]
        while words.take(","):
            names.append(words.identifier())
        words.expect(")")
        table += f" ({', '.join(identifier(name) for name in names)})"
    if words.take_any("PREDICATE", "ALL"):
        words.expect("COLUMNS")
    _at_end(words)
    _run("ANALYZE", table, cursor)


def is_compression(statement: Statement) -> bool:
    """Tell whether ANALYZE is asked what compression would do."""
    return statement.leading_word in ("ANALYZE", "ANALYSE") and statement.words(1, 1) == [
        "COMPRESSION"
    ]


def analyze_compression(statement: Statement) -> str:
    """ANALYZE COMPRESSION [table [(column, ...)]] [COMPROWS n]: each column's usual encoding.

    Nothing is compressed here, so no reduction is estimated.
    """
    words = TokenReader(statement)
    words.next()
    words.next()
    table = "" if words.peek_is("COMPROWS") else _table(words)
    names: list[str] = []
    if table and words.take("("):
        names.append(words.identifier())
        while words.take(","):
            names.append(words.identifier())
        words.expect(")")
    if words.take("COMPROWS"):
        words.number(1000, 1_000_000_000, "COMPROWS")
    _at_end(words)
    of_table = f"{postgres_literal(table)}::regclass" if table else "NULL"
    listed = ", ".join(literal(name) for name in names)
    return f"SELECT * FROM redshift_local.compression({of_table}, ARRAY[{listed}]::text[])"


def _table(words: TokenReader) -> str:
    if words.is_at_end or words.peek_is("TO", "BOOST", "PREDICATE", "ALL"):
        return ""
    parts = [words.identifier()]
    while words.take("."):
        parts.append(words.identifier())
    check_target(parts[-2] if len(parts) > 1 else "", parts[-1])
    return qualified(*parts)


def _at_end(words: TokenReader) -> None:
    if not words.is_at_end:
        words.syntax(words.next())


def _run(what: str, table: str, cursor: Cursor) -> None:
    if not table:
        cursor.execute_postgres(_OWN_TABLES)
        table = ", ".join(name for (name,) in cursor.fetchall())
    if table:
        cursor.execute_postgres(f"{what} {table}")
