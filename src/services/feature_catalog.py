"""What each model may see, and when each of it is known; too late is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
import pandas as pd

from src.errors import ModelError

KnownAt = Literal["on_sale", "show", "after_show"]
_PRIOR = "artist_prior_log_tickets"
_COUNTS = frozenset({"artist_prior_shows", "venue_prior_shows", "city_competition"})
_ORDER: dict[str, int] = {"on_sale": 0, "show": 1, "after_show": 2}


@dataclass(frozen=True)
class Feature:
    """One column a model sees: when it is known and what it means."""

    name: str
    known_at: KnownAt
    doc: str


SALES_FEATURES: tuple[Feature, ...] = (
    Feature("log_capacity", "on_sale", "log of the venue's capacity"),
    Feature("popularity", "on_sale", "the artist's popularity, 0-100"),
    Feature("log_price", "on_sale", "log of the standard ticket's price"),
    Feature("lead_days", "on_sale", "days from on-sale to show"),
    Feature("month", "on_sale", "month of the show"),
    Feature("weekday", "on_sale", "weekday of the show, Sunday is 0"),
    Feature("years", "on_sale", "years since the first show of the training data"),
    Feature("demand_to_capacity", "on_sale", "popularity against log capacity"),
    Feature("artist_prior_shows", "on_sale", "the artist's shows before on-sale"),
    Feature("artist_prior_sell_through", "on_sale", "share of seats those shows sold"),
    Feature("artist_prior_log_tickets", "on_sale", "mean log tickets of those shows"),
    Feature("artist_prior_log_capacity", "on_sale", "mean log capacity of those shows"),
    Feature("artist_prior_sold_out", "on_sale", "share of those shows that sold out"),
    Feature("artist_prior_to_capacity", "on_sale", "mean log tickets of those against capacity"),
    Feature("venue_prior_shows", "on_sale", "the venue's shows before on-sale"),
    Feature("venue_prior_sell_through", "on_sale", "share of seats those shows sold"),
    Feature("city_prior_sell_through", "on_sale", "the same for the city's last year"),
    Feature("city_competition", "on_sale", "shows in the city within a week, on sale before"),
    Feature("genre", "on_sale", "the artist's genre, one column each"),
    Feature("city", "on_sale", "the city, one column each"),
)


def refuse_late(features: Iterable[Feature], *, prediction_at: KnownAt = "on_sale") -> None:
    """Raise ModelError naming every feature that is not known yet at prediction time."""
    late = [f.name for f in features if _ORDER[f.known_at] > _ORDER[prediction_at]]
    if late:
        raise ModelError(
            f"features known too late for a prediction at {prediction_at}: {', '.join(late)}",
            where="src/services/feature_catalog.py",
            cause="a model that sees them knows the answer",
            hint="remove them, or predict later",
        )


def _number(record: Mapping[str, Any], name: str, absent: float = math.nan) -> float:
    value = record.get(name)
    return absent if value is None else float(value)


@dataclass(frozen=True)
class SalesEncoder:
    """Turns extracted rows into the sales model's matrix; learned on training rows only.

    Unknown genres and cities have all their columns 0; absent numbers get the training median.
    """

    medians: Mapping[str, float]
    genres: tuple[str, ...]
    cities: tuple[str, ...]
    first_show: str
    extra: tuple[str, ...] = ()  # further numeric columns of the rows, for experiments

    @classmethod
    def fit(cls, rows: pd.DataFrame, extra: tuple[str, ...] = ()) -> SalesEncoder:
        """Learn medians, categories and the start of time."""
        first = str(rows["starts_at"].min())
        blank = cls({}, (), (), first, extra)
        medians = blank._numbers(rows).median().fillna(0.0)
        return cls(
            {str(k): float(v) for k, v in medians.items()},
            tuple(sorted(rows["genre"].dropna().unique())),
            tuple(sorted(rows["city"].dropna().unique())),
            first,
            extra,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Return the matrix's column names in order."""
        plain = [f.name for f in SALES_FEATURES if f.name not in ("genre", "city")]
        return (
            *plain,
            *self.extra,
            *(f"genre={g}" for g in self.genres),
            *(f"city={c}" for c in self.cities),
        )

    def matrix(self, rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the matrix, shape (rows, len(names))."""
        numbers = self._numbers(rows)
        for name, median in self.medians.items():
            numbers[name] = numbers[name].fillna(median)
        genre = rows["genre"].to_numpy()[:, None] == np.array(self.genres, dtype=object)[None, :]
        city = rows["city"].to_numpy()[:, None] == np.array(self.cities, dtype=object)[None, :]
        parts = [numbers.to_numpy(dtype=np.float64), genre, city]
        return np.hstack([np.asarray(part, dtype=np.float64) for part in parts])

    def row(self, record: Mapping[str, Any]) -> list[float]:
        """Return one line of the matrix for a plain record, without pandas."""
        values = self._own_numbers(record)
        line = [
            self.medians[name] if math.isnan(values[name]) else values[name]
            for name in self.medians
        ]
        line += [float(record.get("genre") == genre) for genre in self.genres]
        return line + [float(record.get("city") == city) for city in self.cities]

    def _own_numbers(self, record: Mapping[str, Any]) -> dict[str, float]:
        starts_at = record["starts_at"]
        if isinstance(starts_at, str):
            starts_at = datetime.fromisoformat(starts_at)
        elif isinstance(starts_at, date) and not isinstance(starts_at, datetime):
            starts_at = datetime(starts_at.year, starts_at.month, starts_at.day)
        starts_at = starts_at.replace(tzinfo=None)
        first = datetime.fromisoformat(self.first_show)
        capacity, price = math.log(float(record["capacity"])), _number(record, "base_price")
        popularity, prior = _number(record, "popularity"), _number(record, _PRIOR)
        known = {
            "log_capacity": capacity,
            "popularity": popularity,
            "log_price": math.log(price) if price > 0 else math.nan,
            "month": float(starts_at.month),
            "weekday": float((starts_at.weekday() + 1) % 7),
            "years": (starts_at - first).days / 365.25,
            "demand_to_capacity": 0.062 * popularity - capacity,
            "artist_prior_to_capacity": prior - capacity,
        }
        for name in self.medians:
            if name not in known:
                absent = 0.0 if name in _COUNTS else math.nan
                known[name] = _number(record, name, absent)
        return known

    def _numbers(self, rows: pd.DataFrame) -> pd.DataFrame:
        capacity = np.log(rows["capacity"].astype(float))
        popularity = rows["popularity"].astype(float)
        price = rows["base_price"].astype(float)
        starts_at = pd.to_datetime(rows["starts_at"])
        prior = rows["artist_prior_log_tickets"].astype(float)
        columns = {
            "log_capacity": capacity,
            "popularity": popularity,
            "log_price": np.log(price.where(price > 0)),
            "lead_days": rows["lead_days"].astype(float),
            "month": starts_at.dt.month.astype(float),
            "weekday": (starts_at.dt.day_of_week.astype(float) + 1) % 7,
            "years": (starts_at - pd.Timestamp(self.first_show)).dt.days / 365.25,
            "demand_to_capacity": 0.062 * popularity - capacity,
            "artist_prior_to_capacity": prior - capacity,
        }
        order = [f.name for f in SALES_FEATURES if f.name not in ("genre", "city")]
        found = {
            name: columns[name] if name in columns else rows[name].astype(float) for name in order
        }
        found.update({name: rows[name].astype(float) for name in self.extra})
        return pd.DataFrame(found, index=rows.index)
