"""What the page of a live run shows beyond the common parts."""

from __future__ import annotations

from src.json_object import JsonObject
from src.reporting.figures import count, tile
from src.reporting.page import charts

_POINTS = 120  # of a curve; more are thinned out


def streaming_view(facts: JsonObject) -> JsonObject:
    """Return the page's values; what a run did not reach is empty."""
    found = facts.get("streaming") or {}
    totals = found.get("totals") or {}
    checks = found.get("checks") or []
    ticks = found.get("ticks") or []
    return {
        "tiles": _tiles(found, totals) if totals else [],
        "balance": _balance(found, totals) if totals else "",
        "checks": checks,
        "failed_checks": [check for check in checks if check["verdict"] == "failed"],
        "delays": _curve("delay to the warehouse, seconds", [
            (str(t["ingested_at"])[11:19], t["delay_p99_ms"] / 1000) for t in ticks
        ]),
        "records": _curve("records in one step", [
            (str(t["ingested_at"])[11:19], float(t["records"])) for t in ticks
        ]),
        "restarts": found.get("restarts", 0),
    }  # fmt: skip


def _tiles(found: JsonObject, totals: JsonObject) -> list[dict[str, str]]:
    shown = [
        tile(count(found["produced"]), "events produced"),
        tile(count(totals["sales"]), "sales in the warehouse", "good"),
        tile(count(totals["rejected"]), "rejected, each for a reason"),
        tile(count(totals["duplicates"]), "duplicates dropped"),
    ]
    for name, label in (("delay_p50_ms", "delay p50, s"), ("delay_p99_ms", "longest delay p99, s")):
        if found.get(name) is not None:
            shown.append(tile(f"{found[name] / 1000:.2f}", label))
    return shown


def _balance(found: JsonObject, totals: JsonObject) -> str:
    return (
        f"produced {count(found['produced'])} = {count(totals['sales'])} in the warehouse "
        f"+ {count(totals['rejected'])} rejected + {count(totals['duplicates'])} duplicates "
        f"+ {count(found['in_flight'])} in flight"
    )


def _curve(title: str, points: list[tuple[str, float]]) -> object:
    """Return a chart of at most _POINTS points, or nothing for fewer than two."""
    if len(points) < 2:
        return ""
    step = -(-len(points) // _POINTS)
    return charts.trend(title, [
        (f"{at}: {value:,.2f}", value, "") for at, value in points[::step]
    ])  # fmt: skip
