"""What each model may see, and when each of it is known; too late is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from src.errors import ModelError
from src.services.arrays import Floats
from src.services.features.row_batch import RowBatch, Rows

KnownAt = Literal["on_sale", "show", "after_show"]
COUNTS = ("artist_prior_shows", "venue_prior_shows", "city_competition")  # absent, they are 0
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
            where="src/services/features/feature_catalog.py",
            cause="a model that sees them leaks the target",
            hint="remove them, or predict later",
        )


@dataclass(frozen=True)
class SalesEncoder:
    """Turns rows into the sales model's matrix; learned on training rows only.

    Records and frames are encoded by the same formulas. Columns stand in the order of
    SALES_FEATURES; `medians` is only looked up by name. Unknown genres and cities have all their
    columns 0, an absent count is 0, and any other absent number is the training median.
    """

    medians: Mapping[str, float]
    genres: tuple[str, ...]
    cities: tuple[str, ...]
    first_show: str
    extra: tuple[str, ...] = ()  # further numeric columns of the rows, for experiments

    @classmethod
    def fit(cls, rows: Rows, extra: tuple[str, ...] = ()) -> SalesEncoder:
        """Learn medians, categories and the start of time."""
        batch = RowBatch.of(rows)
        first = batch.times("starts_at").min()
        blank = cls({}, (), (), str(first), extra)
        return cls(
            {name: _median(values) for name, values in blank._numbers(batch).items()},
            batch.categories("genre"),
            batch.categories("city"),
            str(first),
            extra,
        )

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return the numeric columns' names in order."""
        plain = (f.name for f in SALES_FEATURES if f.name not in ("genre", "city"))
        return (*plain, *self.extra)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the matrix's column names in order."""
        return (
            *self.numbers,
            *(f"genre={g}" for g in self.genres),
            *(f"city={c}" for c in self.cities),
        )

    def matrix(self, rows: Rows) -> Floats:
        """Return the matrix, shape (rows, len(names))."""
        batch = RowBatch.of(rows)
        columns = [
            np.where(np.isnan(values), 0.0 if name in COUNTS else self.medians[name], values)
            for name, values in self._numbers(batch).items()
        ]
        for name, known in (("genre", self.genres), ("city", self.cities)):
            words = batch.words(name)
            columns += [(words == word).astype(np.float64) for word in known]
        return np.column_stack(columns)

    def row(self, record: Mapping[str, Any]) -> list[float]:
        """Return one line of the matrix, for a plain record."""
        return [float(value) for value in self.matrix([record])[0]]

    def _numbers(self, rows: RowBatch) -> dict[str, Floats]:
        """Return the numeric columns in order, NaN where a number is absent."""
        log_capacity, price = np.log(rows.numbers("capacity")), rows.numbers("base_price")
        popularity, starts_at = rows.numbers("popularity"), rows.times("starts_at")
        days, months = starts_at.astype("datetime64[D]"), starts_at.astype("datetime64[M]")
        since_first = starts_at - np.datetime64(self.first_show, "us")
        derived = {
            "log_capacity": log_capacity,
            "popularity": popularity,
            "log_price": np.log(np.where(price > 0, price, np.nan)),
            "month": (months.astype(np.int64) % 12 + 1).astype(np.float64),
            "weekday": ((days.astype(np.int64) + 4) % 7).astype(np.float64),
            "years": (since_first // np.timedelta64(1, "D")) / 365.25,
            "demand_to_capacity": 0.062 * popularity - log_capacity,
            "artist_prior_to_capacity": rows.numbers("artist_prior_log_tickets") - log_capacity,
        }
        return {
            name: derived[name] if name in derived else rows.numbers(name) for name in self.numbers
        }


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
