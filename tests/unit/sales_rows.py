"""Rows as src/sql/features/ticket_sales.sql gives them, small and random."""

import numpy as np
import pandas as pd


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
            "lead_days": rng.integers(10, 200, count),
            "artist_prior_shows": rng.integers(0, 9, count),
            "artist_prior_sell_through": np.where(np.isnan(prior), np.nan, 0.5),
            "artist_prior_log_tickets": prior,
            "artist_prior_log_capacity": prior,
            "artist_prior_sold_out": np.where(np.isnan(prior), np.nan, 0.1),
            "venue_prior_shows": rng.integers(0, 9, count),
            "venue_prior_sell_through": rng.uniform(0, 1, count),
            "city_prior_sell_through": rng.uniform(0, 1, count),
            "city_competition": rng.integers(0, 5, count),
        }
    )
