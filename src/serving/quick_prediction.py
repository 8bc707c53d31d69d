"""One concert at a time, fast: the sales model's formulas on single numbers, bit for bit the same.

The service computes by column, which pays from some ten rows on. This does the same operations in
the same order for one record of texts. What is not plainly right is left to the service, which
also has the errors.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce
from operator import add
from typing import NamedTuple

import numpy as np

from src.domain.text_values import DECIMAL, INTEGER
from src.services.arrays import Ints
from src.services.demand.censoring import LEAST_TICKETS
from src.services.demand.earlier_shows import MOST_COUNTED, EarlierShows
from src.services.demand.flat_trees import FlatTrees
from src.services.demand.sales_distribution import one_sided
from src.services.features.row_batch import INTEGERS, RowBatch
from src.services.features.sales_encoder import OWNERS, RANGES, READ, WORDS
from src.services.ticket_sales_prediction_service import (
    HIT_TOLERANCE,
    TicketSalesPredictionService,
)
from src.serving.formats import Record

_ROOT_2 = math.sqrt(2.0)
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_GRAMMAR = {name: re.compile(INTEGER if name in INTEGERS else DECIMAL).fullmatch for name in RANGES}
_SIGNATURES = 4096  # of notes that are kept
_NAMES = tuple(sorted(READ))


class _Draw(NamedTuple):
    effect: float
    shows: float


class QuickPrediction:
    """A loaded service, arranged for one record at a time."""

    def __init__(self, service: TicketSalesPredictionService) -> None:
        model, calibration = service.fitted, service.calibration
        self._service, self._model, self._calibration = service, model, calibration
        encoder = model.encoder
        self._first_show = datetime.fromisoformat(encoder.first_show)
        self._codes = {name: {word: code for code, word in enumerate(encoder.words[name])}
                       for name in WORDS}  # fmt: skip
        self._effects = {name: [float(v) for v in values]
                         for name, values in model.linear.effects.items()}  # fmt: skip
        self._genres = len(encoder.words["genre"])
        self._earlier = {name: _History(model.earlier[name]) for name in OWNERS}
        self._known: Mapping[str, Collection[str]] = {
            **self._codes, **{name: one.shows for name, one in self._earlier.items()}
        }  # fmt: skip
        self._trees = _Walk(model.trees, model.widths)
        n = len(calibration.scores)
        rank = min(int(np.ceil((n + 1) * service.coverage)), n) - 1
        self._reach = float(calibration.scores[rank])
        self._lower_reach = one_sided(self._reach)
        self._notes = lru_cache(_SIGNATURES)(self._noted)

    def predict(self, record: Record) -> tuple[float, ...] | None:
        """Return the values of PREDICTED for one record; None where the service has to answer."""
        try:
            return self._predict(record)
        except (KeyError, ValueError, TypeError, OverflowError, ZeroDivisionError):
            return None

    def notes(self, record: Record) -> tuple[str, ...]:
        """Return what the service notes about a record; asked once for each pattern of values."""
        return self._notes(self._signature(record))

    def _predict(self, record: Record) -> tuple[float, ...]:
        values = {name: _number(name, record.get(name)) for name in RANGES}
        capacity, starts_at = values["capacity"], _moment(record["starts_at"])
        if capacity is None or starts_at is None:
            raise ValueError
        lead, asked_at = self._on_sale(record, starts_at, values["lead_days"])
        log_capacity = float(np.log(capacity))
        numbers = self._numbers(values, log_capacity, lead, starts_at)
        codes = {name: self._codes[name].get(record.get(name) or "", -1) for name in WORDS}
        codes["month"], codes["weekday"] = starts_at.month - 1, starts_at.toordinal() % 7
        log_demand, variance, log_width = self._parts(record, numbers, codes, asked_at)
        calibration = self._calibration
        power, center = calibration.width_power, calibration.width_center
        spread = calibration.sd * float(np.exp(power * (log_width - center)))
        sd = math.sqrt(spread * spread + variance)
        return self._distribution(log_demand, sd, capacity, log_capacity)

    def _on_sale(
        self, record: Record, starts_at: datetime, lead: float | None
    ) -> tuple[float, int]:
        """Return the days on sale, and the moment before which shows are history."""
        on_sale = _moment(record.get("on_sale_at"))
        if lead is None and on_sale is not None:
            lead = float(max((starts_at.date() - on_sale.date()).days, 0))
        lead = self._model.encoder.medians["lead_days"] if lead is None else lead
        start = _microseconds(starts_at)
        return lead, start - int(lead * 86_400) * 1_000_000 if on_sale is None else _microseconds(
            on_sale
        )

    def _numbers(
        self, values: Mapping[str, float | None], log_capacity: float, lead: float,
        starts_at: datetime,
    ) -> dict[str, float]:  # fmt: skip
        medians, price = self._model.encoder.medians, values["base_price"]
        popularity, competition = values["popularity"], values["city_competition"]
        return {
            "log_capacity": log_capacity,
            "log_price": float(np.log(price)) if price else medians["log_price"],
            "popularity": medians["popularity"] if popularity is None else popularity,
            "log_lead": float(np.log1p(lead)),
            "years": (starts_at - self._first_show).days / 365.25,
            "competition": 0.0 if competition is None else competition,
        }

    def _parts(
        self, record: Record, numbers: Mapping[str, float],
        codes: Mapping[str, int], asked_at: int,
    ) -> tuple[float, float, float]:  # fmt: skip
        """Return log demand, its variance for want of history, and the log of its width."""
        slopes, linear = self._model.linear.slopes, self._model.linear
        appeal = linear.intercept
        for name in ("popularity", "log_lead", "years", "competition"):
            appeal += slopes[name] * numbers[name]
        for name, effects in self._effects.items():
            appeal += effects[codes[name]]
        cost = 0.0 + slopes["log_price"] * numbers["log_price"]
        cost += slopes["log_capacity"] * numbers["log_capacity"]
        artist, venue = (self._earlier[name].before(record.get(name), asked_at) for name in OWNERS)
        genres = [0.0] * self._genres
        if codes["genre"] >= 0:
            genres[codes["genre"]] = 1.0
        trees, log_width = self._trees.predict([
            numbers["popularity"], numbers["log_lead"], numbers["competition"],
            codes["month"], codes["weekday"], *genres,
            artist.effect, min(artist.shows, MOST_COUNTED),
            venue.effect, min(venue.shows, MOST_COUNTED),
            appeal, appeal + artist.effect + venue.effect,
        ])  # fmt: skip
        known = self._model.earlier["artist_id"]
        variance = known.spread.within / (artist.shows + known.shrinkage)
        return appeal + cost + artist.effect + trees, variance, log_width

    def _distribution(
        self, log_demand: float, sd: float, capacity: float, log_capacity: float
    ) -> tuple[float, ...]:
        """Return the values of PREDICTED."""
        distance = (log_capacity - log_demand) / sd
        mean = float(np.exp(log_demand + sd * sd / 2))
        point = mean * _cdf(distance - sd) + capacity * _cdf(-distance)
        point = min(max(point, 0.0), capacity)

        def share_up_to(tickets: float) -> float:
            if tickets >= capacity:
                return 1.0
            return _cdf((float(np.log(max(tickets, LEAST_TICKETS))) - log_demand) / sd)

        raw = share_up_to(point * (1 + HIT_TOLERANCE)) - share_up_to(point * (1 - HIT_TOLERANCE))
        lower = min(max((log_demand - log_capacity) / sd, -self._reach), -self._lower_reach)
        low, high = (min(float(np.exp(log_demand + d * sd)), capacity)
                     for d in (lower, self._reach))  # fmt: skip
        confidence = float(self._calibration.hit_line.of(raw))
        sell_out = _cdf((log_demand - log_capacity) / sd)
        return point, min(low, point), max(high, point), confidence, sell_out, mean

    def _signature(self, record: Record) -> tuple[str | None, ...]:
        """Return what the notes depend on: which fields are given, and the words not learned.

        One known word stands for all of them.
        """
        found: list[str | None] = []
        for name in _NAMES:
            value = record.get(name)
            if value is not None:
                if name in self._known:
                    known = self._known[name]
                    value = next(iter(known)) if value in known else value
                else:
                    value = "0" if name == "base_price" and float(value) == 0 else "1"
            found.append(value)
        return tuple(found)

    def _noted(self, signature: tuple[str | None, ...]) -> tuple[str, ...]:
        record = dict(zip(_NAMES, signature, strict=True))
        return self._service._notes(RowBatch.of_records([record]), [record])[0]


class _History:
    """An artist's or a venue's earlier shows, by owner."""

    def __init__(self, earlier: EarlierShows) -> None:
        self._decay_days, self._shrinkage = earlier.decay_days, earlier.shrinkage
        starts = earlier.starts_at.astype(np.int64).tolist()
        shows: dict[str, list[tuple[int, float, float]]] = {name: [] for name in earlier.owners}
        for code, *show in zip(earlier.owner.tolist(), starts, earlier.total.tolist(),
                               earlier.weight.tolist(), strict=True):  # fmt: skip
            shows[earlier.owners[code]].append(tuple(show))
        self.shows = shows

    def before(self, owner: str | None, moment: int) -> _Draw:
        """Return what an owner's shows before a moment tell."""
        shows = self.shows.get(owner or "", [])
        place = bisect_left(shows, (moment,)) - 1
        if place < 0:
            return _Draw(0.0, 0.0)
        start, total, weight = shows[place]
        faded = 1.0
        if self._decay_days is not None:
            days = max(moment - start, 0) / 86_400_000_000.0
            faded = float(np.exp(-days / self._decay_days))
        count = weight * faded
        return _Draw(total * faded / (count + self._shrinkage), count)


class _Walk:
    """The trees of several models, walked at the same time for one row."""

    def __init__(self, *models: FlatTrees) -> None:
        starts = np.cumsum([0, *(len(model.column) for model in models[:-1])])

        def joined(name: str) -> Ints:
            parts = zip(models, starts, strict=True)
            return np.concatenate([getattr(model, name) + start for model, start in parts])

        self._column = np.concatenate([model.column for model in models])
        self._threshold = np.concatenate([model.threshold for model in models])
        self._left, self._right = joined("left"), joined("right")
        self._value = np.concatenate([model.value for model in models])
        self._roots, self._depth = joined("roots"), max(model.depth for model in models)
        ends = np.cumsum([len(model.roots) for model in models]).tolist()
        self._models = list(zip(models, [0, *ends], ends, strict=False))

    def predict(self, row: list[float]) -> list[float]:
        """Return each model's prediction."""
        narrow = np.array(row, dtype=np.float32)
        after = np.where(narrow.take(self._column) <= self._threshold, self._left, self._right)
        at = self._roots
        for _ in range(self._depth):
            at = after.take(at)
        values = self._value.take(at).tolist()
        return [reduce(add, values[start:end], model.base) / model.divisor
                for model, start, end in self._models]  # fmt: skip


def _cdf(value: float) -> float:
    return 0.5 * math.erfc(-value / _ROOT_2)


def _number(name: str, text: str | None) -> float | None:
    """Return a number; raises ValueError where the service has to judge it."""
    if text is None:
        return None
    value = float(text) if _GRAMMAR[name](text) else math.nan
    low, high = RANGES[name]
    if not low <= value <= high:
        raise ValueError
    return value


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
