"""Which relations a statement reads and changes, by its tree; what no client may touch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.sql.portability import (
    CATALOG,
    ROW_FUNCTIONS,
    SYSTEM_PREFIXES,
    SYSTEM_SCHEMAS,
)
from src.sql.refusal import Refusal

_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Alter, exp.Into)
_PROVISIONED = ("stl_", "stv_", "svl_")
ROWS_PREFIX = "mv_tbl__"  # of the tables behind materialized views


def check_relations(tree: exp.Expression) -> None:
    """Refuse changes of system relations, and reading those that show too much."""
    for table in relations(tree):
        schema, name = table.db.lower(), table.name.lower()
        if schema == "redshift_local":
            raise Refusal.no_permission("schema redshift_local")
        bare = name.removeprefix("pg_")
        if _is_system(table) and bare != name and bare not in CATALOG:
            raise Refusal.not_emulated(f"relation {name}")
    for target in _targets(tree):
        check_target(target.db, target.name)


def check_target(schema: str, name: str) -> None:
    """Refuse to change a system relation or schema."""
    if schema.lower() in SYSTEM_SCHEMAS or name.lower() in SYSTEM_SCHEMAS:
        raise Refusal.no_permission(f"schema {schema.lower() or name.lower()}")
    is_system = not schema and name.lower().startswith(SYSTEM_PREFIXES)
    if is_system or name.lower().startswith(ROWS_PREFIX):
        raise Refusal.no_permission(f"relation {name.lower()}")


def check_attributes(tree: exp.Expression, allowed: frozenset[str] = frozenset()) -> None:
    """Refuse `value.name` where it may be a call: PostgreSQL takes it for name(value)."""
    for node in tree.find_all(exp.Dot, exp.Column):
        name = node.name.lower()
        if isinstance(node, exp.Column):
            is_open = not node.table or name not in ROW_FUNCTIONS
        elif isinstance(node.parent, exp.DataType):
            is_open = node.this.name.lower() == "pg_catalog"  # a type by its schema
        else:
            is_open = isinstance(node.expression, exp.Func) or name in allowed or name == "*"
        if not is_open:
            raise Refusal.not_emulated(f"attribute .{name} of a value")


def reads_system_only(tree: exp.Expression) -> bool:
    """Tell whether a query reads no relation of a user's."""
    return all(_is_system(table) or is_common(table) for table in relations(tree))


def is_common(table: exp.Table) -> bool:
    """Tell whether a name is a common table expression's at the place where it stands.

    In its own query, and in those before it, the name is that of a relation.
    """
    if table.db:
        return False
    inside: Any = table
    own: Any = None  # the common table expression that the name stands in
    while inside is not None:
        own = inside if isinstance(inside, exp.CTE) else own
        around = inside.args.get("with_") or inside.args.get("with")
        for cte in around.expressions if around is not None else ():
            if cte is own and not around.args.get("recursive"):
                break
            if _as_read(cte.args["alias"].this) == _as_read(table.this):
                return True
        inside = inside.parent
    return False


def _as_read(name: exp.Expression) -> str:
    """Return an identifier as PostgreSQL reads it."""
    return str(name.this) if name.args.get("quoted") else str(name.this).lower()


def deny_provisioned_views(tree: exp.Expression) -> None:
    """On Serverless the views of a provisioned cluster's own log are closed."""
    for table in relations(tree):
        if table.name.lower().startswith(_PROVISIONED):
            raise Refusal.no_permission(f"relation {table.name.lower()}")


def relations(tree: exp.Expression) -> Iterator[exp.Table]:
    """Yield the relations that a statement names; functions in FROM are none."""
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier):
            yield table


def _is_system(table: exp.Table) -> bool:
    if table.db:
        return table.db.lower() in SYSTEM_SCHEMAS
    # A common table expression of such a name counts as well: it would hide the other.
    return table.name.lower().startswith(SYSTEM_PREFIXES)


def _targets(tree: exp.Expression) -> Iterator[exp.Table]:
    for node in tree.find_all(*_CHANGES, exp.Drop, exp.TruncateTable):
        held: list[exp.Expression] = [node.this] if isinstance(node, _CHANGES) else []
        if not held:
            held = [node.this, *node.expressions, *(node.args.get("tables") or [])]
        for target in held:
            table = target.this if isinstance(target, exp.Schema) else target
            if isinstance(table, exp.Table):
                yield table
    for renamed in tree.find_all(exp.AlterRename):
        if isinstance(renamed.this, exp.Table):
            yield renamed.this
