"""What moves a prediction, and how it changes with the price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from src.json_object import JsonObject, JsonView
from src.serving.predictor import Predictor

_FACTORS = {
    "popularity": ("popularity",),
    "price": ("base_price",),
    "genre": ("genre",),
    "city": ("city", "city_competition"),
    "kind of venue": ("venue_type",),
    "the artist's earlier shows": ("artist_id",),
    "the venue's earlier shows": ("venue_id",),
    "time on sale": ("on_sale_at", "lead_days"),
}
_SEASON = "date"
_STEPS, _STEP_DAYS = 28, 13  # every weekday four times, spread over a year
_MOST = 3
CURVE_PRICES = 10


def moved_by(predictor: Predictor, record: JsonView) -> list[JsonObject]:
    """Return the three factors that move a prediction most, in tickets.

    Each is left out, or the date put anywhere in a year; what the prediction loses is what it
    brought.
    """
    rows = [dict(record)]
    names = [name for name, fields in _FACTORS.items() if any(record.get(f) for f in fields)]
    for name in names:
        rows.append({k: v for k, v in record.items() if k not in _FACTORS[name]})
    start = datetime.fromisoformat(str(record["starts_at"]))
    on_sale = record.get("on_sale_at")
    for step in range(_STEPS):
        later = timedelta(days=step * _STEP_DAYS - _STEPS * _STEP_DAYS // 2)
        row = {**record, "starts_at": str(start + later)}
        if on_sale:
            row["on_sale_at"] = str(datetime.fromisoformat(str(on_sale)) + later)
        rows.append(row)
    tickets = np.array([one.tickets for one in predictor.service.predict(rows)])
    without = [*tickets[1 : len(names) + 1], tickets[len(names) + 1 :].mean()]
    moved = {name: round(float(tickets[0] - value), 1)
             for name, value in zip([*names, _SEASON], without, strict=True)}  # fmt: skip
    largest = sorted(moved, key=lambda name: -abs(moved[name]))[:_MOST]
    return [{"factor": name, "tickets": moved[name]} for name in largest]


def price_curve(
    predictor: Predictor, record: JsonView, ends: Sequence[float], seen: tuple[float, float]
) -> list[JsonObject]:
    """Return tickets, revenue and sell-out for prices from one end to the other.

    A price outside of `seen` is marked: nearly no concert had it.
    """
    prices = [round(float(price), 2) for price in np.linspace(ends[0], ends[-1], CURVE_PRICES)]
    found = predictor.service.predict([{**record, "base_price": str(p)} for p in prices])
    return [
        {
            "price": price,
            "tickets": one.tickets,
            "revenue": one.tickets * price,
            "sell_out": one.sell_out,
            "is_seen": seen[0] <= price <= seen[1],
        }
        for price, one in zip(prices, found, strict=True)
    ]
