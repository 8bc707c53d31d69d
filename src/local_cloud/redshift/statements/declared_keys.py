"""Primary, unique and foreign keys: declared and shown by the catalog, not enforced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from src.sql.cursors import Cursor

_TYPES: dict[type, str] = {
    exp.PrimaryKey: "p",
    exp.PrimaryKeyColumnConstraint: "p",
    exp.UniqueColumnConstraint: "u",
    exp.ForeignKey: "f",
    exp.Reference: "f",
}


@dataclass(frozen=True)
class DeclaredKey:
    """One key of a table."""

    type: str  # pg_constraint's letter
    columns: tuple[str, ...]
    name: str | None = None
    reference: str | None = None  # the other table, as PostgreSQL reads it
    referenced: tuple[str, ...] = ()


def key_of_column(column: str, kind: Any, name: str | None = None) -> DeclaredKey:
    """Return the key that a column's own definition declares."""
    reference = kind if isinstance(kind, exp.Reference) else None
    return DeclaredKey(_TYPES[type(kind)], (column,), name, *_referenced(reference))


def key_of_table(item: exp.Expression) -> DeclaredKey:
    """Return the key that a line of its own declares."""
    key: Any = item.find(*_TYPES)
    name = item.name if isinstance(item, exp.Constraint) else None
    if isinstance(key, exp.UniqueColumnConstraint):
        names = key.this.expressions if isinstance(key.this, exp.Schema) else [key.this]
    else:
        names = key.expressions
    columns = tuple(named.name.lower() for named in names)
    return DeclaredKey(_TYPES[type(key)], columns, name, *_referenced(key.args.get("reference")))


def _referenced(reference: Any) -> tuple[str | None, tuple[str, ...]]:
    if reference is None:
        return None, ()
    target = reference.this
    if not isinstance(target, exp.Schema):
        return target.sql("postgres"), ()
    return target.this.sql("postgres"), tuple(n.name.lower() for n in target.expressions)


def declare(target: str, keys: list[DeclaredKey], cursor: Cursor, is_new: bool) -> None:
    """Note the keys of a table; of IF NOT EXISTS that met a table they are known already."""
    if keys:
        found = [
            {
                "type": key.type,
                "columns": key.columns,
                "name": key.name,
                "reference": key.reference,
                "referenced": key.referenced or None,
            }
            for key in keys
        ]
        # The other table's number is found here, on the client's own search path.
        cursor.execute_postgres(
            "SELECT redshift_local.declare_constraints(to_regclass(%s), (SELECT jsonb_agg(k || "
            "jsonb_build_object('found', to_regclass(k ->> 'reference')::oid)) "
            "FROM jsonb_array_elements(%s::jsonb) AS k), %s)",
            (target, json.dumps(found), is_new),
        )
