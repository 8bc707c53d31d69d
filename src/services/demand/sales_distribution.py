"""The distribution of a concert's final tickets: demand cut at the venue's capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.errors import UsageError
from src.services.arrays import Floats
from src.services.demand.censoring import (
    expected_sales,
    normal_cdf,
    normal_quantile,
    share_up_to,
)


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
