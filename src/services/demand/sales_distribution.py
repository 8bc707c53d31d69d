"""The distribution of a concert's final tickets: demand cut at the venue's capacity."""

from __future__ import annotations

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

_LIKELIER = 4.6  # in log likelihood: by chance once in a hundred, of two free numbers
_NEAR_CERTAIN = 1e-6  # probabilities closer to 0 or 1 have no finite log odds worth the name


@dataclass(frozen=True)
class OddsLine:
    """A straight line of log odds, from a probability to how often it came true."""

    shift: float = 0.0
    slope: float = 1.0

    @classmethod
    def fit(cls, probability: Floats, happened: Array) -> OddsLine:
        """Return the likeliest line, or the probability as it is where that is no less likely.

        Two numbers follow chance less than a free curve does.
        """
        from scipy.optimize import minimize

        sign, odds = np.where(happened, -1.0, 1.0), _log_odds(probability)

        def unlikely(line: Floats) -> float:
            return float(np.logaddexp(0.0, sign * (line[0] + line[1] * odds)).sum())

        as_it_is = np.array([0.0, 1.0])
        found = minimize(unlikely, as_it_is, bounds=[(None, None), (0.0, None)])
        is_likelier = unlikely(as_it_is) - found.fun > _LIKELIER
        return cls(*map(float, found.x if is_likelier else as_it_is))

    def of(self, probability: Floats) -> Floats:
        """Return how often such probabilities came true."""
        return np.asarray(1 / (1 + np.exp(-(self.shift + self.slope * _log_odds(probability)))))


def _log_odds(probability: Floats) -> Floats:
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

    def demand_above(self, tickets: Floats) -> Floats:
        """Return the probability that demand reaches so many tickets."""
        return normal_cdf((self.log_demand - np.log(tickets)) / self.sd)

    def share_within(self, tolerance: float) -> Floats:
        """Return the probability that the tickets sold are so close to the mean, as a share."""
        point, law = self.expected, (self.log_demand, self.sd, self.capacity)
        above, below = point * (1 + tolerance), point * (1 - tolerance)
        return share_up_to(above, *law) - share_up_to(below, *law)
