"""What the Data API lists of a database: databases, schemas, tables, columns."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from src.local_cloud.endpoint.data_statements import Connect
from src.local_cloud.endpoint.errors import AwsError


@dataclass(frozen=True)
class Query:
    """A query with the patterns of a call, and the members of each row; none for a bare name."""

    sql: str
    members: tuple[str, ...] = ()


databases = Query("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> "
                  "'postgres' ORDER BY 1")  # fmt: skip
_VISIBLE = "nspname NOT LIKE 'pg_toast%%' AND nspname NOT LIKE 'pg_temp%%' AND nspname <> " \
           "'redshift_local'"  # fmt: skip
schemas = Query(
    f"SELECT nspname FROM pg_namespace WHERE {_VISIBLE} AND nspname LIKE %(SchemaPattern)s "
    "ORDER BY 1"
)
tables = Query(
    "SELECT relname, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, nspname "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    f"WHERE relkind IN ('r', 'p', 'v', 'm') AND {_VISIBLE} AND nspname LIKE %(SchemaPattern)s "
    "AND relname LIKE %(TablePattern)s ORDER BY 3, 1",
    ("name", "type", "schema"),
)
columns = Query(
    "SELECT column_name, data_type, COALESCE(character_maximum_length, 0), "
    "COALESCE(numeric_precision, 0), COALESCE(numeric_scale, 0), "
    "CASE is_nullable WHEN 'YES' THEN 1 ELSE 0 END, COALESCE(column_default, ''), table_schema, "
    "table_name FROM information_schema.columns WHERE table_name = %(Table)s "
    "AND table_schema LIKE %(Schema)s ORDER BY table_schema, ordinal_position",
    ("name", "typeName", "length", "precision", "scale", "nullable", "columnDefault",
     "schemaName", "tableName"),
)  # fmt: skip


def read(
    connect: Connect, place: tuple[str, str], query: Query, options: Mapping[str, Any]
) -> list[Any]:
    """Run a query of the catalog on a connection of its own."""
    patterns = {name: options.get(name) or "%"
                for name in ("SchemaPattern", "TablePattern", "Schema")}  # fmt: skip
    try:
        with closing(connect(*place)) as connection, connection.cursor() as cursor:
            cursor.execute(query.sql, {**patterns, "Table": options.get("Table")})
            rows = cursor.fetchall()
    except psycopg2.OperationalError as error:
        raise AwsError("DatabaseConnectionException", str(error).strip(), status=500) from error
    except psycopg2.Error as error:
        raise AwsError("ValidationException", str(error).strip()) from error
    if not query.members:
        return [name for (name,) in rows]
    return [dict(zip(query.members, row, strict=True)) for row in rows]
