"""Numbers as the report's page words them; what is not known is a dash."""

from __future__ import annotations

UNKNOWN = "–"


def count(value: float | None) -> str:
    """Return a whole number with thousands separators: 12,345."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def decimal(value: float | None, places: int) -> str:
    """Return a number with that many decimal places."""
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def percent(share: float | None, places: int = 0) -> str:
    """Return a share as a percentage; only a whole is shown as 100 %, only nothing as 0 %."""
    if share is None:
        return UNKNOWN
    shown = f"{share * 100:.{places}f}"
    if float(shown) in (0.0, 100.0) and share not in (0, 1) and places < 3:
        return percent(share, places + 1)
    return f"{shown} %"


def interval(pair: list[float], places: int = 0) -> str:
    """Return an interval: 24,042 – 66,620."""
    low, high = pair
    return f"{low:,.{places}f} – {high:,.{places}f}"


def tile(value: str, label: str, tone: str = "") -> dict[str, str]:
    """Return one of the page's large figures; `tone` is good, bad, warn or nothing."""
    return {"value": value, "label": label, "tone": tone}
