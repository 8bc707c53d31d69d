"""MERGE: PostgreSQL's own, within Redshift's limits, and the simplified REMOVE DUPLICATES."""

from __future__ import annotations

from typing import Any

import psycopg2
from sqlglot import exp

from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.write_locks import writing, written_table
from src.sql.cursors import Cursor
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
    "AND NOT attisdropped ORDER BY attnum"
)


def merge(statement: Statement, cursor: Cursor) -> None:
    """Run a MERGE statement."""
    with writing(cursor.connection, written_table(statement, {})):
        _merge(statement, cursor)


def _merge(statement: Statement, cursor: Cursor) -> None:
    if statement.words(len(statement.tokens) - 2) == ["REMOVE", "DUPLICATES"]:
        _replace(statement.since(0, -2), cursor)
        return
    tree = parsing.check(parsing.parse(statement))
    if not isinstance(tree, exp.Merge):
        raise Refusal.not_emulated("this form of MERGE")
    if tree.this.args.get("alias"):
        raise Refusal("MERGE: the target table cannot have an alias", SYNTAX)
    if not isinstance(tree.args["using"], exp.Table):
        raise Refusal("MERGE: the source must be a table", SYNTAX)
    for when in tree.args["whens"].expressions:
        _name_columns(when.args["then"], tree.this, cursor)
    _run(parsing.render(tree), cursor)


def _run(statement: str, cursor: Cursor) -> None:
    """Run PostgreSQL's MERGE; of two source rows for one target it complains in other words."""
    in_transaction = cursor.connection.is_in_transaction
    if in_transaction:
        cursor.execute_postgres("SAVEPOINT redshift_merge")
    try:
        cursor.execute_postgres(statement)
    except psycopg2.errors.CardinalityViolation:
        if in_transaction:
            cursor.execute_postgres("ROLLBACK TO SAVEPOINT redshift_merge")
        raise Refusal("Found multiple matches to update the same tuple.") from None


def _name_columns(then: Any, target: exp.Expression, cursor: Cursor) -> None:
    """INSERT VALUES without columns means all of the target's, in order."""
    if not isinstance(then, exp.Insert) or then.expression:
        return
    values = then.this.expressions[0]  # sqlglot takes VALUES for a function's name
    cursor.execute_postgres(_COLUMNS, (target.sql("postgres"),))
    if not cursor.rowcount:
        cursor.execute_postgres(f"SELECT * FROM {target.sql('postgres')} LIMIT 0")  # its error
    names = [exp.column(row[0], quoted=True) for row in cursor.fetchall()]
    if not names:
        raise Refusal(f'relation "{target.name}" does not exist', "42P01")
    then.set("expression", exp.Tuple(expressions=values.expressions))
    then.set("this", exp.Tuple(expressions=names))


def _replace(statement: Statement, cursor: Cursor) -> None:
    """Delete what matches, insert every source row once; table aliases are the source's only."""
    words = statement.words()
    if words[:2] != ["MERGE", "INTO"] or "USING" not in words or "ON" not in words:
        raise Refusal("syntax error in MERGE", SYNTAX)
    using, on = words.index("USING"), words.index("ON")
    target = statement.since(2, using).code
    source = statement.since(using + 1, on)
    name = source.tokens[-1].text if _has_alias(source) else source.code
    condition = statement.since(on + 1).code
    for text in (
        f"DELETE FROM {target} USING {source.code} WHERE {condition}",
        f"INSERT INTO {target} SELECT DISTINCT {name}.* FROM {source.code}",
    ):
        cursor.execute_postgres(parsing.translate(text))


def _has_alias(source: Statement) -> bool:
    """Tell whether a table's name is followed by another."""
    words = source.words()
    return len(words) > 1 and words[-2] != "."
