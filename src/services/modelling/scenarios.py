"""Predictions to talk about: coming concerts, what-ifs, venues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from src.json_object import JsonObject
from src.services.features.sales_encoder import OWNERS, RANGES
from src.services.modelling.pace_training import lead_days, moved_by_sales
from src.services.modelling.sales_training import FACTORS
from src.services.modelling.time_split import TimeSplit
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
from src.services.venue_popularity_service import VenuePopularityService

MAX_WRITTEN = 2_000
_PRICES = (0.6, 1.6, 11)  # of the price: from, to, how many


@dataclass(frozen=True)
class Predictor:
    """The version whose predictions are written, and whether it is the champion."""

    service: Any
    version: int
    role: Literal["champion", "candidate"]


def predict_upcoming(
    service: TicketSalesPredictionService, concerts: pd.DataFrame, bookings: pd.DataFrame,
    until: pd.Timestamp | None,
) -> pd.DataFrame:  # fmt: skip
    """Return the concerts still to come with both their predictions, soonest first.

    One is made at on-sale; the other moves with what is sold by now.
    """
    coming = concerts[concerts["status"] != "completed"].sort_values(["starts_at", "concert_id"])
    coming = coming.head(MAX_WRITTEN).reset_index(drop=True)
    moved = moved_by_sales(service, coming, bookings, until)
    return coming.join(service.predict_frame(coming)).join(moved)


def scenarios(
    sales: Predictor,
    venue: Predictor,
    predicted: pd.DataFrame,
    split: TimeSplit,
    panel: pd.DataFrame,
    shares: Mapping[int, float],
) -> list[JsonObject]:
    """Return the scenarios of both models; each names its version and its role.

    `shares` tells which share of its tickets a show usually sells so many days before.
    """
    shows = sales_scenarios(sales.service, predicted, typical_concert(split.train), shares)
    venues = venue_scenarios(venue.service, panel)
    return [
        {**sample, "model_version": by.version, "model_role": by.role}
        for by, samples in ((sales, shows), (venue, venues))
        for sample in samples
    ]


def sales_scenarios(
    service: TicketSalesPredictionService, predicted: pd.DataFrame, typical: pd.DataFrame,
    shares: Mapping[int, float],
) -> list[JsonObject]:  # fmt: skip
    """Return scenarios: three coming concerts, and what-ifs on price and venue."""
    if predicted.empty:
        return []
    order = predicted.sort_values("tickets", ascending=False)
    picks = [order.iloc[0], order.iloc[len(order) // 2], order.sort_values("confidence").iloc[-1]]
    titles = ["largest expected crowd", "a middling concert", "the surest prediction"]
    scenarios = [
        {**_scenario(service, f"coming: {title}", row, typical),
         "sold_so_far": int(row["sold_so_far"]), "by_now": round(float(row["moved_tickets"]), 1)}
        for title, row in zip(titles, picks, strict=True)
    ]  # fmt: skip
    middling = picks[1]
    scenarios[1] |= {"price_curve": _price_curve(service, middling),
                     "full_by": _full_by(service, middling, shares)}  # fmt: skip
    share = predicted["tickets"] / predicted["capacity"]
    full = predicted.loc[share.sort_values(kind="stable").index[-1]]
    changes: list[tuple[str, Any, JsonObject]] = []
    if pd.notna(middling["base_price"]):
        for percent in (-20, 20):
            price = min(
                float(middling["base_price"]) * (1 + percent / 100), RANGES["base_price"][1]
            )
            changes.append((f"what if: price {percent:+d} %", middling, {"base_price": price}))
    bigger = int(min(full["capacity"] * 2, 500_000))
    changes.append(("what if: the fullest venue were twice the size", full, {"capacity": bigger}))
    for title, origin, change in changes:
        row = origin.copy()
        for name, value in change.items():
            row[name] = value
        scenario = _scenario(service, title, row, typical)
        scenario["instead_of_tickets"] = round(float(origin["tickets"]), 1)
        scenarios.append(scenario)
    return scenarios


def _price_curve(service: TicketSalesPredictionService, row: pd.Series) -> list[JsonObject]:
    """Return what a concert sells at lower and higher prices; [] where it has none."""
    if pd.isna(row["base_price"]) or row["base_price"] <= 0:
        return []
    prices = np.minimum(float(row["base_price"]) * np.linspace(*_PRICES), RANGES["base_price"][1])
    found = service.predict_frame(pd.DataFrame([{**row, "base_price": p} for p in prices]))
    return [
        {"price": round(float(price), 2), "tickets": round(float(tickets), 1),
         "sell_out": round(float(full), 4)}
        for price, tickets, full in zip(prices, found["tickets"], found["sell_out"], strict=True)
    ]  # fmt: skip


def _full_by(
    service: TicketSalesPredictionService, row: pd.Series, shares: Mapping[int, float]
) -> list[JsonObject]:
    """Return how probable a concert is full so many days before, where sales keep the usual pace.

    By then the usual share of its demand has come: it is full where that reaches the capacity.
    """
    rows = service.encode(pd.DataFrame([row.to_dict()]))
    law, lead = service.distribution(rows), float(lead_days(rows)[0])
    found = {
        days: law.demand_above(rows.capacity / share)
        for days, share in {**shares, 0: 1.0}.items()
        if shares and days < lead and share > 0
    }
    return [
        {"days_before": days, "probability": round(float(full[0]), 4)}
        for days, full in found.items()
    ]


def _scenario(
    service: TicketSalesPredictionService, title: str, row: pd.Series, typical: pd.DataFrame
) -> JsonObject:
    frame = pd.DataFrame([row.to_dict()])
    found = service.predict_frame(frame).iloc[0]
    price = row["base_price"]
    return {
        "scenario": title,
        "concert_id": str(row["concert_id"]),
        "starts_at": str(row["starts_at"]),
        "genre": row["genre"],
        "city": row["city"],
        "capacity": int(row["capacity"]),
        "base_price": None if pd.isna(price) else round(float(price), 2),
        "expected_tickets": round(float(found["tickets"]), 1),
        "interval": [round(float(found["low"]), 1), round(float(found["high"]), 1)],
        "confidence": round(float(found["confidence"]), 4),
        "sell_out": round(float(found["sell_out"]), 4),
        "demand": round(float(found["demand"]), 1),
        "moved_by": moving_factors(service, frame, typical),
    }


def moving_factors(
    service: TicketSalesPredictionService, frame: pd.DataFrame, typical: pd.DataFrame
) -> list[JsonObject]:
    """Return the three factors that move the prediction most.

    Each is set to a typical concert's value; what the prediction loses is what it brought.
    """
    usual = typical.iloc[0]
    base = float(service.predict_points(frame)[0])
    rows = []
    for columns in FACTORS.values():
        changed = frame.iloc[0].copy()
        for name in columns:
            changed[name] = None if name in OWNERS else usual[name]
        rows.append(changed.to_dict())
    without = service.predict_points(pd.DataFrame(rows))
    moved = [
        {"factor": name, "tickets": round(base - float(value), 1)}
        for name, value in zip(FACTORS, without, strict=True)
    ]
    return sorted(moved, key=lambda m: -abs(float(str(m["tickets"]))))[:3]


def typical_concert(train: pd.DataFrame) -> pd.DataFrame:
    """Return one row with the training rows' medians and commonest categories."""
    row: JsonObject = {}
    for name in train.columns:
        values = train[name].dropna()
        if values.empty:
            row[name] = None
        elif name in ("starts_at", "on_sale_at") or pd.api.types.is_numeric_dtype(values):
            row[name] = values.median()
        else:
            row[name] = values.mode().iloc[0]
    return pd.DataFrame([row])


def venue_scenarios(service: VenuePopularityService, panel: pd.DataFrame) -> list[JsonObject]:
    """Return the five venues the next quarter looks best for."""
    top = service.rank(panel, by="forecast").head(5)
    return [
        {
            "scenario": f"venue {int(r['rank'])} of the next quarter",
            "venue_id": str(r["venue_id"]),
            "name": r["name"],
            "city": r["city"],
            "score": round(float(r["score"]), 1),
            "forecast": round(float(r["forecast"]), 1),
            "interval": [round(float(r["low"]), 1), round(float(r["high"]), 1)],
            "confidence": round(float(r["confidence"]), 4),
        }
        for _, r in top.iterrows()
    ]
