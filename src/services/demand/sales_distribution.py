"""The distribution of a concert's final tickets: demand cut at the venue's capacity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from src.errors import UsageError
from src.services.arrays import Array, Floats
from src.services.demand.censoring import (
    expected_sales,
    normal_cdf,
    normal_quantile,
    share_up_to,
)

_FARTHEST = 8.0  # standard deviations
_NEAR_CERTAIN = 1e-6  # probabilities closer to 0 or 1 have no finite log odds worth the name


def one_sided(reach: float) -> float:
    """Return how far down an interval without an upper end reaches, to miss as much in all."""
    return -normal_quantile(min(math.erfc(min(reach, _FARTHEST) / math.sqrt(2.0)), 1 - 1e-9))


@dataclass(frozen=True)
class OddsLine:
    """A straight line of log odds, from a probability to how often it came true."""

    shift: float = 0.0
    slope: float = 1.0

    @classmethod
    def fit(cls, probability: Floats, happened: Array) -> OddsLine:
        """Return the likeliest line; its two numbers follow chance less than a free curve does."""
        from scipy.optimize import minimize

        sign, odds = np.where(happened, -1.0, 1.0), _log_odds(probability)

        def unlikely(line: Floats) -> float:
            return float(np.logaddexp(0.0, sign * (line[0] + line[1] * odds)).sum())

        found = minimize(unlikely, [0.0, 1.0], bounds=[(-5.0, 5.0), (0.0, 5.0)])
        return cls(*map(float, found.x))

    def of(self, probability: Floats | float) -> Floats:
        """Return how often such probabilities came true."""
        return np.asarray(1 / (1 + np.exp(-(self.shift + self.slope * _log_odds(probability)))))


def _log_odds(probability: Floats | float) -> Floats:
    inside = np.minimum(np.maximum(probability, _NEAR_CERTAIN), 1 - _NEAR_CERTAIN)
    return np.asarray(np.log(inside / (1 - inside)))


@dataclass(frozen=True)
class SalesDistribution:
    """What each row sells: log demand is normal, and no more is sold than fits."""

    log_demand: Floats
    sd: Floats
    capacity: Floats

    @property
    def expected(self) -> Floats:
        """Return the mean of the tickets sold, between 0 and capacity."""
        return expected_sales(self.log_demand, self.sd, self.capacity)

    @property
    def sell_out(self) -> Floats:
        """Return the probability that demand reaches the capacity."""
        return self.demand_above(self.capacity)

    @property
    def demand(self) -> Floats:
        """Return the mean of the tickets that a venue without a limit would sell."""
        return np.asarray(np.exp(self.log_demand + self.sd**2 / 2))

    def quantile(self, probability: float) -> Floats:
        """Return the tickets that are not exceeded with this probability."""
        if not 0 < probability < 1:
            raise UsageError(
                f"the probability is {probability!r}; it must be between 0 and 1",
                hint="quantile(0.9)",
            )
        return self.around(normal_quantile(probability))

    def around(self, deviations: float | Floats) -> Floats:
        """Return the tickets so many standard deviations of log demand from the middle."""
        return np.minimum(np.exp(self.log_demand + deviations * self.sd), self.capacity)

    def interval(self, reach: float) -> tuple[Floats, Floats]:
        """Return low and high tickets, so many standard deviations of log demand from the middle.

        Where the capacity cuts the upper end, nothing is missed there. The lower end is then
        allowed the misses of both, or as many as the probability of a full venue.
        """
        lower = np.minimum(np.maximum(self._fullness, -reach), -one_sided(reach))
        return self.around(lower), self.around(reach)

    def reached(self, log_sold: Floats, is_cut: Array) -> Floats:
        """Return the least reach of an interval that holds what each row sold."""
        from scipy.special import ndtr, ndtri

        missed = (log_sold - self.log_demand) / self.sd
        is_cheap = ~is_cut & (missed < self._fullness) & (missed < 0)
        found = np.where(is_cheap, -ndtri(ndtr(missed) / 2), np.abs(missed))
        return np.where(is_cut & (missed < 0), 0.0, found)  # no miss of a larger demand

    @property
    def _fullness(self) -> Floats:
        """Return by how many standard deviations log demand exceeds the capacity's."""
        return (self.log_demand - np.log(self.capacity)) / self.sd

    def demand_above(self, tickets: Floats) -> Floats:
        """Return the probability that demand reaches so many tickets."""
        return normal_cdf((self.log_demand - np.log(tickets)) / self.sd)

    def share_within(self, tolerance: float) -> Floats:
        """Return the probability that the tickets sold are so close to the mean, as a share."""
        point, law = self.expected, (self.log_demand, self.sd, self.capacity)
        above, below = point * (1 + tolerance), point * (1 - tolerance)
        return share_up_to(above, *law) - share_up_to(below, *law)
