"""Own data of another kind: one city, no price, no popularity, draws that drift, runs of shows."""

import numpy as np
import pandas as pd
import pytest

from src.services.modelling.sales_training import train_sales_model
from src.services.modelling.time_split import split_by_time

LEAD = pd.Timedelta(60, "D")


def one_city(shows, seed):
    """Weekly shows of long and short runs, whose draw drifts; full venues, skewed noise."""
    rng = np.random.default_rng(seed)
    rows, day = [], pd.Timestamp("2015-01-04 19:00")
    for run in range(shows):
        weeks = int(np.clip(rng.lognormal(2.6, 1.1), 2, 300))
        venue = int(rng.integers(0, 35))
        capacity = 300 + 380 * (venue % 7)
        draw = np.log(capacity) + rng.normal(-0.4, 0.5) + np.cumsum(rng.normal(0, 0.03, weeks))
        start = day + pd.Timedelta(7 * int(rng.integers(0, 400)), "D")
        noise = rng.gumbel(-0.05, 0.09 + 0.08 * (run % 3), weeks)
        for week in range(weeks):
            sold = int(min(np.exp(draw[week] + noise[week]), capacity))
            rows.append((str(run), str(venue), start + pd.Timedelta(7 * week, "D"), capacity, sold))
        if len(rows) > shows:
            break
    names = ["artist_id", "venue_id", "starts_at", "capacity", "tickets_sold"]
    frame = pd.DataFrame(rows, columns=names).sort_values("starts_at").reset_index(drop=True)
    frame = frame.assign(
        concert_id=frame.index.astype(str), on_sale_at=frame["starts_at"] - LEAD, lead_days=60,
        popularity=np.nan, base_price=np.nan, genre=None, city="Oslo", venue_type=None,
        city_competition=0, status="completed",
    )  # fmt: skip
    return with_history(frame)


def dominated_city(shows, seed):
    """One venue has half of the shows; a gap of 500 days, a trend, prices that are partly absent.

    A few artists play often; what an artist draws drifts by year, and some are less predictable.
    """
    rng = np.random.default_rng(seed)
    artists, venues = 400, 12
    seats = np.exp(rng.normal(6.5, 1.0, venues)).clip(80, 20_000).astype(int)
    shares = np.append(0.5, 0.5 * rng.dirichlet(np.ones(venues - 1)))
    artist = (rng.pareto(1.1, shows) * 6).astype(int) % artists
    capacity = seats[venue := rng.choice(venues, shows, p=shares)]
    day = np.sort(rng.uniform(0, 4_380, shows))
    day += 500 * (day > 3_000)
    years, price = day / 365.25, np.exp(rng.normal(3.3, 0.5, shows))
    drift = rng.normal(0, 0.25, (artists, 14)).cumsum(axis=1)
    draw = 0.5 * rng.standard_t(4, artists)[artist] + drift[artist, years.astype(int)]
    log_demand = 0.6 * np.log(capacity) + 1.9 + draw + 0.08 * years - 0.6 * np.log(price / 27)
    noise = rng.standard_t(5, shows) * (0.18 + 0.18 * (artist % 3))
    lead = rng.gamma(2, 25, shows).astype(int)
    starts_at = pd.Timestamp("2012-01-01") + pd.to_timedelta(day.round(2), unit="D")
    return with_history(pd.DataFrame({
        "concert_id": np.arange(shows).astype(str), "artist_id": artist.astype(str),
        "venue_id": venue.astype(str), "starts_at": starts_at,
        "on_sale_at": starts_at - pd.to_timedelta(lead, unit="D"), "lead_days": lead,
        "capacity": capacity,
        "tickets_sold": np.minimum(np.exp(log_demand + noise), capacity).astype(int),
        "base_price": np.where(rng.random(shows) < 0.3, np.nan, price), "popularity": np.nan,
        "genre": None, "city": "Oslo", "venue_type": None, "city_competition": 0,
        "status": "completed",
    }))  # fmt: skip


def with_history(frame):
    """Add what the feature SQL gives of earlier shows."""
    share = frame["tickets_sold"] / frame["capacity"]
    for owner in ("artist", "venue"):
        means = pd.Series(np.nan, frame.index)
        for _, at in frame.groupby(f"{owner}_id").groups.items():
            past = share[at].expanding().mean().to_numpy()
            starts, asked = (frame.loc[at, n].to_numpy() for n in ("starts_at", "on_sale_at"))
            place = np.searchsorted(starts, asked)
            means[at] = np.where(place > 0, past[place - 1], np.nan)
        frame[f"{owner}_prior_sell_through"] = means
    return frame


@pytest.mark.parametrize("frame", [one_city(5_000, seed=2), dominated_city(5_500, seed=1)],
                         ids=["runs of shows", "one venue dominates"])  # fmt: skip
def test_it_beats_every_baseline_and_its_intervals_hold(frame):
    model = train_sales_model(split_by_time(frame, 0.2), None, random_state=1, coverage=0.9)
    verdicts = {
        name: found["model_is"]["verdict"] for name, found in model.facts["baselines"].items()
    }
    assert set(verdicts.values()) == {"better"}, verdicts
    assert 0.87 <= model.facts["intervals"]["coverage"] <= 0.93
    assert model.service.fitted.earlier["artist_id"].decay_days is not None
