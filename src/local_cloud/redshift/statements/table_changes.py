"""ALTER TABLE ... ALTER: keys and styles are recorded, a VARCHAR column gets another length."""

from __future__ import annotations

from sqlglot import exp

from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.sql.relations import check_target
from src.local_cloud.redshift.statements.table_attributes import check_columns, check_encoding
from src.sql.cursors import Cursor
from src.sql.quoting import qualified
from src.sql.reading import TokenReader
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_SORT, _DIST = ["sortkey", "interleaved sortkey"], ["diststyle", "distkey"]
_COLUMN = """
SELECT a.atttypid = 'varchar'::regtype, a.atttypmod - 4, c.conname
  FROM pg_attribute a LEFT JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.contype = 'c'
   AND c.conkey = ARRAY[a.attnum]
   AND pg_get_constraintdef(c.oid) LIKE '%%redshift_local.too_long(%%'
 WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND NOT a.attisdropped
"""


def alter_attribute(statement: Statement, cursor: Cursor) -> bool:
    """Run ALTER TABLE t ALTER SORTKEY | DISTKEY | DISTSTYLE | ENCODE | COLUMN c TYPE.

    Returns False for what is none of them.
    """
    if "ALTER" not in statement.words(1):
        return False
    if "ENCODE" in statement.words():
        _alter_encodings(TokenReader(statement), cursor)
        return True
    tree = parsing.parse(statement)
    actions = tree.args.get("actions") or []
    if not isinstance(tree, exp.Alter) or len(actions) != 1:
        return False
    parsing.check(tree)
    action = actions[0]
    if isinstance(action, exp.AlterColumn) and action.args.get("dtype") is not None:
        _alter_length(tree.this, action, cursor)
    elif isinstance(action, exp.AlterSortKey):
        _alter_keys(tree.this, _sort_key(action), _SORT, cursor)
    elif isinstance(action, exp.AlterDistStyle):
        _alter_keys(tree.this, _distribution(action), _DIST, cursor)
    else:
        return False
    return True


def _alter_encodings(words: TokenReader, cursor: Cursor) -> None:
    """Check and note ALTER TABLE t ALTER ENCODE AUTO | ALTER COLUMN c ENCODE e, ...; all is raw."""
    words.next()
    words.expect("TABLE")
    parts = [words.identifier()]
    while words.take("."):
        parts.append(words.identifier())
    name = qualified(*parts)
    check_target(parts[-2] if len(parts) > 1 else "", parts[-1])
    cursor.execute_postgres(
        "SELECT attname, upper(format_type(atttypid, NULL)) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", (name,)
    )  # fmt: skip
    columns = dict(cursor.fetchall())
    is_more = True
    while is_more:
        words.expect("ALTER")
        if words.take("ENCODE"):
            words.expect("AUTO")
        else:
            words.take("COLUMN")
            column = words.identifier()
            words.expect("ENCODE")
            encoding = words.next().lower()
            if column not in columns:
                raise Refusal(f'column "{column}" does not exist', "42703")
            check_encoding(encoding, columns[column].replace("CHARACTER VARYING", "VARCHAR"))
        is_more = words.take(",")
    if not words.is_at_end:
        words.syntax(words.next())


def _sort_key(action: exp.Expression) -> list[tuple[str, str]]:
    names = [column.name for column in action.expressions]
    return [("sortkey", f"SORTKEY({', '.join(names)})")] if names else []


def _distribution(action: exp.Expression) -> list[tuple[str, str]]:
    if isinstance(action.this, exp.Var):
        return [("diststyle", f"DISTSTYLE {action.name.upper()}")]
    return [("diststyle", "DISTSTYLE KEY"), ("distkey", f"DISTKEY({action.this.name})")]


def _alter_keys(
    table: exp.Table, recorded: list[tuple[str, str]], kinds: list[str], cursor: Cursor
) -> None:
    check_target(table.db, table.name)
    name = table.sql(dialect="postgres")
    cursor.execute_postgres(f"SELECT * FROM {name} LIMIT 0")  # its error, if there is none
    check_columns(recorded, {column[0] for column in cursor.description})
    cursor.execute_postgres("SELECT redshift_local.forget_keys(to_regclass(%s), %s)", (name, kinds))
    if recorded:
        kinds, declarations = [list(part) for part in zip(*recorded, strict=True)]
        cursor.execute_postgres(
            "SELECT redshift_local.declare_keys(to_regclass(%s), %s, %s, false)",
            (name, kinds, declarations),
        )


def _alter_length(table: exp.Table, action: exp.Expression, cursor: Cursor) -> None:
    """Give a VARCHAR column another length; a value that is longer is PostgreSQL's error."""
    name, column = table.sql(dialect="postgres"), action.name
    kind = action.args["dtype"]
    cursor.execute_postgres(_COLUMN, (name, column))
    found = cursor.fetchone()
    quoted = exp.to_identifier(column, quoted=True).sql("postgres")
    if kind.this.name not in ("VARCHAR", "TEXT", "NVARCHAR") or (found and not found[0]):
        text = f'cannot alter type of column "{column}": only the length of a VARCHAR changes'
        raise Refusal(text, SYNTAX)
    limit = int(kind.expressions[0].name) if kind.expressions else 256
    changes = [f"ALTER COLUMN {quoted} TYPE varchar({limit})"]
    if found and found[2]:
        constraint = exp.to_identifier(found[2], quoted=True).sql("postgres")
        changes.insert(0, f"DROP CONSTRAINT {constraint}")
        test = f"octet_length({quoted}) <= {limit} OR redshift_local.too_long({quoted}, {limit})"
        changes.append(f"ADD CHECK ({test})")
    cursor.execute_postgres(f"ALTER TABLE {name} {', '.join(changes)}")
