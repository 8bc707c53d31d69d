"""CREATE and ALTER TABLE: distribution, sorting and keys are recorded, none is enforced."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift import dialect
from src.local_cloud.redshift.attributes import take_attributes
from src.local_cloud.redshift.failures import fails_on_redshift, not_emulated
from src.local_cloud.redshift.rewriting import rewrite

_DEFAULT_LENGTH = {"VARCHAR": 256, "TEXT": 256, "NVARCHAR": 256, "CHAR": 1, "BPCHAR": 256,
                   "NCHAR": 1}  # fmt: skip
_BLANK_PADDED = ("CHAR", "BPCHAR", "NCHAR")
_KEYS = (exp.PrimaryKey, exp.ForeignKey, exp.UniqueColumnConstraint)
_KEY_CONSTRAINTS = (
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.Reference,
)
_KEPT_CONSTRAINTS = (
    exp.NotNullColumnConstraint,
    exp.DefaultColumnConstraint,
    exp.GeneratedAsIdentityColumnConstraint,
)


def create_table(statement: str, execute: Any, cursor: Any) -> None:
    """Create a table as Redshift would; keys and attributes go to the side catalog."""
    plain_text, recorded = take_attributes(statement, execute)
    tree = dialect.parse(plain_text, execute)
    dialect.check(tree, execute)
    if not isinstance(tree, exp.Create):
        not_emulated(execute, statement[:60])
    _check_properties(tree, execute)
    schema = tree.this
    target = schema.this if isinstance(schema, exp.Schema) else schema
    if target.name.startswith("#"):  # a temporary table by its name
        tree.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    if isinstance(schema, exp.Schema):
        recorded += _take_columns(schema, plain_text, execute)
    for like in tree.find_all(exp.LikeProperty):
        # Byte-length constraints are part of the type in Redshift: LIKE keeps them.
        like.append("expressions", exp.Property(this="INCLUDING", value=exp.var("CONSTRAINTS")))
    execute(rewrite(tree).sql(dialect="postgres"))
    _record(target, recorded, execute, cursor, is_new=True)


def alter_table(statement: str, execute: Any, cursor: Any) -> None:
    """Run ALTER ... ADD | DROP | RENAME; one column at a time, keys recorded, as on Redshift."""
    if len(re.findall(r"\bADD\s+(?:COLUMN\b)?", statement, re.IGNORECASE)) > 1:
        fails_on_redshift(execute, "ALTER TABLE with more than one ADD COLUMN")
    if not re.search(r"\b(ADD|DROP|RENAME)\b", statement, re.IGNORECASE):
        not_emulated(execute, f"ALTER: {statement[:60]!r}")
    tree = dialect.parse(statement, execute)
    dialect.check(tree, execute)
    recorded: list[tuple[str, str]] = []
    for action in list(tree.args.get("actions") or []):
        if isinstance(action, exp.ColumnDef):
            recorded += _take_column_keys(action, execute)
            check = _character_check(action)
            if check:
                tree.append("actions", exp.AddConstraint(expressions=[check]))
        elif isinstance(action, exp.AddConstraint) and action.find(*_KEYS):
            recorded.append(("key", action.sql("redshift")))
            action.pop()
    if tree.args.get("actions") or not recorded:
        execute(rewrite(tree).sql(dialect="postgres"))
    _record(tree.this, recorded, execute, cursor)


def _check_properties(tree: exp.Create, execute: Any) -> None:
    properties = tree.args.get("properties")
    for item in properties.expressions if properties else []:
        if not isinstance(item, (exp.TemporaryProperty, exp.LikeProperty)):
            not_emulated(execute, f"CREATE TABLE … {item.sql('redshift')}")


def _take_columns(schema: exp.Schema, text: str, execute: Any) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    checks: list[exp.Expression] = []
    for item in list(schema.expressions):
        if isinstance(item, exp.ColumnDef):
            taken += _take_column_keys(item, execute)
            _set_identity(item, text)
            check = _character_check(item)
            if check:
                checks.append(check)
        elif isinstance(item, _KEYS) or item.find(*_KEYS):
            taken.append((type(item).__name__.lower(), item.sql("redshift")))
            item.pop()
        elif not isinstance(item, exp.LikeProperty):
            not_emulated(execute, f"CREATE TABLE (… {item.sql('redshift')})")
    for check in checks:
        schema.append("expressions", check)
    return taken


def _take_column_keys(column: exp.ColumnDef, execute: Any) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    for constraint in list(column.args.get("constraints") or []):
        kind = constraint.kind
        if isinstance(kind, (*_KEY_CONSTRAINTS, exp.EncodeColumnConstraint)):
            taken.append((type(kind).__name__.lower(), column.sql("redshift")))
            constraint.pop()
        elif isinstance(kind, exp.CheckColumnConstraint):
            fails_on_redshift(execute, "CHECK")
        elif not isinstance(kind, _KEPT_CONSTRAINTS):
            not_emulated(execute, f"column constraint {constraint.sql('redshift')}")
    return taken


def _set_identity(column: exp.ColumnDef, text: str) -> None:
    """IDENTITY(seed, step) takes no value of the user's; GENERATED BY DEFAULT does."""
    by_default = rf"\b{re.escape(column.name)}\b[^,()]*GENERATED\s+BY\s+DEFAULT"
    for constraint in column.args.get("constraints") or []:
        if isinstance(constraint.kind, exp.GeneratedAsIdentityColumnConstraint):
            is_default = re.search(by_default, text, re.IGNORECASE) is not None
            constraint.kind.set("this", not is_default)


def _character_check(column: exp.ColumnDef) -> exp.Expression | None:
    """Give a character column its limit in bytes; PostgreSQL's own would count characters.

    A blank-padded one keeps PostgreSQL's length, and takes characters of one byte only.
    """
    kind = column.kind
    assert isinstance(kind, exp.DataType)
    name = kind.this.name
    if name not in _DEFAULT_LENGTH:
        return None
    given = kind.expressions[0].name if kind.expressions else ""
    if given.upper() == "MAX":
        limit = 65_535
    else:
        limit = int(given) if given else _DEFAULT_LENGTH[name]
    if name in _BLANK_PADDED:
        column.set("kind", exp.DataType.build(f"char({limit})", dialect="postgres"))
        test = f'octet_length("{column.name}") = {limit}'
        return _check(
            f"{column.name}_single", f'{test} OR redshift_local.multibyte("{column.name}")'
        )
    column.set("kind", exp.DataType.build("varchar", dialect="postgres"))
    test = f'octet_length("{column.name}") <= {limit}'
    return _check(
        f"{column.name}_bytes", f'{test} OR redshift_local.too_long("{column.name}", {limit})'
    )


def _check(name: str, condition: str) -> exp.Expression:
    return exp.Constraint(
        this=exp.to_identifier(name, quoted=True),
        expressions=[exp.CheckColumnConstraint(this=exp.condition(condition, dialect="postgres"))],
    )


def _record(
    target: exp.Expression, recorded: list[tuple[str, str]], execute: Any, cursor: Any,
    is_new: bool = False,
) -> None:  # fmt: skip
    if not recorded:
        return
    name = target.sql(dialect="postgres")
    execute("SELECT to_regclass(%s)::oid", (name,))
    oid = cursor.fetchone()[0]
    execute("SELECT 1 FROM redshift_local.declared_keys WHERE tbl = %s", (oid,))
    if is_new and cursor.fetchone() is not None:
        return  # IF NOT EXISTS met a table that is recorded already
    for kind, declaration in recorded:
        execute(
            "INSERT INTO redshift_local.declared_keys VALUES (%s, %s, %s)",
            (oid, kind, declaration),
        )
