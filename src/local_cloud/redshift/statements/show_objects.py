"""SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, PROCEDURES, FUNCTIONS, CONSTRAINTS and GRANTS;
SHOW TABLE, VIEW and PROCEDURE."""

from __future__ import annotations

from src.local_cloud.redshift.statements.definitions.procedures import signature
from src.local_cloud.redshift.statements.objects import at_end, name_parts
from src.sql.quoting import postgres_literal, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_KINDS = ("DATABASES", "SCHEMAS", "TABLES", "COLUMNS", "PROCEDURES", "FUNCTIONS", "TABLE", "VIEW",
          "PROCEDURE", "CONSTRAINTS", "GRANTS")  # fmt: skip
_COLUMNS = {
    "DATABASES": "database_name, database_owner, database_type, database_acl, "
    "database_options AS parameters, database_isolation_level",
    "SCHEMAS": "database_name, schema_name, schema_owner, schema_type, schema_acl, "
    "source_database, schema_option",
    "TABLES": "database_name, schema_name, table_name, table_type, table_acl, remarks",
    "COLUMNS": "database_name, schema_name, table_name, column_name, ordinal_position, "
    "column_default, is_nullable, data_type, character_maximum_length, numeric_precision, "
    "numeric_scale, remarks",
    "PROCEDURES": "database_name, schema_name, name AS procedure_name, number_of_arguments, "
    "argument_list, return_type, remarks",
    "FUNCTIONS": "database_name, schema_name, name AS function_name, number_of_arguments, "
    "argument_list, return_type, remarks",
}
_KEYS = {
    "PRIMARY": "database_name, schema_name, table_name, column_name, key_seq, name AS pk_name",
    "FOREIGN": "database_name AS pk_database_name, pk_schema_name, pk_table_name, pk_column_name, "
    "database_name AS fk_database_name, schema_name AS fk_schema_name, table_name AS "
    "fk_table_name, column_name AS fk_column_name, key_seq, 3 AS update_rule, 3 AS delete_rule, "
    "name AS fk_name, NULL::varchar AS pk_name, 7 AS deferrability",
}
_GRANTS = """
SELECT current_database()::varchar(128) AS database_name, schema_name, object_name, object_type,
       privilege_type, identity_id, identity_name, identity_type, admin_option
  FROM (SELECT namespace_name AS schema_name, relation_name AS object_name, 'TABLE' AS object_type,
               privilege_type, identity_id, identity_name, identity_type, admin_option
          FROM pg_catalog.svv_relation_privileges
        UNION ALL
        SELECT namespace_name, namespace_name, 'SCHEMA', privilege_type, identity_id,
               identity_name, identity_type, admin_option
          FROM pg_catalog.svv_schema_privileges) AS given
 WHERE {condition} ORDER BY object_type, schema_name, object_name, identity_name, privilege_type
"""
_VIEWS = {"DATABASES": "svv_redshift_databases", "SCHEMAS": "svv_all_schemas",
          "TABLES": "svv_all_tables", "COLUMNS": "svv_all_columns"}  # fmt: skip
_ROUTINES = {
    "PROCEDURES": "(SELECT * FROM redshift_local.routines WHERE prokind = 'p') AS r",
    "FUNCTIONS": "(SELECT * FROM redshift_local.routines WHERE prokind <> 'p') AS r",
}
_FILTERED = {"DATABASES": "database_name", "SCHEMAS": "schema_name", "TABLES": "table_name",
             "COLUMNS": "column_name", "PROCEDURES": "name", "FUNCTIONS": "name"}  # fmt: skip
# What stands behind FROM: its word, and the columns its name is of, last part last.
_SOURCES = {
    "SCHEMAS": ("DATABASE", ("database_name",)),
    "TABLES": ("SCHEMA", ("database_name", "schema_name")),
    "COLUMNS": ("TABLE", ("database_name", "schema_name", "table_name")),
    "PROCEDURES": ("SCHEMA", ("database_name", "schema_name")),
    "FUNCTIONS": ("SCHEMA", ("database_name", "schema_name")),
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
    if kind == "PROCEDURE":
        name = signature(words, with_modes=False)
        at_end(words)
        shown = f"{postgres_literal(name)}::regprocedure"
        title = '"Stored Procedure Definition"'
        return f"SELECT redshift_local.procedure_definition({shown}) AS {title}"
    if kind == "CONSTRAINTS":
        return _constraints(words)
    if kind == "GRANTS":
        return _grants(words)
    conditions: list[str] = []
    if kind in _SOURCES:
        words.expect("FROM")
        word, columns = _SOURCES[kind]
        words.expect(word)
        conditions += _named(words, columns)
    elif words.take("FROM"):
        raise Refusal.not_emulated("SHOW DATABASES FROM DATA CATALOG")
    if words.take("LIKE"):
        conditions.append(f"{_FILTERED[kind]} LIKE {postgres_literal(words.string())}")
    limit = f" LIMIT {words.number(1, 10_000, 'LIMIT')}" if words.take("LIMIT") else ""
    at_end(words)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "table_name, ordinal_position" if kind == "COLUMNS" else _FILTERED[kind]
    view = _ROUTINES.get(kind) or f"pg_catalog.{_VIEWS[kind]}"
    return f"SELECT {_COLUMNS[kind]} FROM {view}{where} ORDER BY {order}{limit}"


def _named(words: TokenReader, columns: tuple[str, ...]) -> list[str]:
    """Read a name of at most so many parts, and return the conditions that it stands for."""
    parts = name_parts(words)
    if len(parts) > len(columns):
        words.syntax(parts[0])
    named = zip(columns[len(columns) - len(parts) :], parts, strict=True)
    return [f"{column} = {postgres_literal(part)}" for column, part in named]


def _constraints(words: TokenReader) -> str:
    """SHOW CONSTRAINTS PRIMARY KEYS | FOREIGN KEYS FROM TABLE name."""
    kind = words.next().upper()
    if kind not in _KEYS:
        words.syntax(kind)
    for word in ("KEYS", "FROM", "TABLE"):
        words.expect(word)
    conditions = _named(words, ("database_name", "schema_name", "table_name"))
    at_end(words)
    conditions.append(f"contype = '{kind[0].lower()}'")
    where = " AND ".join(conditions)
    return (f"SELECT {_KEYS[kind]} FROM redshift_local.shown_constraints WHERE {where} "
            "ORDER BY name, key_seq")  # fmt: skip


def _grants(words: TokenReader) -> str:
    """SHOW GRANTS ON TABLE | SCHEMA name, or FOR user | ROLE role."""
    if words.take("ON"):
        kind = words.next().upper()
        if kind not in ("TABLE", "SCHEMA"):
            raise Refusal.not_emulated(f"SHOW GRANTS ON {kind}")
        columns = ("current_database()", "schema_name", "object_name")
        conditions = _named(
            words, columns if kind == "TABLE" else ("current_database()", columns[1])
        )
        conditions.append(f"object_type = '{kind}'")
    else:
        words.expect("FOR")
        kind = "role" if words.take("ROLE") else "user"
        name = postgres_literal(words.identifier())
        conditions = [f"identity_name = {name}", f"identity_type = '{kind}'"]
    at_end(words)
    return _GRANTS.format(condition=" AND ".join(conditions)).strip()


def _definition(kind: str, parts: list[str]) -> str:
    name = postgres_literal(qualified(*parts))
    function = "table_definition" if kind == "TABLE" else "view_definition"
    title = f'"Show {kind.title()} DDL statement"'
    return f"SELECT redshift_local.{function}({name}::regclass) AS {title}"
