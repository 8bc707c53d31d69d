"""The simplified path: raw rows straight into Redshift, cleaned there with SQL.

COPY itself refuses what has no value of the column's type; the statements here then tidy,
judge, deduplicate and check references, by the rules of src/domain/tables.py.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from src.domain.tables import SCHEMA, Column, TableSpec
from src.infrastructure.staging_names import staging_table

INSERT_REJECTED = (
    f"INSERT INTO {SCHEMA}.rejected_records (run_id, table_name, record_key, rule, raw_record) "
    "VALUES (%s, %s, %s, %s, %s)"
)
_TYPES = {"integer": "BIGINT", "timestamp": "TIMESTAMP"}
_RULE_OF_CODE = {1204: "too_long", 1205: "invalid_timestamp", 1206: "invalid_timestamp"}


def raw_table(spec: TableSpec, name: str) -> str:
    """Return DDL for the table raw rows are copied to: typed, but with room for every defect."""
    columns = []
    for column in spec.columns:
        if column.kind in ("key", "text"):
            kind = f"VARCHAR({4 * column.max_bytes + 256})"
        elif column.kind == "decimal":
            kind = "DECIMAL(38,2)"
        else:
            kind = _TYPES[column.kind]
        columns.append(f"{column.name} {kind}")
    columns.append("record_number VARCHAR(20)")  # of the user's own files only
    return f"CREATE TEMP TABLE {name} ({', '.join(columns)})"


def refused_record(
    run_id: str, spec: TableSpec, columns: Sequence[str], row: Mapping[str, Any]
) -> tuple[str, str, str | None, str, str]:
    """Return the quarantine's row for one row that COPY refused."""
    column = str(row["column_name"])
    kind = next((c.kind for c in spec.columns if c.name == column), "record")
    rule = _RULE_OF_CODE.get(int(row["error_code"]), f"invalid_{kind}")
    raw = str(row.get("raw_line") or "")
    return run_id, spec.name, _key_of(raw, spec, columns), f"{rule}:{column}", raw


def _key_of(raw: str, spec: TableSpec, columns: Sequence[str]) -> str | None:
    """Return the key in a raw line, JSON or CSV; None where the view cut the line short."""
    try:
        return str(json.loads(raw)[spec.key])
    except (ValueError, KeyError, TypeError):
        fields = next(csv.reader([raw]), [])
        return fields[columns.index(spec.key)] if len(fields) == len(columns) else None


def statements(
    spec: TableSpec, raw: str, stage: str, run_id: str
) -> Iterator[tuple[str, tuple[Any, ...] | None]]:
    """Yield the statements that move good rows from `raw` to `stage` and the rest to quarantine."""
    names = ", ".join(spec.column_names)
    tidy = ", ".join(f"{_tidy(c)} AS {c.name}" for c in spec.columns)
    judged = staging_table("judged", spec.name, run_id)
    record = _as_json(spec)
    yield (
        f"CREATE TEMP TABLE {judged} AS SELECT {names}, {_verdict(spec)} AS own_rule, "
        f"{record} AS raw_record FROM (SELECT {tidy} FROM {raw}) AS tidied",
        None,
    )
    numbered = (
        f"SELECT *, ROW_NUMBER() OVER (PARTITION BY own_rule, {spec.key} ORDER BY raw_record) "
        f"AS nth FROM {judged}"
    )
    joins, orphan_cases = "", ""
    for column, parent in spec.references:
        parent_key = f"p_{column}"
        joins += (
            f" LEFT JOIN {SCHEMA}.{parent} AS {parent_key} ON {parent_key}.{column} = n.{column}"
        )
        orphan_cases += f" WHEN {parent_key}.{column} IS NULL THEN 'orphan:{column}'"
    mine = ", ".join(f"n.{name}" for name in spec.column_names)
    final = staging_table("final", spec.name, run_id)
    yield (
        f"CREATE TEMP TABLE {final} AS SELECT {mine}, n.raw_record, "
        "CASE WHEN n.own_rule IS NOT NULL THEN n.own_rule "
        f"WHEN n.nth > 1 THEN 'duplicate_key'{orphan_cases} END AS rule "
        f"FROM ({numbered}) AS n{joins}",
        None,
    )
    yield (
        f"INSERT INTO {SCHEMA}.rejected_records (run_id, table_name, record_key, rule, "
        f"raw_record) SELECT %s, %s, {spec.key}, rule, raw_record FROM {final} "
        "WHERE rule IS NOT NULL",
        (run_id, spec.name),
    )
    filled = ", ".join(
        f"COALESCE({c.name}, {c.fill}) AS {c.name}" if c.fill else c.name for c in spec.columns
    )
    yield f"CREATE TEMP TABLE {stage} (LIKE {SCHEMA}.{spec.name})", None
    yield (
        f"INSERT INTO {stage} ({names}) SELECT {filled} FROM {final} WHERE rule IS NULL",
        None,
    )
    for table in (raw, judged, final):
        yield f"DROP TABLE {table}", None


def _tidy(column: Column) -> str:
    if column.kind not in ("key", "text"):
        return column.name
    text = f"TRIM({column.name})"
    if column.case:
        text = f"{column.case.upper()}({text})"
    return f"NULLIF({text}, '')"


def _verdict(spec: TableSpec) -> str:
    """Return SQL for the first rule a row breaks by itself, in the Glue job's order."""
    cases = []
    for column in spec.columns:
        name = column.name
        if column.required:
            cases.append((f"missing:{name}", f"{name} IS NULL"))
        if column.kind in ("key", "text"):
            cases.append((f"too_long:{name}", f"OCTET_LENGTH({name}) > {column.max_bytes}"))
        elif column.kind in ("integer", "decimal"):
            limit = 10 ** (column.precision - 2) if column.kind == "decimal" else 10**9
            low = column.minimum if column.minimum is not None else 1 - limit
            high = column.maximum if column.maximum is not None else limit - 1
            cases.append((f"out_of_range:{name}", f"{name} < {low} OR {name} > {high}"))
    cases += [(rule.name, rule.violated) for rule in spec.rules]
    whens = " ".join(f"WHEN {broken} THEN '{rule}'" for rule, broken in cases)
    return f"CASE {whens} END"


def _as_json(spec: TableSpec) -> str:
    """Return SQL that writes the row as JSON text, every value a string or null."""
    pieces = []
    for index, name in enumerate(spec.column_names):
        escaped = f"REPLACE(REPLACE(CAST({name} AS VARCHAR), '\\\\', '\\\\\\\\'), '\"', '\\\\\"')"
        value = f"COALESCE('\"' || {escaped} || '\"', 'null')"
        pieces.append(f"'{'{' if index == 0 else ', '}\"{name}\": ' || {value}")
    return " || ".join(pieces) + " || '}'"
