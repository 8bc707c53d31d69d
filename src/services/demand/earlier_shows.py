"""What an artist's or a venue's earlier shows drew, beyond what the columns explain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from src.services.arrays import Array, Floats, Ints
from src.services.features.row_batch import Times

MOST_COUNTED = 30.0  # shows; more tell a tree nothing new
_LEAST_VARIANCE = 1e-3
_MICROSECONDS_A_DAY = 86_400_000_000.0


class Draw(NamedTuple):
    """What the shows before a moment tell of each row's artist or venue."""

    effect: Floats  # on log demand, shrunk towards 0
    shows: Floats  # their weight in shows, 0 where there is none


@dataclass(frozen=True)
class Spread:
    """How residuals vary: from show to show of one owner, and from owner to owner."""

    within: float
    between: float

    @classmethod
    def of(cls, owners: Array, residuals: Floats) -> Spread:
        """Return both variances by the method of moments."""
        known, code = np.unique(owners.astype(str), return_inverse=True)
        shows = np.bincount(code, minlength=len(known)).astype(np.float64)
        mean = np.bincount(code, residuals) / shows
        squares = np.bincount(code, (residuals - mean[code]) ** 2)
        often = shows > 1
        if not often.any():
            return cls(float(residuals.var()) + _LEAST_VARIANCE, _LEAST_VARIANCE)
        within = float(squares[often].sum() / (shows[often] - 1).sum()) + _LEAST_VARIANCE
        between = np.average(mean[often] ** 2 - within / shows[often], weights=shows[often])
        return cls(within, max(float(between), _LEAST_VARIANCE))


@dataclass(frozen=True)
class EarlierShows:
    """Finished shows by owner and time, with running sums of their residuals.

    The effect of an owner is the sum of the residuals over (shows + within / between): few shows
    count little. With `decay_days`, a show's weight falls by e in so many days.
    """

    spread: Spread
    decay_days: float | None
    owners: tuple[str, ...]  # sorted
    owner: Ints  # of each show; shows are sorted by owner and start
    starts_at: Times
    total: Floats  # weighted residuals up to and with each show, at its start
    weight: Floats

    @classmethod
    def of(
        cls, spread: Spread, decay_days: float | None, owners: Array, starts_at: Times,
        residuals: Floats,
    ) -> EarlierShows:  # fmt: skip
        """Return the history of shows; one without an owner is left out."""
        has_owner = np.array([owner is not None for owner in owners], dtype=np.bool_)
        known, code = np.unique(owners[has_owner].astype(str), return_inverse=True)
        starts_at, residuals = starts_at[has_owner], residuals[has_owner]
        order = np.lexsort((residuals, starts_at, code))
        code, starts_at, residuals = code[order], starts_at[order], residuals[order]
        total, weight = np.empty(len(code)), np.empty(len(code))
        moments = starts_at.astype(np.int64)
        faded = _faded(np.diff(moments, prepend=moments[:1]), decay_days)
        for i in range(len(code)):
            goes_on = i > 0 and code[i] == code[i - 1]
            total[i] = residuals[i] + (total[i - 1] * faded[i] if goes_on else 0.0)
            weight[i] = 1.0 + (weight[i - 1] * faded[i] if goes_on else 0.0)
        return cls(spread, decay_days, tuple(known.tolist()), code.astype(np.int64), starts_at,
                   total, weight)  # fmt: skip

    def before(self, owners: Array, moments: Times) -> Draw:
        """Return what each owner's shows that started before its moment tell."""
        find = self._codes.get
        code = np.array([find(owner, -1) for owner in owners], dtype=np.int64)
        if not len(self.owner):
            return Draw(*np.zeros((2, len(code))))
        rank = np.searchsorted(self._moments, moments)
        last = np.searchsorted(self._keys, code * (len(self._moments) + 1) + rank) - 1
        has_shows = (code >= 0) & (last >= 0) & (self.owner[last] == code)
        passed = moments.astype(np.int64) - self.starts_at[last].astype(np.int64)
        faded = np.where(has_shows, _faded(passed, self.decay_days), 0.0)
        shows = self.weight[last] * faded
        return Draw(self.total[last] * faded / (shows + self.shrinkage), shows)

    @property
    def shrinkage(self) -> float:
        """Return how many shows an owner's effect needs to count half."""
        return self.spread.within / self.spread.between

    @cached_property
    def _codes(self) -> Mapping[str | None, int]:
        return {owner: code for code, owner in enumerate(self.owners)}

    @cached_property
    def _moments(self) -> Times:
        return np.unique(self.starts_at)

    @cached_property
    def _keys(self) -> Ints:
        rank = np.searchsorted(self._moments, self.starts_at)
        return np.asarray(self.owner * (len(self._moments) + 1) + rank)


def _faded(microseconds: Ints, decay_days: float | None) -> Floats:
    if decay_days is None:
        return np.ones(len(microseconds))
    days = np.maximum(microseconds, 0) / _MICROSECONDS_A_DAY
    return np.asarray(np.exp(-days / decay_days))
