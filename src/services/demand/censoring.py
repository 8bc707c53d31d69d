"""Log-normal demand cut at capacity: moments and probabilities; and its fit to sales.

What predicts uses numpy and the standard library; what learns also uses scipy.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from src.services.arrays import Array, Floats

LEAST_TICKETS = 0.5  # stands for none sold: the logarithm of 0 does not exist
_ROOT_2 = math.sqrt(2.0)


def normal_cdf(values: Floats) -> Floats:
    """Return the standard normal distribution function of each value, exact in both tails."""
    flat = (0.5 * math.erfc(-value / _ROOT_2) for value in values.ravel().tolist())
    return np.fromiter(flat, np.float64, values.size).reshape(values.shape)


def normal_quantile(probability: float) -> float:
    """Return the standard normal quantile of a probability between 0 and 1."""
    return NormalDist().inv_cdf(probability)


def expected_sales(log_demand: Floats, sd: Floats, capacity: Floats) -> Floats:
    """Return the mean of min(D, capacity) where ln D is normal."""
    distance = (np.log(capacity) - log_demand) / sd
    below = np.exp(log_demand + sd * sd / 2) * normal_cdf(distance - sd)
    return np.asarray(np.clip(below + capacity * normal_cdf(-distance), 0.0, capacity))


def share_up_to(tickets: Floats, log_demand: Floats, sd: Floats, capacity: Floats) -> Floats:
    """Return the probability that at most so many tickets are sold; 1 at capacity."""
    log_tickets = np.log(np.maximum(tickets, LEAST_TICKETS))
    below = normal_cdf((log_tickets - log_demand) / sd)
    return np.asarray(np.where(tickets >= capacity, 1.0, below))


# -- learning ----------------------------------------------------------------------------------


def log_sales(sold: Floats, capacity: Floats) -> tuple[Floats, Array]:
    """Return log tickets, and where the capacity cut them."""
    return np.log(np.maximum(sold, LEAST_TICKETS)), sold >= capacity


def uncut(log_sold: Floats, is_cut: Array, log_demand: Floats, sd: float) -> Floats:
    """Return log tickets; where capacity cut them, the expected log demand beyond it."""
    from scipy.special import log_ndtr

    beyond = (log_sold - log_demand) / sd
    hazard = np.exp(-(beyond**2) / 2 - math.log(math.sqrt(2 * math.pi)) - log_ndtr(-beyond))
    return np.where(is_cut, log_demand + sd * hazard, log_sold)


def log_likelihood(log_sold: Floats, is_cut: Array, log_demand: Floats, sd: Array) -> float:
    """Return the log-likelihood of sales cut at capacity, but for a constant."""
    from scipy.special import log_ndtr

    beyond = (log_sold - log_demand) / sd
    return float(np.where(is_cut, log_ndtr(-beyond), -(beyond**2) / 2 - np.log(sd)).sum())


def likeliest_sd(
    log_sold: Floats, is_cut: Array, log_demand: Floats, known: Floats | float = 0.0,
    relative: Floats | float = 1.0,
) -> float:  # fmt: skip
    """Return the sd of the noise that makes the sales likeliest.

    `known` is the variance that each row has besides, `relative` how its sd compares.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_sd: float) -> float:
        sd = np.sqrt((np.exp(log_sd) * relative) ** 2 + known)
        return -log_likelihood(log_sold, is_cut, log_demand, sd)

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 1.0), method="bounded").x))
