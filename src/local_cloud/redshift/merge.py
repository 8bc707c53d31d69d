"""MERGE: PostgreSQL's own, within Redshift's limits, and the simplified REMOVE DUPLICATES."""

from __future__ import annotations

import re
from typing import Any

import psycopg2
from sqlglot import exp

from src.local_cloud.redshift import dialect
from src.local_cloud.redshift.failures import SYNTAX, fail, not_emulated
from src.local_cloud.redshift.rewriting import rewrite

_SIMPLIFIED = re.compile(
    r"^\s*MERGE\s+INTO\s+(?P<target>\S+)\s+USING\s+(?P<source>\S+)(\s+(AS\s+)?(?P<alias>(?!ON\b)\w+))?"
    r"\s+ON\s+(?P<condition>.+?)\s+REMOVE\s+DUPLICATES\s*$",
    re.IGNORECASE | re.DOTALL,
)
_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
    "AND NOT attisdropped ORDER BY attnum"
)


def merge(statement: str, cursor: Any) -> None:
    """Run a MERGE statement."""
    simplified = _SIMPLIFIED.match(statement)
    if simplified:
        _replace(simplified, cursor)
        return
    tree = dialect.parse(statement, cursor.plain)
    dialect.check(tree, cursor.plain)
    if not isinstance(tree, exp.Merge):
        not_emulated(cursor.plain, "this form of MERGE")
    if tree.this.args.get("alias"):
        fail(cursor.plain, "MERGE: the target table cannot have an alias", SYNTAX)
    if not isinstance(tree.args["using"], exp.Table):
        fail(cursor.plain, "MERGE: the source must be a table", SYNTAX)
    for when in tree.args["whens"].expressions:
        _name_columns(when.args["then"], tree.this, cursor)
    _run(rewrite(tree).sql(dialect="postgres"), cursor)


def _run(statement: str, cursor: Any) -> None:
    """Run PostgreSQL's MERGE; of two source rows for one target it complains in other words."""
    in_transaction = cursor.connection.is_in_transaction
    if in_transaction:
        cursor.plain("SAVEPOINT redshift_merge")
    try:
        cursor.plain(statement)
    except psycopg2.errors.CardinalityViolation:
        if in_transaction:
            cursor.plain("ROLLBACK TO SAVEPOINT redshift_merge")
        fail(cursor.plain, "Found multiple matches to update the same tuple.")


def _name_columns(then: Any, target: exp.Expression, cursor: Any) -> None:
    """INSERT VALUES without columns means all of the target's, in order."""
    if not isinstance(then, exp.Insert) or then.expression:
        return
    values = then.this.expressions[0]  # sqlglot takes VALUES for a function's name
    cursor.plain(_COLUMNS, (target.sql("postgres"),))
    names = [exp.column(row[0], quoted=True) for row in cursor.fetchall()]
    then.set("expression", exp.Tuple(expressions=values.expressions))
    then.set("this", exp.Tuple(expressions=names))


def _replace(found: re.Match[str], cursor: Any) -> None:
    """Delete what matches, insert every source row once; table aliases are the source's only."""
    source = f"{found['source']} {found['alias'] or ''}".strip()
    name = found["alias"] or found["source"]
    for text in (
        f"DELETE FROM {found['target']} USING {source} WHERE {found['condition']}",
        f"INSERT INTO {found['target']} SELECT DISTINCT {name}.* FROM {source}",
    ):
        cursor.plain(dialect.translate(text, cursor.plain))
