"""CREATE VIEW ... WITH NO SCHEMA BINDING: the query is kept as a text, and read at each use."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.sql.relations import is_common, relations
from src.sql.cursors import Cursor
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_CLAUSE = ["WITH", "NO", "SCHEMA", "BINDING"]


def is_late(statement: Statement) -> bool:
    """Tell whether a CREATE VIEW is bound to the relations of its query at its use."""
    return statement.words()[-4:] == _CLAUSE


def create_late_view(statement: Statement, cursor: Cursor) -> None:
    """Create a late-binding view, also of relations that are not there yet."""
    tree: Any = parsing.parse(statement.since(0, -4))
    if not isinstance(tree, exp.Create) or tree.expression is None:
        raise Refusal('syntax error at or near "WITH"', SYNTAX)
    for table in relations(tree.expression):
        if not table.db and not is_common(table):
            raise Refusal(
                "All the relation names inside should be qualified when creating VIEW "
                "WITH NO SCHEMA BINDING."
            )
    parsing.check(tree)
    target, query = tree.this, parsing.render(tree.expression)
    if isinstance(target, exp.Schema):
        names = ", ".join(name.sql("postgres") for name in target.expressions)
        target, query = target.this, f"SELECT * FROM ({query}) AS late ({names})"
    cursor.execute_postgres(
        "SELECT redshift_local.create_late_view(%s, %s, %s)",
        (target.sql("postgres"), query, bool(tree.args.get("replace"))),
    )
