"""CREATE TABLE: distribution, sorting, encoding and keys are recorded, none is enforced."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from src.local_cloud.redshift import dialect
from src.local_cloud.redshift.failures import fails_on_redshift, not_emulated

_DEFAULT_LENGTH = {"VARCHAR": 256, "TEXT": 256, "NVARCHAR": 256, "CHAR": 1, "BPCHAR": 256,
                   "NCHAR": 1}  # fmt: skip
_KEYS = (exp.PrimaryKey, exp.ForeignKey, exp.UniqueColumnConstraint)
_KEY_CONSTRAINTS = (
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.Reference,
)
_RECORDED_PROPERTIES = (
    exp.DistKeyProperty,
    exp.SortKeyProperty,
    exp.DistStyleProperty,
)


def create_table(statement: str, execute: Any, cursor: Any) -> None:
    """Create a table as Redshift would; keys and attributes go to the side catalog."""
    tree = dialect.parse(statement, execute)
    dialect.check(tree, execute)
    if not isinstance(tree, exp.Create):
        not_emulated(execute, statement[:60])
    recorded = _take_properties(tree, execute)
    schema = tree.this
    if isinstance(schema, exp.Schema):
        recorded += _take_columns(schema, execute)
    for like in tree.find_all(exp.LikeProperty):
        # Byte-length constraints are part of the type in Redshift: LIKE keeps them.
        like.append("expressions", exp.Property(this="INCLUDING", value=exp.var("CONSTRAINTS")))
    text = tree.sql(dialect="postgres")
    execute(text)
    _record(tree, recorded, execute, cursor)


def _take_properties(tree: exp.Create, execute: Any) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    properties = tree.args.get("properties")
    for item in list(properties.expressions) if properties else []:
        if isinstance(item, _RECORDED_PROPERTIES):
            taken.append(
                (type(item).__name__.removesuffix("Property").lower(), item.sql("redshift"))
            )
            item.pop()
        elif not isinstance(item, (exp.TemporaryProperty, exp.LikeProperty)):
            not_emulated(execute, f"CREATE TABLE … {item.sql('redshift')}")
    return taken


def _take_columns(schema: exp.Schema, execute: Any) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    checks: list[exp.Expression] = []
    for item in list(schema.expressions):
        if isinstance(item, exp.ColumnDef):
            taken += _take_column_keys(item, execute)
            check = _byte_check(item)
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
        elif not isinstance(kind, (exp.NotNullColumnConstraint, exp.DefaultColumnConstraint)):
            not_emulated(execute, f"column constraint {constraint.sql('redshift')}")
    return taken


def _byte_check(column: exp.ColumnDef) -> exp.Expression | None:
    """Give a character column its limit in bytes; PostgreSQL's own would count characters."""
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
    column.set("kind", exp.DataType.build("varchar", dialect="postgres"))
    test = f'octet_length("{column.name}") <= {limit}'
    fallback = f'redshift_local.too_long("{column.name}", {limit})'
    return exp.Constraint(
        this=exp.to_identifier(f"{column.name}_bytes", quoted=True),
        expressions=[
            exp.CheckColumnConstraint(
                this=exp.condition(f"{test} OR {fallback}", dialect="postgres")
            )
        ],
    )


def _record(tree: exp.Create, recorded: list[tuple[str, str]], execute: Any, cursor: Any) -> None:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = target.sql(dialect="postgres")
    execute("SELECT to_regclass(%s)::oid", (name,))
    oid = cursor.fetchone()[0]
    execute("SELECT 1 FROM redshift_local.declared_keys WHERE tbl = %s", (oid,))
    if cursor.fetchone() is not None:
        return  # IF NOT EXISTS met a table that is recorded already
    for kind, declaration in recorded:
        execute(
            "INSERT INTO redshift_local.declared_keys VALUES (%s, %s, %s)",
            (oid, kind, declaration),
        )
