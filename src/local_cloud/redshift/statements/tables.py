"""CREATE and ALTER TABLE: distribution, sorting and keys are recorded, none is enforced."""

from __future__ import annotations

from sqlglot import exp

from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.statements.declared_keys import (
    DeclaredKey,
    declare,
    key_of_column,
    key_of_table,
)
from src.local_cloud.redshift.statements.table_attributes import (
    check_attributes,
    check_encoding,
    take_attributes,
)
from src.local_cloud.redshift.statements.table_changes import alter_attribute
from src.sql.cursors import Cursor
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_DEFAULT_LENGTH = {"VARCHAR": 256, "TEXT": 256, "NVARCHAR": 256, "CHAR": 1, "BPCHAR": 256,
                   "NCHAR": 1, "VARBINARY": 64_000}  # fmt: skip
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


def create_table(statement: Statement, cursor: Cursor) -> None:
    """Create a table as Redshift would; keys and attributes go to the side catalog."""
    words = [word for word in statement.words() if word != "("]
    if "AS" in words and words[words.index("AS") + 1 :][:1] == ["TABLE"]:
        raise Refusal.fails_on_redshift("CREATE TABLE AS TABLE")
    plain, recorded = take_attributes(_without_local(statement))
    tree = parsing.parse(plain)
    _check_types(tree, plain)
    tree = parsing.check(tree)
    if not isinstance(tree, exp.Create):
        raise Refusal.not_emulated(statement.code[:60])
    _check_properties(tree)
    schema = tree.this
    target = schema.this if isinstance(schema, exp.Schema) else schema
    if target.name.startswith("#"):  # a temporary table by its name
        tree.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    keys: list[DeclaredKey] = []
    columns = _column_types(schema)
    check_attributes(recorded, columns)
    if isinstance(schema, exp.Schema):
        recorded += _take_columns(schema, _identities_by_default(plain), keys)
        _refuse_nulls(schema, keys)
    for like in tree.find_all(exp.LikeProperty):
        # Byte-length constraints are part of the type in Redshift: LIKE keeps them.
        like.append("expressions", exp.Property(this="INCLUDING", value=exp.var("CONSTRAINTS")))
    cursor.execute_postgres(parsing.render(tree))
    _record(target, recorded, cursor, is_new=True)
    declare(target.sql(dialect="postgres"), keys, cursor, is_new=True)


def _check_types(tree: exp.Expression, statement: Statement) -> None:
    """Refuse the types of columns that Redshift refuses, in its words."""
    schema = tree.this
    if not isinstance(tree, exp.Create) or not isinstance(schema, exp.Schema):
        return
    names = [column.name for column in schema.find_all(exp.ColumnDef)]
    for before, token in zip(statement.tokens, statement.tokens[1:], strict=False):
        if token.word == "BYTEA" and before.name in names:  # sqlglot takes it for VARBYTE
            raise _unsupported(schema, before.name, "bytea")
    for column in schema.expressions:
        kind = column.kind if isinstance(column, exp.ColumnDef) else None
        is_open = isinstance(kind, exp.DataType) and kind.is_type("interval")  # has no fields
        if isinstance(kind, exp.DataType) and (is_open or parsing.is_postgres_type(kind)):
            raise _unsupported(schema, column.name, kind.sql("postgres"))


def _unsupported(schema: exp.Expr, column: str, kind: str) -> Refusal:
    place = f"{schema.this.name}.{column}".lower()
    return Refusal(f'Column "{place}" has unsupported type "{kind.lower()}".', "0A000")


def _without_local(statement: Statement) -> Statement:
    """CREATE LOCAL TEMPORARY TABLE is CREATE TEMPORARY TABLE."""
    if statement.words(1, 1) != ["LOCAL"]:
        return statement
    return Statement((statement.tokens[0], *statement.tokens[2:]))


def _refuse_nulls(schema: exp.Schema, keys: list[DeclaredKey]) -> None:
    """The columns of a primary key are NOT NULL, which alone of a key is enforced."""
    named = {name for key in keys if key.type == "p" for name in key.columns}
    for item in schema.expressions:
        if isinstance(item, exp.ColumnDef) and item.name.lower() in named:
            given = item.args.get("constraints") or []
            if not any(isinstance(c.kind, exp.NotNullColumnConstraint) for c in given):
                item.append("constraints", exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))


def _column_types(schema: exp.Expression) -> dict[str, str]:
    """Return the columns that a statement names and their types; none where LIKE has more."""
    if not isinstance(schema, exp.Schema) or schema.find(exp.LikeProperty):
        return {}
    return {
        item.name: item.kind.this.name
        for item in schema.expressions
        if isinstance(item, exp.ColumnDef) and isinstance(item.kind, exp.DataType)
    }


def alter_table(statement: Statement, cursor: Cursor) -> None:
    """Run ALTER ... ADD | DROP | RENAME; one column at a time, keys recorded, as on Redshift."""
    if alter_attribute(statement, cursor):
        return
    words = statement.words()
    if words.count("ADD") > 1:
        raise Refusal.fails_on_redshift("ALTER TABLE with more than one ADD COLUMN")
    if words[-3:-1] == ["SET", "SCHEMA"]:
        raise Refusal.fails_on_redshift("ALTER TABLE ... SET SCHEMA")
    tree = parsing.parse(statement)
    if not {"ADD", "DROP", "RENAME"} & set(words) or not isinstance(tree, exp.Alter):
        raise Refusal.not_emulated(f"ALTER: {statement.code[:60]!r}")
    parsing.check(tree)
    recorded: list[tuple[str, str]] = []
    keys: list[DeclaredKey] = []
    for action in list(tree.args.get("actions") or []):
        if isinstance(action, exp.ColumnDef):
            recorded += _take_column_keys(action, keys)
            check = _character_check(action)
            if check:
                tree.append("actions", exp.AddConstraint(expressions=[check]))
        elif isinstance(action, exp.AddConstraint) and action.find(*_KEYS):
            keys += [key_of_table(item) for item in action.expressions]
            action.pop()
    if tree.args.get("actions") or not keys:
        cursor.execute_postgres(parsing.render(tree))
    _record(tree.this, recorded, cursor)
    declare(tree.this.sql(dialect="postgres"), keys, cursor, is_new=False)


def _check_properties(tree: exp.Create) -> None:
    properties = tree.args.get("properties")
    for item in properties.expressions if properties else []:
        if not isinstance(item, (exp.TemporaryProperty, exp.LikeProperty)):
            raise Refusal.not_emulated(f"CREATE TABLE … {item.sql('redshift')}")


def _take_columns(
    schema: exp.Schema, by_default: set[str], keys: list[DeclaredKey]
) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    checks: list[exp.Expression] = []
    for item in list(schema.expressions):
        if isinstance(item, exp.ColumnDef):
            taken += _take_column_keys(item, keys)
            _set_identity(item, by_default)
            check = _character_check(item)
            if check:
                checks.append(check)
        elif isinstance(item, _KEYS) or item.find(*_KEYS):
            keys.append(key_of_table(item))
            item.pop()
        elif not isinstance(item, (exp.LikeProperty, exp.Identifier)):  # a name: of CREATE ... AS
            raise Refusal.not_emulated(f"CREATE TABLE (… {item.sql('redshift')})")
    for check in checks:
        schema.append("expressions", check)
    return taken


def _take_column_keys(column: exp.ColumnDef, keys: list[DeclaredKey]) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    for constraint in list(column.args.get("constraints") or []):
        kind = constraint.kind
        if isinstance(kind, exp.EncodeColumnConstraint) and isinstance(column.kind, exp.DataType):
            check_encoding(kind.this.name.lower(), column.kind.this.name)
        if isinstance(kind, _KEY_CONSTRAINTS):
            keys.append(key_of_column(column.name.lower(), kind, constraint.name or None))
            constraint.pop()
        elif isinstance(kind, exp.EncodeColumnConstraint):
            taken.append((type(kind).__name__.lower(), column.sql("redshift")))
            constraint.pop()
        elif isinstance(kind, exp.CollateColumnConstraint) and constraint.find(
            exp.Column, exp.Var, exp.Identifier
        ).name.lower() in ("case_sensitive", "cs"):  # as every column is
            constraint.pop()
        elif isinstance(kind, exp.CheckColumnConstraint):
            raise Refusal.fails_on_redshift("CHECK")
        elif not isinstance(kind, _KEPT_CONSTRAINTS):
            raise Refusal.not_emulated(f"column constraint {constraint.sql('redshift')}")
    return taken


def _identities_by_default(statement: Statement) -> set[str]:
    """Return the columns that are GENERATED BY DEFAULT: sqlglot does not keep it."""
    found, column, depth = set(), "", 0
    for at, token in enumerate(statement.tokens):
        if depth == 1 and statement.tokens[at - 1].word in ("(", ","):
            column = token.name
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if depth == 1 and statement.words(at, 3) == ["GENERATED", "BY", "DEFAULT"]:
            found.add(column)
    return found


def _set_identity(column: exp.ColumnDef, by_default: set[str]) -> None:
    """IDENTITY(seed, step) takes no value of the user's; GENERATED BY DEFAULT does."""
    for constraint in column.args.get("constraints") or []:
        if isinstance(constraint.kind, exp.GeneratedAsIdentityColumnConstraint):
            constraint.kind.set("this", column.name not in by_default)
            _set_bounds(constraint.kind)


def _set_bounds(identity: exp.Expression) -> None:
    """A seed may be 0 or less: PostgreSQL's default bounds begin with 1, downwards with -1."""
    seed, step = (identity.args.get(name) for name in ("start", "increment"))
    if seed is None:
        return
    is_falling = step is not None and step.sql().startswith("-")
    identity.set("maxvalue" if is_falling else "minvalue", seed.copy())


def _character_check(column: exp.ColumnDef) -> exp.Expression | None:
    """Give a character column its limit in bytes; PostgreSQL's own would count characters.

    A blank-padded one keeps PostgreSQL's length, and takes characters of one byte only.
    """
    kind = column.kind
    type_name = kind.this.name if isinstance(kind, exp.DataType) else ""
    if kind is None or type_name not in _DEFAULT_LENGTH:
        return None
    name = exp.to_identifier(column.name, quoted=True).sql("postgres")
    given = kind.expressions[0].name if kind.expressions else ""
    limit = int(given) if given else _DEFAULT_LENGTH[type_name]
    if type_name == "VARBINARY":
        kind.set("expressions", [])
        digits = f"redshift_local.from_varbyte({name}, 'hex')"
        return _check(
            f"octet_length({name}) <= {limit} OR redshift_local.too_long({digits}, {limit})"
        )
    if type_name in _BLANK_PADDED:
        column.set("kind", exp.DataType.build(f"char({limit})", dialect="postgres"))
        test = f"octet_length({name}) = {limit}"
        return _check(f"{test} OR redshift_local.multibyte({name})")
    column.set("kind", exp.DataType.build(f"varchar({limit})", dialect="postgres"))
    test = f"octet_length({name}) <= {limit}"
    return _check(f"{test} OR redshift_local.too_long({name}, {limit})")


def _check(condition: str) -> exp.Expression:
    """Return a constraint without a name: PostgreSQL finds one that is free."""
    return exp.CheckColumnConstraint(this=exp.condition(condition, dialect="postgres"))


def _record(
    target: exp.Expression, recorded: list[tuple[str, str]], cursor: Cursor, is_new: bool = False
) -> None:
    """Note what was declared; of IF NOT EXISTS that met a table it is known already."""
    if recorded:
        kinds, declarations = zip(*recorded, strict=True)
        cursor.execute_postgres(
            "SELECT redshift_local.declare_keys(to_regclass(%s), %s, %s, %s)",
            (target.sql(dialect="postgres"), list(kinds), list(declarations), is_new),
        )
