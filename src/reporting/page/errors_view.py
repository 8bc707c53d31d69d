"""Where the sales model errs, in words: by group, and its best and worst predictions."""

from __future__ import annotations

from src.json_object import JsonObject
from src.reporting.figures import count, decimal, percent

_TITLES = {"best": "The best predictions", "worst": "The worst predictions"}


def errors_view(found: JsonObject | None) -> JsonObject | None:
    """Return the groups and the concerts as a page shows them; None where nothing is known."""
    if not found:
        return None
    return {
        "groups": [
            {"name": name, "rows": [_group(row) for row in rows]}
            for name, rows in found["by"].items()
        ],
        "concerts": [
            {"title": title, "lines": [_sentence(show) for show in found[name]]}
            for name, title in _TITLES.items()
            if found[name]
        ],
    }


def _group(row: JsonObject) -> JsonObject:
    has_mean = "mae" in row
    return {
        "group": row["group"],
        "rows": count(row["rows"]),
        "mae": decimal(row["mae"], 1) if has_mean else "too few",
        "off": percent(row["off_share"], 1) if has_mean else "",
        "inside": percent(row["inside"]) if has_mean else "",
    }


def _sentence(show: JsonObject) -> str:
    """Return a concert's prediction, what happened, and what may explain the difference."""
    where = ", ".join(word for word in (show["genre"], show["city"]) if word)
    moved = ", ".join(f"{m['factor']} {m['tickets']:+,.0f}" for m in show["moved_by"])
    is_inside = show["low"] <= show["actual"] <= show["high"]
    place = "inside" if is_inside else "outside of"
    words = (
        f"{show['starts_at'][:10]}, {where}, {count(show['capacity'])} seats: expected "
        f"{count(round(show['expected']))}, sold {count(show['actual'])}; {place} its interval "
        f"{count(round(show['low']))} to {count(round(show['high']))}. Moved most by {moved}."
    )
    return f"{words} {_reason(show)}".strip()


def _reason(show: JsonObject) -> str:
    """Return what the model could not see, where it is known."""
    reasons = []
    if show.get("earlier_shows") is not None and show["earlier_shows"] < 3:
        shows = "no earlier show" if not show["earlier_shows"] else "few earlier shows"
        reasons.append(f"the artist has {shows} to learn from")
    if show["actual"] >= show["capacity"] > show["expected"]:
        reasons.append("it sold out, and more may have been asked for")
    if not show["low"] <= show["actual"] <= show["high"] and not reasons:
        reasons.append("its artist sold unlike before: chance, or what no column shows")
    return f"Why: {'; '.join(reasons)}." if reasons else ""
