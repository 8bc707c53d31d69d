"""What the page of a pipeline run shows beyond the common parts, as plain text and shares."""

from __future__ import annotations

from src.domain.judgement import tally
from src.json_object import JsonObject
from src.reporting.changed_values import changed_values
from src.reporting.figures import count, percent, tile
from src.reporting.page import charts
from src.reporting.page.profile_view import profile_view
from src.reporting.rejection_rules import fields_of, meaning

_STOPS = ("raw_records", "etl_read", "etl_accepted", "rejected", "loaded", "warehouse")
_CHANGES = {
    "nullified": "left empty: the value cannot be used and is not required",
    "rounded": "rounded to what the column holds",
}


def pipeline_view(facts: JsonObject, previous: JsonObject | None = None) -> JsonObject:
    """Return the page's values; what a run did not reach is empty."""
    verification = facts["steps"].get("data_verification", {})
    checks = verification.get("checks", [])
    counts = tally(check["verdict"] for check in checks)
    found = verification.get("defect_detection")
    data = facts.get("data") or {}
    return {
        "tiles": _tiles(facts, len(checks), counts, found),
        "rows": [_row(table, counts) for table, counts in facts["rows"].items()],
        "rows_title": _rows_title(facts["rows"]),
        "rows_note": _rows_note(facts),
        "rejections": _with_examples(data.get("rejections", []), data.get("rejected_examples", [])),
        "rejection_kinds": _rejections(_by_kind(data.get("rejections", []))),
        "rejections_note": _rejections_note(found, facts["steps"].get("redshift_load", {})),
        "following": _following(data.get("following_rejects", [])),
        "changes": _changes(facts["steps"]),
        "unusual_sales": _unusual(data.get("unusual_sales", [])),
        **_pictures(data),
        "profile": profile_view(data.get("columns", []), previous),
        "checks": checks,
        "checks_words": f"{counts['passed']} of {len(checks)} checks passed",
        "failed_checks": [check for check in checks if check["verdict"] == "failed"],
    }


def _tiles(
    facts: JsonObject, checks: int, counts: dict[str, int], found: dict[str, float] | None
) -> list[dict[str, str]]:
    load = facts["steps"].get("redshift_load", {})
    raw = sum(counts["raw_records"] or 0 for counts in facts["rows"].values())
    tiles = [
        tile(count(raw or None), "raw records"),
        tile(count(load.get("rows")), "rows loaded"),
        tile(count(load.get("rejected_rows")), "rows rejected, each with its reason"),
        tile(
            f"{counts['passed']} / {checks}" if checks else "–",
            "quality checks passed"
            + (f", {counts['skipped']} skipped" if counts["skipped"] else ""),
            "bad" if counts["failed"] else "good" if checks else "",
        ),
    ]
    if found:
        exact = found["precision"] == found["recall"] == 1.0
        words = f"of the defects found, precision {percent(found['precision'])}"
        tiles.append(tile(percent(found["recall"]), words, "good" if exact else "bad"))
    tickets = ((facts.get("dataset") or {}).get("parameters") or {}).get("tickets")
    if tickets:
        tiles.append(tile(charts.compact(tickets), "tickets sold"))
    return tiles


def _row(table: str, counts: dict[str, int | None]) -> JsonObject:
    total, lost = counts["raw_records"], counts["unaccounted"]
    shares = [
        (kind, (value or 0) / total if total else 0.0)
        for kind, value in (("", counts["loaded"]), ("off", counts["rejected"]), ("lost", lost))
    ]
    return {
        "table": table,
        "cells": [count(counts[stop]) for stop in _STOPS],
        "unaccounted": count(lost),
        "tone": "" if lost is None else "bad" if lost else "good",
        "parts": shares,
    }


def _rows_title(rows: dict[str, dict[str, int | None]]) -> str:
    lost = [counts["unaccounted"] for counts in rows.values()]
    if any(lost):
        return "Not every row is accounted for"
    return "Rows, not all known yet" if None in lost else "Every row accounted for"


def _rows_note(facts: JsonObject) -> str:
    note = "raw = rejected + copied: what is not, is unaccounted for."
    if facts["arguments"]["etl"] == "direct":
        note += " No Glue ran (--etl direct): Redshift cleaned the raw rows itself."
    if facts["arguments"]["load_mode"] == "merge":
        note += " The load merged: the warehouse may hold rows of earlier loads as well."
    ignored = facts["steps"].get("data_generation", {}).get("ignored_columns") or {}
    names = [f"{table}.{name}" for table, own in ignored.items() for name in own]
    if names:
        note += f" Ignored columns of the files, which no table has: {', '.join(names)}."
    return note


def _rejections(found: list[JsonObject]) -> list[JsonObject]:
    most = max((row["records"] for row in found), default=1)
    return [
        {
            "rule": row["rule"],
            "meaning": meaning(row["rule"]),
            "table": row["table_name"],
            "records": count(row["records"]),
            "share": row["records"] / most,
        }
        for row in found
    ]


def _with_examples(found: list[JsonObject], examples: list[JsonObject]) -> list[JsonObject]:
    """Return the rejected rows by rule, each with some of its records, field by field."""
    rows = _rejections(found)
    for row in rows:
        row["examples"] = [
            {"fields": fields_of(one), "parent": one.get("parent_key")}
            for one in examples
            if (one["rule"], one["table_name"]) == (row["rule"], row["table"])
        ]
    return rows


def _by_kind(found: list[JsonObject]) -> list[JsonObject]:
    """Return the records by rule whatever the column: missing, orphan, duplicate_key."""
    kinds: dict[str, JsonObject] = {}
    for row in found:
        kind = row["rule"].split(":")[0]
        entry = kinds.setdefault(kind, {"rule": kind, "records": 0, "tables": set()})
        entry["records"] += row["records"]
        entry["tables"].add(row["table_name"])
    for entry in kinds.values():
        entry["table_name"] = ", ".join(sorted(entry["tables"]))
    return sorted(kinds.values(), key=lambda entry: -entry["records"])


def _rejections_note(found: dict[str, float] | None, load: JsonObject) -> str:
    schema = load.get("failed_rows", "concert_dw")
    where = f"Each one, with its raw record, is in {schema}.rejected_records." if schema else ""
    if not found:
        return where
    return (
        "The generator injected these defects and wrote down which: of the rejected rows "
        f"{percent(found['precision'])} were defects, of the defects {percent(found['recall'])} "
        f"were found. {where}"
    )


def _following(found: list[JsonObject]) -> str:
    """Return which rejects have no fault but their parent's."""
    if not any(row["records"] for row in found):
        return ""
    (row,) = found
    rows = "row follows" if row["records"] == 1 else "rows follow"
    return (
        f"{count(row['records'])} {rows} from {count(row['roots'])}: "
        "they are rejected because the row that they refer to is."
    )


def _changes(steps: JsonObject) -> list[JsonObject]:
    """Return what was changed in accepted rows, by column: of the load, or else of the job."""
    tables = steps.get("redshift_load", {}).get("tables") or {}
    warnings = {name: table.get("warnings") or {} for name, table in tables.items()}
    found = changed_values(warnings or steps.get("glue_etl", {}).get("warnings") or {})
    return [{**row, "rows": count(row["rows"]), "what": _CHANGES[row["change"]]} for row in found]


def _unusual(found: list[JsonObject]) -> str:
    shown = [f"{count(row['records'])} {row['what']}" for row in found if row["records"]]
    return f"Unusual sales, loaded as they are: {'; '.join(shown)}." if shown else ""


def _pictures(data: JsonObject) -> JsonObject:
    months = sorted(data.get("sales_by_month", []), key=lambda row: str(row["month"]))
    venues, genres = data.get("top_venues", []), data.get("genres", [])
    chart = ""
    if months:
        labels = [str(row["month"])[:7] for row in months]
        tickets = [float(row["tickets"]) for row in months]
        chart = charts.columns("Tickets by month of purchase", labels, tickets, "tickets")
    earned = sum(row["revenue"] or 0.0 for row in genres) or 1.0
    best = max((row["revenue"] or 0.0 for row in venues), default=1.0) or 1.0
    most = max((row["revenue"] or 0.0 for row in genres), default=1.0) or 1.0
    return {
        "sales_chart": chart,
        "sales_note": " (the newest sixty months)" if len(months) == 60 else "",
        "venues": [
            {
                "name": row["name"],
                "city": row["city"],
                "capacity": f"{count(row['capacity'])} seats"
                if row["capacity"]
                else "seats unknown",
                "revenue": f"${charts.compact(row['revenue'] or 0.0)}",
                "full": percent(row["sell_through"]),
                "share": (row["revenue"] or 0.0) / best,
            }
            for row in venues
        ],
        "genres": [
            {
                "genre": row["genre"],
                "concerts": count(row["concerts"]),
                "percent": percent((row["revenue"] or 0.0) / earned),
                "share": (row["revenue"] or 0.0) / most,
            }
            for row in genres
        ],
    }
