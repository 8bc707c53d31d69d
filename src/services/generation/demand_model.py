"""The world behind the data: who wants to see whom, where, when, and at which price.

Expected demand is log-linear; demand is Poisson around it with log-normal noise; tickets sold
are demand cut at capacity. Because the world is explicit, the best R2 any model can reach is
computable. Sources: Krueger (2004) and Pollstar (2025-01-17) for the superstar shape; Pollstar
2019-2024 for prices; VenuesNow/Pollstar classes for venue tiers; the Pollstar Q3 notes for the
season; Eventbrite (2024-06-10) for late buying. Weekday effects and the price elasticity are
assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy import special

from src.services.arrays import Floats, Ints


@dataclass(frozen=True)
class VenueTier:
    """A class of venues; capacities are log-uniform inside [smallest, largest]."""

    name: str
    share: float
    smallest: int
    largest: int
    open_months: tuple[int, ...] = tuple(range(1, 13))


VENUE_TIERS: tuple[VenueTier, ...] = (
    VenueTier("club", 0.42, 150, 1_000),
    VenueTier("theatre", 0.25, 1_000, 3_000),
    VenueTier("hall", 0.15, 3_000, 8_000),
    VenueTier("amphitheatre", 0.07, 5_000, 20_000, open_months=(5, 6, 7, 8, 9)),
    VenueTier("arena", 0.08, 8_000, 20_000),
    VenueTier("stadium", 0.03, 30_000, 70_000),
)

# Name: (share of artists, effect on log demand).
GENRES: dict[str, tuple[float, float]] = {
    "rock": (0.24, 0.10),
    "pop": (0.20, 0.30),
    "hip-hop": (0.14, 0.20),
    "country": (0.11, 0.15),
    "electronic": (0.10, 0.00),
    "indie": (0.10, -0.15),
    "jazz": (0.06, -0.40),
    "classical": (0.05, -0.30),
}

# City, country, effect of its market on log demand (larger markets first).
CITIES: tuple[tuple[str, str, float], ...] = (
    ("New York", "US", 0.50), ("Los Angeles", "US", 0.45), ("London", "GB", 0.45),
    ("Chicago", "US", 0.30), ("Paris", "FR", 0.30), ("Toronto", "CA", 0.25),
    ("Berlin", "DE", 0.22), ("Houston", "US", 0.20), ("Dallas", "US", 0.20),
    ("Madrid", "ES", 0.18), ("Atlanta", "US", 0.15), ("Boston", "US", 0.15),
    ("San Francisco", "US", 0.15), ("Philadelphia", "US", 0.12), ("Sydney", "AU", 0.12),
    ("Amsterdam", "NL", 0.10), ("Seattle", "US", 0.08), ("Denver", "US", 0.08),
    ("Manchester", "GB", 0.05), ("Nashville", "US", 0.05), ("Barcelona", "ES", 0.05),
    ("Austin", "US", 0.03), ("Miami", "US", 0.03), ("Montreal", "CA", 0.02),
    ("Hamburg", "DE", 0.00), ("Dublin", "IE", 0.00), ("Melbourne", "AU", 0.00),
    ("Vienna", "AT", -0.03), ("Phoenix", "US", -0.05), ("Portland", "US", -0.05),
    ("Minneapolis", "US", -0.06), ("Glasgow", "GB", -0.08), ("Milan", "IT", -0.08),
    ("Stockholm", "SE", -0.10), ("Detroit", "US", -0.10), ("Lyon", "FR", -0.14),
    ("Oslo", "NO", -0.15), ("Calgary", "CA", -0.16), ("Brussels", "BE", -0.18),
    ("Lisbon", "PT", -0.20),
)  # fmt: skip
CITY_SHARE_EXPONENT = 0.7  # venues per city fall with the market's rank

# January to December, on log demand.
MONTH_EFFECTS: tuple[float, ...] = (
    -0.22, -0.15, -0.05, 0.00, 0.07, 0.12, 0.15, 0.10, 0.04, 0.02, -0.02, -0.06,
)  # fmt: skip
# Monday to Sunday, on log demand; an assumption.
WEEKDAY_EFFECTS: tuple[float, ...] = (-0.15, -0.10, -0.05, 0.00, 0.14, 0.18, -0.02)
# Share of concerts by weekday; an assumption.
WEEKDAY_SHARES: tuple[float, ...] = (0.06, 0.09, 0.11, 0.17, 0.22, 0.24, 0.11)

TICKET_TIERS: tuple[tuple[str, float, int], ...] = (  # name, share, price in % of base
    ("standard", 0.55, 100),
    ("balcony", 0.25, 70),
    ("premium", 0.15, 160),
    ("vip", 0.05, 280),
)
SALES_CHANNELS: tuple[tuple[str, float], ...] = (
    ("web", 0.52),
    ("app", 0.30),
    ("box_office", 0.10),
    ("partner", 0.08),
)


@dataclass(frozen=True)
class DemandParameters:
    """The numbers of the world; effects are on natural-log demand."""

    log_base: float = 6.35
    popularity: float = 0.62  # per unit of popularity_z: demand falls with rank^-0.62
    market: float = 1.0
    elasticity: float = -0.9  # of demand to price / usual price
    yearly_trend: float = 0.03
    hidden_artist_sd: float = 0.30  # what no column shows
    noise_sd: float = 0.35
    price_base: float = 58.0  # dollars at popularity_z 0
    price_popularity: float = 0.20  # log price per unit of popularity_z
    price_sd: float = 0.25
    stars_exponent: float = 0.30  # concerts per artist fall with popularity rank
    fit_sd: float = 0.50  # how loosely a venue is matched to the expected crowd
    fit_margin: float = 0.60  # venues are booked this much (log) above the expected crowd
    months: tuple[float, ...] = field(default=MONTH_EFFECTS)
    weekdays: tuple[float, ...] = field(default=WEEKDAY_EFFECTS)


def popularity_scores(artists: int) -> Floats:
    """Return popularity (0-100, two decimals) by rank, most popular first.

    -log of the rank's quantile is exponential, so exp(c * popularity) is a power law of rank.
    """
    quantile = (np.arange(artists) + 0.5) / artists
    return np.asarray(np.round(np.minimum(22.0 - 10.0 * np.log(quantile), 100.0), 2))


def popularity_z(popularity: Floats) -> Floats:
    """Return popularity (0-100) in the units of the demand equation: mean 0, deviation 1."""
    return (popularity - 32.0) / 10.0


def usual_price(popularity: Floats, parameters: DemandParameters) -> Floats:
    """Return the price in dollars an artist of this popularity usually charges."""
    return parameters.price_base * np.exp(parameters.price_popularity * popularity_z(popularity))


@dataclass(frozen=True)
class ConcertFacts:
    """What the demand equation sees of each concert; arrays of one length."""

    popularity: Floats
    genre_effect: Floats
    market_effect: Floats
    month: Ints  # 1-12
    weekday: Ints  # Monday is 0
    price: Floats  # dollars
    years: Floats  # since the first day of the calendar


def log_demand(facts: ConcertFacts, parameters: DemandParameters) -> Floats:
    """Return log expected demand from what the columns show (no hidden effect, no noise)."""
    p = parameters
    relative_price = np.log(facts.price / usual_price(facts.popularity, p))
    return np.asarray(
        p.log_base
        + p.popularity * popularity_z(facts.popularity)
        + facts.genre_effect
        + p.market * facts.market_effect
        + np.asarray(p.months)[facts.month - 1]
        + np.asarray(p.weekdays)[facts.weekday]
        + p.elasticity * relative_price
        + p.yearly_trend * facts.years
    )


def censored_moments(log_mean: Floats, sd: float, capacity: Ints) -> tuple[Floats, Floats]:
    """Return mean and variance of min(D, capacity), D ~ Poisson(exp(log_mean + N(0, sd))).

    Exact Poisson-censored moments inside a 41-node Gauss-Hermite rule over the noise:
    E[min(N,K)] = l P(N<=K-2) + K P(N>=K), E[min(N,K)^2] = l^2 P(N<=K-3) + l P(N<=K-2)
    + K^2 P(N>=K).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    moments = np.zeros((2, len(log_mean)))
    for start in range(0, len(log_mean), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        first, second = moments[:, some]
        cap = capacity[some].astype(np.float64)
        log_factorial = special.gammaln(cap)  # of K-1
        for node, weight in zip(nodes, weights, strict=True):
            m1, m2 = _poisson_moments(log_mean[some] + sd * node, cap, log_factorial)
            first += weight * m1
            second += weight * m2
    mean, square = moments
    return mean, np.maximum(square - mean**2, 0.0)


_AT_ONCE = 4_096  # concerts: arrays that fit the processor's cache


def _poisson_moments(log_lam: Floats, cap: Floats, log_factorial: Floats) -> tuple[Floats, Floats]:
    lam = np.exp(log_lam)
    # So far from the capacity, nothing is left of the other side in a float.
    near = np.flatnonzero(np.abs(lam - cap) < 10 * np.sqrt(lam) + 25)
    k, lam_near = cap[near] - 1, lam[near]
    # P(N = K-1) leads from one cumulative probability to the other two.
    at_1, below_1 = np.zeros_like(lam), (lam < cap).astype(np.float64)
    at_1[near] = np.exp(k * log_lam[near] - lam_near - log_factorial[near])
    below_1[near] = special.pdtr(k, lam_near)
    below_2 = np.maximum(below_1 - at_1, 0.0)
    below_3 = np.maximum(below_2 - at_1 * (cap - 1) / lam, 0.0)
    reaches = 1.0 - below_1
    return (
        lam * below_2 + cap * reaches,
        lam**2 * below_3 + lam * below_2 + cap**2 * reaches,
    )


def r2_ceiling(mean: Floats, variance: Floats) -> float:
    """Return the best R2 any predictor can expect, by the law of total variance."""
    explained, noise = float(np.var(mean)), float(np.mean(variance))
    return explained / (explained + noise) if explained + noise > 0 else 0.0


# -- when tickets are bought -------------------------------------------------------------

PURCHASE_TABLE_SIZE = 4096
HOTNESS_CLASSES = ("cold", "warm", "hot")


@cache
def purchase_cdf(hotness: int) -> Floats:
    """Return F(u), the share sold by fraction u of the sale window, on an even grid.

    A mixture of an on-sale spike Beta(0.6, 12), a uniform middle and a last-week rush
    Beta(14, 0.75); hot concerts sell early, cold ones late.
    """
    spike, middle, rush = ((0.10, 0.45, 0.45), (0.22, 0.43, 0.35), (0.38, 0.44, 0.18))[hotness]
    u = np.linspace(0.0, 1.0, PURCHASE_TABLE_SIZE)
    cdf = spike * special.betainc(0.6, 12.0, u) + middle * u + rush * special.betainc(14.0, 0.75, u)
    return np.asarray(cdf / cdf[-1])


def share_sold(hotness: Ints, window: Floats) -> Floats:
    """Return the share of a concert's tickets that is sold by a part of its sale window."""
    share = np.where(window >= 1.0, 1.0, 0.0)
    grid = np.linspace(0.0, 1.0, PURCHASE_TABLE_SIZE)
    for index in range(len(HOTNESS_CLASSES)):
        open_now = (hotness == index) & (window > 0) & (window < 1)
        share[open_now] = np.interp(window[open_now], grid, purchase_cdf(index))
    return share


@cache
def _purchase_tables() -> tuple[Floats, Floats, Ints]:
    """Return every class's curve, its inverse's slopes, and where to look, end to end.

    Of each class the look-up has `_LOOKS` entries: the grid point at or below that share.
    """
    curves = [purchase_cdf(index) for index in range(len(HOTNESS_CLASSES))]
    grid = np.linspace(0.0, 1.0, PURCHASE_TABLE_SIZE)
    slopes = [np.append(np.diff(grid) / np.diff(cdf), 0.0) for cdf in curves]
    even = np.arange(_LOOKS + 1) / _LOOKS
    looks = [
        np.clip(np.searchsorted(cdf, even, side="right") - 1, 0, PURCHASE_TABLE_SIZE - 2)
        + PURCHASE_TABLE_SIZE * index
        for index, cdf in enumerate(curves)
    ]
    return np.concatenate(curves), np.concatenate(slopes), np.concatenate(looks)


_LOOKS = 1 << 14  # the curves rise by more than 1/_LOOKS from each grid point to the next


def purchase_fraction(hotness: Ints, share: Floats) -> Floats:
    """Return the fraction of the sale window by which `share` (0-1) was sold.

    The inverse of `purchase_cdf`, as np.interp gives it, at half its time.
    """
    curve, slopes, looks = _purchase_tables()
    below = looks[(share * _LOOKS).astype(np.int64) + hotness * (_LOOKS + 1)]
    below = below + (curve[below + 1] <= share)
    grid = np.linspace(0.0, 1.0, PURCHASE_TABLE_SIZE)
    at = below - hotness * PURCHASE_TABLE_SIZE
    return np.asarray(slopes[below] * (share - curve[below]) + grid[at])


def hotness_class(log_mean: Floats, capacity: Ints) -> Ints:
    """Return 0 (cold), 1 (warm) or 2 (hot) by expected demand over capacity."""
    ratio = log_mean - np.log(capacity)
    return np.digitize(ratio, [np.log(0.5), np.log(1.0)]).astype(np.int64)
