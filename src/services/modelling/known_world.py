"""How well generated sales could be predicted: by columns, with history, and by an oracle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

from src.json_object import JsonObject
from src.services.arrays import Floats
from src.services.demand.censoring import expected_sales, log_sales
from src.services.demand.sales_distribution import SalesDistribution
from src.services.model_evaluation_service import metrics

LEVELS = np.arange(0.05, 0.951, 0.05)  # of the quantiles that stand for a distribution
_EFFECTS = np.linspace(-1.2, 1.2, 49)  # of an artist, on log demand
_DEVIATIONS = np.linspace(-2.5, 2.5, 121)  # of log demand, for the quantiles of a mixture
_REDRAWS = 200
TRUTH = ("log_demand", "hidden", "noise_sd", "hidden_sd")


class SalesLaw(Protocol):
    """A distribution of each row's tickets."""

    @property
    def expected(self) -> Floats:
        """Return the mean."""

    def quantile(self, probability: float) -> Floats:
        """Return the tickets that are not exceeded with this probability."""


@dataclass(frozen=True)
class PosteriorSales:
    """What is knowable: each artist's hidden effect has a distribution over _EFFECTS."""

    weights: Floats  # shape (rows, effects)
    log_demand: Floats  # of an artist without an effect
    sd: Floats
    capacity: Floats

    @property
    def expected(self) -> Floats:
        """Return the mean of the tickets sold."""
        means = [expected_sales(self.log_demand + e, self.sd, self.capacity) for e in _EFFECTS]
        return np.asarray(np.einsum("ij,ji->i", self.weights, np.array(means)))

    def quantile(self, probability: float) -> Floats:
        """Return the tickets that are not exceeded with this probability."""
        deviations = [np.interp(probability, row, _DEVIATIONS) for row in self._shares]
        return np.minimum(np.exp(self.log_demand + np.array(deviations)), self.capacity)

    @cached_property
    def _shares(self) -> Floats:
        """Return by row the probability of each of _DEVIATIONS."""
        from scipy.special import ndtr

        found = np.zeros((len(self.sd), len(_DEVIATIONS)))
        for index, effect in enumerate(_EFFECTS):
            below = ndtr((_DEVIATIONS[None, :] - effect) / self.sd[:, None])
            found += self.weights[:, [index]] * below
        return found


def crps(actual: Floats, law: SalesLaw) -> float:
    """Return the continuous ranked probability score, by the pinball loss of LEVELS."""
    losses = []
    for level in LEVELS:
        error = actual - law.quantile(float(level))
        losses.append(np.maximum(level * error, (level - 1) * error).mean())
    return float(2 * np.mean(losses))


def scores(actual: Floats, capacity: Floats, law: SalesLaw) -> dict[str, float]:
    """Return MAE, CRPS, R2 and the R2 of sell-through of a distribution."""
    point = law.expected
    found = metrics(actual, point)
    return {
        "mae": found["mae"],
        "crps": crps(actual, law),
        "r2": found["r2"],
        "sell_through_r2": metrics(actual / capacity, point / capacity)["r2"],
    }


def limits(
    finished: pd.DataFrame, test: pd.DataFrame, truth: pd.DataFrame, random_state: int
) -> JsonObject | None:
    """Return what columns, the artists' earlier shows too, and an oracle reach on the test rows.

    None for data whose truth is not all known. `knowable` is the limit of any model: the posterior
    of the artist's hidden effect given the shows before on-sale.
    """
    known = truth.reindex(columns=list(TRUTH)).reindex(finished["concert_id"])
    if known.isna().any(axis=None):
        return None
    world = _World.of(finished, known)
    at = pd.Index(finished["concert_id"]).get_indexer(test["concert_id"])
    actual, capacity = world.sold[at], world.capacity[at]
    log_demand, sd = world.log_demand[at], world.sd[at]
    oracle = SalesDistribution(log_demand + world.hidden[at], sd, capacity)
    laws: dict[str, SalesLaw] = {
        "columns": SalesDistribution(log_demand, np.hypot(sd, world.hidden_sd), capacity),
        "knowable": PosteriorSales(world.posterior(test), log_demand, sd, capacity),
        "oracle": oracle,
    }
    found: JsonObject = {name: scores(actual, capacity, law) for name, law in laws.items()}
    rng, mean = np.random.default_rng(random_state), oracle.expected
    redrawn = [
        metrics(oracle.around(rng.normal(size=len(at))), mean)["r2"] for _ in range(_REDRAWS)
    ]
    found["oracle"]["r2_sd"] = float(np.std(redrawn, ddof=1))
    return found


@dataclass(frozen=True)
class _World:
    finished: pd.DataFrame
    log_demand: Floats
    hidden: Floats
    sd: Floats  # noise, and the chance of single tickets
    hidden_sd: float
    sold: Floats
    capacity: Floats

    @classmethod
    def of(cls, finished: pd.DataFrame, known: pd.DataFrame) -> _World:
        log_demand, hidden, noise, hidden_sd = (known[name].to_numpy(float) for name in TRUTH)
        sd = np.sqrt(noise**2 + 1 / np.maximum(np.exp(log_demand), 1))
        sold, capacity = (finished[n].to_numpy(float) for n in ("tickets_sold", "capacity"))
        return cls(finished, log_demand, hidden, sd, float(hidden_sd[0]), sold, capacity)

    def posterior(self, test: pd.DataFrame) -> Floats:
        """Return the probability of each of _EFFECTS for each test row's artist at its on-sale."""
        from scipy.special import log_ndtr

        log_sold, is_cut = log_sales(self.sold, self.capacity)
        beyond = (log_sold - self.log_demand)[:, None] - _EFFECTS
        beyond /= self.sd[:, None]
        likelihood = np.where(is_cut[:, None], log_ndtr(-beyond), -(beyond**2) / 2)
        starts, by_artist = self.finished["starts_at"].to_numpy(), {}
        for artist, rows in self.finished.groupby("artist_id").indices.items():
            order = rows[np.argsort(starts[rows], kind="stable")]
            so_far = np.vstack([np.zeros(len(_EFFECTS)), likelihood[order].cumsum(axis=0)])
            by_artist[artist] = (starts[order], so_far)
        found = np.empty((len(test), len(_EFFECTS)))
        asked = zip(test["artist_id"], test["on_sale_at"].to_numpy(), strict=True)
        for index, (artist, moment) in enumerate(asked):
            moments, so_far = by_artist[artist]
            found[index] = so_far[np.searchsorted(moments, moment)]
        found -= (_EFFECTS / self.hidden_sd) ** 2 / 2
        found = np.exp(found - found.max(axis=1, keepdims=True))
        return np.asarray(found / found.sum(axis=1, keepdims=True))
