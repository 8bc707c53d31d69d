"""Which rows a COPY refused, and why: from stl_load_errors, or on Serverless from the SYS view."""

from __future__ import annotations

import logging

from src.domain.tables import SCHEMA
from src.errors import LoadError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.json_object import JsonObject

logger = logging.getLogger(__name__)

_SHOWN_ROWS = 3
_REPORTED_ROWS = 100

_PROVISIONED = """
SELECT TRIM(filename) AS file_name, line_number, TRIM(colname) AS column_name,
       TRIM(raw_line) AS raw_line, err_code AS error_code, TRIM(err_reason) AS error_message
FROM stl_load_errors
WHERE query = {query}
ORDER BY filename, line_number
"""
_SERVERLESS = """
SELECT TRIM(file_name) AS file_name, line_number, TRIM(column_name) AS column_name,
       '' AS raw_line, error_code, TRIM(error_message) AS error_message
FROM sys_load_error_detail
WHERE query_id = {query}
ORDER BY file_name, line_number
"""
# After a ROLLBACK pg_last_copy_id() names an earlier COPY: the session's newest errors count.
_FAILED = "(SELECT MAX(query) FROM stl_load_errors WHERE session = pg_backend_pid())"
# COPY's own number: that of pg_last_copy_id() is one of the STL views.
_LAST_SERVERLESS = (
    "(SELECT MAX(query_id) FROM sys_load_history WHERE session_id = pg_backend_pid())"
)
_FAILED_SERVERLESS = (
    "(SELECT MAX(query_id) FROM sys_load_error_detail WHERE session_id = pg_backend_pid())"
)


def last_copy_errors(client: RedshiftClient) -> list[JsonObject]:
    """Return the rows that the session's last COPY, which went on, refused."""
    if client.is_serverless:
        return client.query(_SERVERLESS.format(query=_LAST_SERVERLESS))
    return client.query(_PROVISIONED.format(query="pg_last_copy_id()"))


def explain(
    client: RedshiftClient,
    error: WarehouseError,
    table: str,
    manifest_uri: str,
    source_rows: int | None,
) -> LoadError:
    """Return the error for a failed COPY; its transaction must be rolled back by now."""
    message = f"COPY into {SCHEMA}.{table} failed"
    # Errors before the load began (a missing file, a wrong role) are in no view.
    if "load_error" not in (error.cause or ""):
        return LoadError(message, where=manifest_uri, cause=error.cause, hint=error.hint)
    rows = _refused_rows(client)
    if not rows:
        return LoadError(message, where=manifest_uri, cause=error.cause, hint=error.hint)
    total = "" if source_rows is None else f" of {source_rows:,}"
    reasons = [f"{r['error_message']} (code {r['error_code']})" for r in rows[:_SHOWN_ROWS]]
    explained = LoadError(
        f"COPY into {SCHEMA}.{table} rejected {len(rows)}{total} rows",
        where="; ".join(_place(row) for row in rows[:_SHOWN_ROWS])
        + (f"; and {len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""),
        cause="; ".join(dict.fromkeys(reasons)),
        hint="run the same command again with --etl glue -v: the ETL sets such rows aside",
    )
    explained.facts = {"load_errors": rows[:_REPORTED_ROWS]}
    return explained


def _place(row: JsonObject) -> str:
    column = f", column {row['column_name']}" if row["column_name"] else ""
    return f"{row['file_name']} line {row['line_number']}{column}"


def _refused_rows(client: RedshiftClient) -> list[JsonObject]:
    query = _PROVISIONED.format(query=_FAILED)
    if client.is_serverless:
        query = _SERVERLESS.format(query=_FAILED_SERVERLESS)
    try:
        return client.query(query)
    except WarehouseError as error:
        logger.debug("sys_load_error_detail cannot be read: %s", error.cause)
        return []
