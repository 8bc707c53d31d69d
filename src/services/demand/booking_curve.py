"""The final tickets of a concert on sale, by what is sold so far."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.services.arrays import Array, Floats
from src.services.demand.censoring import log_sales, uncut
from src.services.demand.flat_trees import FlatTrees
from src.services.demand.sales_distribution import SalesDistribution

HORIZONS = (42, 28, 14, 7, 3, 1)  # days before the show at which finished shows are looked at
MIN_EXAMPLES = 200
COLUMNS = 7
_LEAST_ELAPSED = 0.02  # of the time on sale; before, what is sold tells nothing
_MEDIAN = 0.6745  # of the absolute value of a standard normal number
_LEAST_GAP = -4.0  # log tickets behind the expected demand; further behind tells nothing more


@dataclass(frozen=True)
class BookingState:
    """Concerts at one moment of their sale: what was expected at on-sale, and what is sold."""

    at_on_sale: SalesDistribution
    lead_days: Floats  # from on-sale to the show
    days_left: Floats
    sold: Floats

    @property
    def elapsed(self) -> Floats:
        """Return the share of the time on sale that is over, 0 to 1."""
        lead = np.maximum(self.lead_days, 1e-6)
        return np.asarray(np.clip(1.0 - self.days_left / lead, 0.0, 1.0))

    @property
    def gap(self) -> Floats:
        """Return by how much log tickets sold exceed the expected log demand."""
        return np.maximum(np.log1p(self.sold) - self.at_on_sale.log_demand, _LEAST_GAP)

    @property
    def matrix(self) -> Floats:
        """Return what the trees see, of COLUMNS columns."""
        law, log_sold = self.at_on_sale, np.log1p(self.sold)
        log_capacity = np.log(law.capacity)
        return np.column_stack([
            self.gap, self.elapsed, law.log_demand - log_capacity,
            log_sold - log_capacity, law.log_demand, np.log1p(self.lead_days),
            np.log1p(np.maximum(self.days_left, 0.0)),
        ])  # fmt: skip

    def chosen(self, rows: Array) -> BookingState:
        """Return some of the concerts."""
        law = self.at_on_sale
        some = SalesDistribution(law.log_demand[rows], law.sd[rows], law.capacity[rows])
        return BookingState(some, self.lead_days[rows], self.days_left[rows], self.sold[rows])


@dataclass(frozen=True)
class BookingCurve:
    """How log demand is corrected by what is sold so far, and how sure that is."""

    trees: FlatTrees
    sds: Floats  # of log demand after the correction, at each of HORIZONS
    scores: Floats  # sorted: how far an interval must reach, in standard deviations
    estimator: Any = None  # scikit-learn's own, None once loaded

    @classmethod
    def fit(
        cls, states: Mapping[int, BookingState], final: Floats, random_state: int
    ) -> BookingCurve | None:
        """Learn from finished shows at each of HORIZONS; None where too few were on sale then.

        `final` holds the tickets that each of the shows sold in the end.
        """
        looks = {
            days: (state.elapsed > _LEAST_ELAPSED) & (state.sold < state.at_on_sale.capacity)
            for days, state in states.items()
        }
        show = np.concatenate([np.flatnonzero(look) for look in looks.values()])
        if len(show) < MIN_EXAMPLES or not any((s.sold > 0).any() for s in states.values()):
            return None
        parts = [state.chosen(looks[days]) for days, state in states.items()]
        matrix = np.vstack([part.matrix for part in parts])
        expected, sd, capacity = (
            np.concatenate([getattr(part.at_on_sale, name) for part in parts])
            for name in ("log_demand", "sd", "capacity")
        )
        log_final, is_cut = log_sales(final[show], capacity)
        target = uncut(log_final, is_cut, expected, float(sd.mean())) - expected
        days = np.repeat(list(states), [int(look.sum()) for look in looks.values()])
        # Every second show, with all its horizons: what it misses tells the width.
        held_out = np.unique(show, return_inverse=True)[1] % 2 == 1
        with ThreadPoolExecutor(2) as pool:  # trees grow without Python's lock
            trial, estimator = pool.map(
                lambda used: curve_model(random_state).fit(matrix[used], target[used]),
                (~held_out, np.full(len(target), True)),
            )
        middle = expected + trial.predict(matrix)
        sds, scores = np.ones(len(HORIZONS)), []
        for index, horizon in enumerate(HORIZONS):
            at = held_out & (days == horizon)
            if at.any():
                missed = np.abs(log_final - middle)[at]
                sds[index] = max(float(np.median(missed)) / _MEDIAN, 0.02)
                law = SalesDistribution(middle[at], sds[[index]], capacity[at])
                scores.append(law.reached(log_final[at], is_cut[at]))
        return cls(FlatTrees.of_boosting(estimator), sds, np.sort(np.concatenate(scores)),
                   estimator)  # fmt: skip

    def forecast(self, state: BookingState, coverage: float) -> tuple[Floats, Floats, Floats]:
        """Return expected final tickets with their interval, never below what is sold."""
        law = state.at_on_sale
        is_moved = state.elapsed > _LEAST_ELAPSED
        moves = np.where(is_moved, self.trees.predict(state.matrix), 0.0)
        sd = np.interp(state.days_left, HORIZONS[::-1], self.sds[::-1])
        sd = np.where(is_moved, np.minimum(sd, law.sd), law.sd)
        moved = SalesDistribution(law.log_demand + moves, sd, law.capacity)
        n = len(self.scores)
        reach = float(self.scores[min(int(np.ceil((n + 1) * coverage)), n) - 1])
        low, high = moved.interval(reach)
        point = np.clip(moved.expected, state.sold, law.capacity)
        return (
            point,
            np.clip(low, state.sold, point),
            np.clip(high, point, law.capacity),
        )


def curve_model(random_state: int) -> Any:
    """Return the unfitted model of how sales so far move log demand."""
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        n_estimators=120, max_depth=4, learning_rate=0.08, subsample=0.7, min_samples_leaf=15,
        random_state=random_state,
    )  # fmt: skip
