"""Rows as the SQL of src/sql/features gives them, small and random, and small models of them."""

import numpy as np
import pandas as pd

from src.services.demand.flat_trees import FlatTrees
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
from src.services.venue_popularity_service import VenuePopularityService


def sales_rows(count, seed=0):
    rng = np.random.default_rng(seed)
    capacity = rng.integers(100, 5000, count)
    popularity = rng.uniform(20, 80, count)
    expected = np.exp(4 + 0.06 * popularity + rng.normal(0, 0.3, count))
    days = np.sort(rng.integers(0, 1000, count))
    prior = np.where(rng.random(count) < 0.2, np.nan, np.log(expected) + rng.normal(0, 0.2, count))
    return pd.DataFrame(
        {
            "concert_id": [str(i) for i in range(count)],
            "artist_id": rng.integers(0, 40, count).astype(str),
            "venue_id": rng.integers(0, 20, count).astype(str),
            "starts_at": pd.Timestamp("2022-01-01 20:00") + pd.to_timedelta(days, unit="D"),
            "status": "completed",
            "tickets_sold": np.minimum(expected, capacity).astype(int),
            "capacity": capacity,
            "popularity": popularity,
            "base_price": rng.uniform(20, 100, count),
            "genre": rng.choice(["rock", "jazz"], count),
            "city": rng.choice(["Bonn", "Oslo", "Lyon"], count),
            "venue_type": rng.choice(["club", "hall"], count),
            "lead_days": rng.integers(10, 200, count),
            "artist_prior_shows": rng.integers(0, 9, count),
            "artist_prior_sell_through": np.where(np.isnan(prior), np.nan, 0.5),
            "venue_prior_sell_through": rng.uniform(0, 1, count),
            "city_competition": rng.integers(0, 5, count),
        }
    )


def venue_quarters(venues=14, count=14, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        {"venue_id": f"{v:02}", "name": f"V{v}", "city": "Bonn", "quarter": quarter,
         "venue_type": ("club", "arena", None)[v % 3], "capacity": 100 * (v + 1),
         "concerts": int(rng.integers(1, 5)), "tickets": float(rng.integers(50, 90 * (v + 1))),
         "revenue": float(rng.integers(1, 9999)), "booked": float(rng.integers(0, 3)),
         "booked_popularity": 40.0, "booked_price": 30.0}
        for v in range(venues)
        for quarter in pd.date_range("2022-01-01", periods=count, freq="QS")
        if rng.random() < 0.8
    ]  # fmt: skip
    return pd.DataFrame(rows)


def small_sales_model():
    """Return a calibrated model of few rows."""
    rows = sales_rows(500)
    return TicketSalesPredictionService(7).fit(rows[:350]).calibrate(rows[350:])


def small_venue_model():
    """Return a calibrated venue model of few trees, and its panel."""
    frame = venue_quarters()
    service = VenuePopularityService(1)
    panel = service.complete(frame, last_quarter=frame["quarter"].max())
    examples = service.fit_scale(panel).examples(panel)
    known = examples[examples["target"].notna()]
    service.fit(known)
    for forest in service.estimators_.values():
        forest.estimators_ = forest.estimators_[:12]
    service.forest_, service.widths_ = map(FlatTrees.of_forest, service.estimators_.values())
    return service.calibrate(known), panel
