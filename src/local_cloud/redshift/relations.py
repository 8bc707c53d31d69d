"""Which relations a statement reads and changes, by its tree; what no client may touch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.failures import Refusal
from src.local_cloud.redshift.portability import CATALOG, SYSTEM_PREFIXES, SYSTEM_SCHEMAS

_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Alter, exp.Into)
_PROVISIONED = ("stl_", "stv_", "svl_")


def check_relations(tree: exp.Expression) -> None:
    """Refuse changes of system relations, and reading those that show too much."""
    for table in _relations(tree):
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
    if not schema and name.lower().startswith(SYSTEM_PREFIXES):
        raise Refusal.no_permission(f"relation {name.lower()}")


def reads_system_only(tree: exp.Expression) -> bool:
    """Tell whether a query reads no relation of a user's."""
    common = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    return all(
        _is_system(table) or (not table.db and table.name.lower() in common)
        for table in _relations(tree)
    )


def deny_provisioned_views(tree: exp.Expression) -> None:
    """On Serverless the views of a provisioned cluster's own log are closed."""
    for table in _relations(tree):
        if table.name.lower().startswith(_PROVISIONED):
            raise Refusal.no_permission(f"relation {table.name.lower()}")


def _relations(tree: exp.Expression) -> Iterator[exp.Table]:
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
        held: list[Any] = [node.this] if isinstance(node, _CHANGES) else []
        if not held:
            held = [node.this, *node.expressions, *(node.args.get("tables") or [])]
        for target in held:
            table = target.this if isinstance(target, exp.Schema) else target
            if isinstance(table, exp.Table):
                yield table
