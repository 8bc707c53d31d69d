"""What each column of the loaded tables holds: empty and distinct values, smallest and largest."""

from __future__ import annotations

from src.domain.tables import SCHEMA, TABLES, TableSpec
from src.infrastructure.redshift_client import RedshiftClient
from src.json_object import JsonObject
from src.sql.quoting import identifier, qualified

_COUNTED_ROWS = 1_000_000  # distinct values of larger tables would take a sort for each column
_WIDEST = 60


def column_profile(redshift: RedshiftClient) -> list[JsonObject]:
    """Return one entry for each column, made by one pass over each table."""
    found = []
    for table in TABLES:
        name = qualified(SCHEMA, table.name)
        rows = int(redshift.query_value(f"SELECT COUNT(*) FROM {name}"))
        is_counted = rows <= _COUNTED_ROWS
        (values,) = redshift.query(f"SELECT {_aggregates(table, is_counted)} FROM {name}")
        for place, column in enumerate(table.columns):
            distinct = values[f"distinct_{place}"] if is_counted else None
            found.append({
                "table": table.name, "column": column.name, "type": column.redshift_type,
                "doc": column.doc, "rows": rows, "empty": rows - int(values[f"filled_{place}"]),
                "distinct": None if distinct is None else int(distinct),
                "smallest": _text(values[f"smallest_{place}"]),
                "largest": _text(values[f"largest_{place}"]),
            })  # fmt: skip
    return found


def _aggregates(table: TableSpec, is_counted: bool) -> str:
    parts = []
    for place, column in enumerate(table.columns):
        name = identifier(column.name)
        parts.append(f"COUNT({name}) AS filled_{place}")
        parts += [f"{function}({name}) AS {word}_{place}"
                  for function, word in (("MIN", "smallest"), ("MAX", "largest"))]  # fmt: skip
        if is_counted:
            parts.append(f"COUNT(DISTINCT {name}) AS distinct_{place}")
    return ", ".join(parts)


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:_WIDEST]
