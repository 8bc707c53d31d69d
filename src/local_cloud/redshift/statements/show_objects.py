"""SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, TABLE and VIEW."""

from __future__ import annotations

from src.local_cloud.redshift.statements.objects import at_end, name_parts
from src.sql.quoting import postgres_literal, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_KINDS = ("DATABASES", "SCHEMAS", "TABLES", "COLUMNS", "TABLE", "VIEW")
_COLUMNS = {
    "DATABASES": "database_name, database_owner, database_type, database_acl, "
    "database_options AS parameters, database_isolation_level",
    "SCHEMAS": "database_name, schema_name, schema_owner, schema_type, schema_acl, "
    "source_database, schema_option",
    "TABLES": "database_name, schema_name, table_name, table_type, table_acl, remarks",
    "COLUMNS": "database_name, schema_name, table_name, column_name, ordinal_position, "
    "column_default, is_nullable, data_type, character_maximum_length, numeric_precision, "
    "numeric_scale, remarks",
}
_VIEWS = {"DATABASES": "svv_redshift_databases", "SCHEMAS": "svv_all_schemas",
          "TABLES": "svv_all_tables", "COLUMNS": "svv_all_columns"}  # fmt: skip
_FILTERED = {"DATABASES": "database_name", "SCHEMAS": "schema_name", "TABLES": "table_name",
             "COLUMNS": "column_name"}  # fmt: skip
# What stands behind FROM: its word, and the columns its name is of, last part last.
_SOURCES = {
    "SCHEMAS": ("DATABASE", ("database_name",)),
    "TABLES": ("SCHEMA", ("database_name", "schema_name")),
    "COLUMNS": ("TABLE", ("database_name", "schema_name", "table_name")),
}


def is_of_objects(statement: Statement) -> bool:
    """Tell whether SHOW is about objects, not about a setting."""
    return any(word in _KINDS for word in statement.words(1, 1))


def show_objects(statement: Statement) -> str:
    """Translate SHOW kind [FROM place name] [LIKE 'pattern'] [LIMIT n]."""
    words = TokenReader(statement)
    words.next()
    kind = words.next().upper()
    if kind in ("TABLE", "VIEW"):
        parts = name_parts(words)
        at_end(words)
        return _definition(kind, parts)
    conditions = []
    if kind in _SOURCES:
        words.expect("FROM")
        word, columns = _SOURCES[kind]
        words.expect(word)
        parts = name_parts(words)
        if len(parts) > len(columns):
            words.syntax(parts[0])
        named = zip(columns[len(columns) - len(parts) :], parts, strict=True)
        conditions += [f"{column} = {postgres_literal(part)}" for column, part in named]
    elif words.take("FROM"):
        raise Refusal.not_emulated("SHOW DATABASES FROM DATA CATALOG")
    if words.take("LIKE"):
        conditions.append(f"{_FILTERED[kind]} LIKE {postgres_literal(words.string())}")
    limit = f" LIMIT {words.number(1, 10_000, 'LIMIT')}" if words.take("LIMIT") else ""
    at_end(words)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "table_name, ordinal_position" if kind == "COLUMNS" else _FILTERED[kind]
    view = f"pg_catalog.{_VIEWS[kind]}"
    return f"SELECT {_COLUMNS[kind]} FROM {view}{where} ORDER BY {order}{limit}"


def _definition(kind: str, parts: list[str]) -> str:
    name = postgres_literal(qualified(*parts))
    function = "table_definition" if kind == "TABLE" else "view_definition"
    title = f'"Show {kind.title()} DDL statement"'
    return f"SELECT redshift_local.{function}({name}::regclass) AS {title}"
