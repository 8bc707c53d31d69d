"""Rows of concerts as the columns that the sales model computes with; numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from src.services.arrays import Array, Floats, Ints
from src.services.features.row_batch import FieldError, RowBatch, Rows, Times

NUMBERS = ("log_capacity", "log_price", "popularity", "log_lead", "years", "competition")
WORDS = ("genre", "city", "venue_type")
COUNTS = ("city_competition",)  # absent, they are 0
# Wider than what a warehouse column can hold: a row from it is never refused.
RANGES: Mapping[str, tuple[float, float]] = {
    "capacity": (1, 500_000), "popularity": (0, 100), "base_price": (0, 100_000),
    "lead_days": (0, 4_000_000), "city_competition": (0, 1e9),
}  # fmt: skip
OWNERS = ("artist_id", "venue_id")
READ = frozenset({*RANGES, *WORDS, *OWNERS, "starts_at", "on_sale_at"})
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class SalesEncoder:
    """Turns rows into columns; learned on training rows only.

    Records and frames are encoded by the same formulas. Unknown words have no category, an
    absent count is 0, and any other absent number is the training median. `medians` is only looked
    up by name.
    """

    medians: Mapping[str, float]
    words: Mapping[str, tuple[str, ...]]  # of each of WORDS
    first_show: str
    extra: tuple[str, ...] = ()  # further numeric columns of the rows, for experiments

    @classmethod
    def fit(cls, rows: Rows, extra: tuple[str, ...] = ()) -> SalesEncoder:
        """Learn medians, categories and the start of time."""
        batch = RowBatch.of(rows)
        first_show = str(batch.times("starts_at").min())
        words = {name: batch.categories(name) for name in WORDS}
        blank = cls({}, words, first_show, extra)
        lead = _median(_lead_days(batch))
        medians = {name: _median(v) for name, v in blank._numbers(batch, lead).items()}
        return replace(blank, medians={**medians, "lead_days": lead})

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return the numeric columns' names in order."""
        return (*NUMBERS, *self.extra)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Return how many categories each categorical column has."""
        return {**{name: len(self.words[name]) for name in WORDS}, "month": 12, "weekday": 7}

    @cached_property
    def _codes(self) -> Mapping[str, Mapping[str | None, int]]:
        return {name: {word: i for i, word in enumerate(self.words[name])} for name in WORDS}

    def encode(self, rows: Rows) -> EncodedRows:
        """Return the columns of rows; raises UsageError where a value is absent or out of range."""
        batch = RowBatch.of(rows)
        batch.check_ranges(RANGES)
        capacity, starts_at = batch.needed("capacity"), batch.times("starts_at")
        lead = _lead_days(batch)
        lead = np.where(np.isnan(lead), self.medians["lead_days"], lead)
        numbers = {
            name: np.where(np.isnan(v), 0.0 if name == "competition" else self.medians[name], v)
            for name, v in self._numbers(batch, lead).items()
        }
        codes = {
            name: np.array([known.get(w, -1) for w in batch.words(name)], dtype=np.int64)
            for name, known in self._codes.items()
        }
        days, months = starts_at.astype("datetime64[D]"), starts_at.astype("datetime64[M]")
        codes["month"] = months.astype(np.int64) % 12
        codes["weekday"] = (days.astype(np.int64) + 4) % 7
        asked_at = batch.optional_times("on_sale_at")
        asked_at = np.where(
            np.isnat(asked_at), starts_at - (lead * 86_400).astype("timedelta64[s]"), asked_at
        )
        return EncodedRows(self, batch, capacity, starts_at, asked_at, numbers, codes)

    def _numbers(self, rows: RowBatch, lead: Floats | float) -> dict[str, Floats]:
        """Return the numeric columns in order, NaN where a number is absent."""
        price = rows.numbers("base_price")
        since_first = rows.times("starts_at") - np.datetime64(self.first_show, "us")
        return {
            "log_capacity": np.log(rows.numbers("capacity")),
            "log_price": np.log(np.where(price > 0, price, np.nan)),
            "popularity": rows.numbers("popularity"),
            "log_lead": np.log1p(lead + np.zeros(rows.rows)),
            "years": (since_first // _DAY) / 365.25,
            "competition": rows.numbers("city_competition"),
            **{name: rows.numbers(name) for name in self.extra},
        }


@dataclass(frozen=True)
class EncodedRows:
    """Rows and their columns, encoded once for all that reads them."""

    encoder: SalesEncoder
    rows: RowBatch
    capacity: Floats
    starts_at: Times
    asked_at: Times  # when the concert goes on sale: only shows before it are its history
    numbers: Mapping[str, Floats]
    codes: Mapping[str, Ints]  # of each categorical column; -1 is none of those learned

    @property
    def sold(self) -> Floats:
        """Return the tickets sold; raises UsageError where they are absent."""
        return self.rows.needed("tickets_sold")

    @property
    def newest_show(self) -> str:
        """Return when the newest show starts."""
        return str(self.starts_at.max())

    def owners(self, name: str) -> Array:
        """Return the artist_id or venue_id of each row, None where absent."""
        return self.rows.words(name)

    def __len__(self) -> int:
        return len(self.capacity)

    @property
    def profile(self) -> tuple[Floats, tuple[str, ...]]:
        """Return the columns that drift is measured on, and their names."""
        columns = [*self.numbers.values(), *(self.codes[n] for n in ("month", "weekday"))]
        names = [*self.numbers, "month", "weekday"]
        for name in ("genre", "city"):
            for code, word in enumerate(self.encoder.words[name]):
                columns.append((self.codes[name] == code).astype(np.float64))
                names.append(f"{name}={word}")
        return np.column_stack(columns), tuple(names)


def _lead_days(rows: RowBatch) -> Floats:
    """Return the days from on-sale to show: as given, or else by the two moments."""
    given, on_sale = rows.numbers("lead_days"), rows.optional_times("on_sale_at")
    between = rows.times("starts_at").astype("datetime64[D]") - on_sale.astype("datetime64[D]")
    found = np.where(np.isnat(on_sale), np.nan, np.maximum(between / _DAY, 0.0))
    low, high = RANGES["lead_days"]
    if (found > high).any():
        raise FieldError("on_sale_at", f"on_sale_at is {found.max():,.0f} days before the show",
                         f"give an on_sale_at within {high:,} days of starts_at")  # fmt: skip
    return np.where(np.isnan(given), found, given)


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
