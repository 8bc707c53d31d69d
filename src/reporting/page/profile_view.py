"""The columns of the loaded tables on a page: what they hold, and what changed since a run."""

from __future__ import annotations

from itertools import groupby

from src.json_object import JsonObject
from src.reporting.figures import count, percent

_COMPARED = ("type", "empty", "distinct", "smallest", "largest")


def profile_view(columns: list[JsonObject], previous: JsonObject | None) -> JsonObject:
    """Return the tables with their columns; `previous` is an earlier run's report."""
    before = {}
    if previous is not None:
        held = (previous.get("data") or {}).get("columns", [])
        before = {(row["table"], row["column"]): row for row in held}
    tables = []
    for name, rows in groupby(columns, key=lambda row: str(row["table"])):
        own = list(rows)
        shown = [_column(row, before.get((name, row["column"]))) for row in own]
        old = next((row for (table, _), row in before.items() if table == name), None)
        tables.append({"name": name, "rows": _rows(own[0], old), "columns": shown})
    run_id = previous["run_id"] if previous is not None and before else ""
    return {"tables": tables, "compared_with": run_id}


def _rows(row: JsonObject, old: JsonObject | None) -> str:
    words = f"{count(row['rows'])} rows"
    if old is None:
        return words
    more = row["rows"] - old["rows"]
    return f"{words}, {f'{more:+,}' if more else 'as many as before'}"


def _column(row: JsonObject, old: JsonObject | None) -> JsonObject:
    share = row["empty"] / row["rows"] if row["rows"] else 0.0
    changed = [f"{name}: {_value(old[name])} before" for name in _COMPARED
               if old is not None and old[name] != row[name]]  # fmt: skip
    return {
        "name": row["column"],
        "type": row["type"],
        "doc": row["doc"],
        "empty": "none" if not row["empty"] else f"{count(row['empty'])} ({percent(share, 1)})",
        "distinct": "not counted" if row["distinct"] is None else count(row["distinct"]),
        "smallest": row["smallest"] or "",
        "largest": row["largest"] or "",
        "changed": "; ".join(changed) or ("no change" if old is not None else ""),
    }


def _value(value: object) -> str:
    return "none" if value is None else count(value) if isinstance(value, int) else str(value)
