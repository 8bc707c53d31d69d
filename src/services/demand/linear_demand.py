"""The linear start of log demand: ridge regression on sales that capacity cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from src.services.arrays import Array, Floats
from src.services.demand.censoring import likeliest_sd, log_sales, uncut
from src.services.features.sales_encoder import EncodedRows

CATEGORIES = ("genre", "city", "venue_type", "month", "weekday")
# A price never raises demand and a larger venue never lowers it: else what-ifs go astray.
_SIGNS = {"log_price": -1, "log_capacity": 1}
_RIDGE = 3.0  # on standardised columns
_ROUNDS = 8


@dataclass(frozen=True)
class LinearDemand:
    """Log demand as a sum of what each column adds; unlike trees, it extends a trend."""

    intercept: float
    slopes: Mapping[str, float]
    effects: Mapping[str, Floats]  # by category, and 0 at the end for none of those learned
    sd: float

    @classmethod
    def fit(cls, rows: EncodedRows) -> LinearDemand:
        """Fit by expectation-maximisation: log demand beyond a capacity is filled in."""
        design, names = _design(rows)
        center, scale = design.mean(axis=0), design.std(axis=0)
        keeps = scale > 0
        design = (design - center) / np.where(keeps, scale, 1.0)
        weights, intercept, sd = _converged(design, rows, keeps)
        for index, name in enumerate(names):
            sign = _SIGNS.get(name, 0)
            if sign * weights[index] < 0:
                keeps[index] = False
                weights, intercept, sd = _converged(design, rows, keeps)
        raw = weights / np.where(scale > 0, scale, 1.0)
        count, slopes, effects = len(rows.numbers), {}, {}
        for name, weight in zip(rows.numbers, raw, strict=False):
            slopes[name] = float(weight)
        for name in CATEGORIES:
            size = rows.encoder.sizes[name]
            effects[name] = np.append(raw[count : count + size], 0.0)
            count += size
        return cls(float(intercept - (raw * center).sum()), slopes, effects, sd)

    def parts(self, rows: EncodedRows) -> dict[str, Floats]:
        """Return what each column adds to each row's log demand; added in order, the sum is it."""
        return {
            **{name: self.slopes[name] * values for name, values in rows.numbers.items()},
            **{name: self.effects[name][rows.codes[name]] for name in CATEGORIES},
        }

    def log_demand(self, rows: EncodedRows) -> tuple[Floats, Floats]:
        """Return log demand, and without what price and capacity add: the show's appeal."""
        parts = self.parts(rows)
        cost = sum((parts.pop(name) for name in _SIGNS), np.zeros(len(rows)))
        appeal = sum(parts.values(), np.full(len(rows), self.intercept))
        return appeal + cost, appeal


def residuals(linear: LinearDemand, rows: EncodedRows) -> Floats:
    """Return by how much log demand of finished shows exceeded the linear start."""
    log_sold, is_cut = log_sales(rows.sold, rows.capacity)
    log_demand, _ = linear.log_demand(rows)
    return uncut(log_sold, is_cut, log_demand, linear.sd) - log_demand


def _design(rows: EncodedRows) -> tuple[Floats, tuple[str, ...]]:
    columns, names = list(rows.numbers.values()), list(rows.numbers)
    for name in CATEGORIES:
        for code in range(rows.encoder.sizes[name]):
            columns.append((rows.codes[name] == code).astype(np.float64))
            names.append(f"{name}={code}")
    return np.column_stack(columns), tuple(names)


def _converged(design: Floats, rows: EncodedRows, keeps: Array) -> tuple[Floats, float, float]:
    """Return weights, intercept and sd; columns that are not kept weigh 0."""
    kept = design[:, keeps]
    gram = np.einsum("ij,ik->jk", kept, kept) + _RIDGE * np.eye(kept.shape[1])
    log_sold, is_cut = log_sales(rows.sold, rows.capacity)
    filled, sd, weights = log_sold + 0.2 * is_cut, 0.5, np.zeros(design.shape[1])
    intercept = 0.0
    for _ in range(_ROUNDS):
        intercept = float(filled.mean())
        right = np.einsum("ij,i->j", kept, filled - intercept)
        weights[keeps] = np.linalg.solve(gram, right)
        log_demand = intercept + np.einsum("ij,j->i", design, weights)
        sd = likeliest_sd(log_sold, is_cut, log_demand)
        filled = uncut(log_sold, is_cut, log_demand, sd)
    return weights, intercept, sd
