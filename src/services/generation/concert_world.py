"""Artists, venues and concerts as columns of numbers: the world before any ticket is cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from src.errors import UsageError
from src.services.arrays import Floats, Ints
from src.services.generation import demand_model as dm
from src.services.generation.row_counts import cut_rows

DAY_S = 86_400
_TRIED_CONCERTS = 1_000_000
CALENDAR_START = datetime(2022, 1, 1, tzinfo=UTC)
AS_OF = datetime(2025, 9, 30, tzinfo=UTC)
CALENDAR_END = datetime(2026, 1, 31, tzinfo=UTC)
LONGEST_LEAD_DAYS = 360  # from the start of a concert's sale to the concert
ON_SALE_HOUR = 10

# Random streams are keyed by these numbers: never renumber them, a new table takes a new one.
STREAM_ARTISTS, STREAM_VENUES, STREAM_CONCERTS, STREAM_SALES, STREAM_DEFECTS = range(5)
# 5 to 8 are the defects of each table.
STREAM_ANNOUNCED, STREAM_DAYS, STREAM_DAY_ROWS = 20, 21, 22
STREAM_LIVE = 100


def stream(seed: int, table: int, block: int = 0) -> np.random.Generator:
    """Return the random stream of one block of one table; other blocks never change it."""
    return np.random.Generator(
        np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=(table, block)))
    )


@dataclass(frozen=True)
class WorldSize:
    """How many rows of each table; all positive."""

    artists: int
    venues: int
    concerts: int
    sales: int


@dataclass(frozen=True)
class Artists:
    """One element per artist, in key order."""

    popularity: Floats
    genre: Ints  # index into demand_model.GENRES
    city: Ints  # home city: index into demand_model.CITIES
    hidden: Floats  # the effect no column shows


@dataclass(frozen=True)
class Venues:
    """One element per venue, in key order."""

    tier: Ints  # index into demand_model.VENUE_TIERS
    city: Ints
    capacity: Ints


@dataclass(frozen=True)
class Concerts:
    """One element per concert, in key order; times in seconds since 1970, prices in cents."""

    artist: Ints
    venue: Ints
    starts_at: Ints
    on_sale_at: Ints
    price_cents: Ints
    capacity: Ints
    log_demand: Floats  # from the columns alone
    final_sold: Ints  # tickets when the doors open
    tickets_sold: Ints  # tickets up to the as-of date
    hotness: Ints
    share_of_window: Floats  # elapsed part of the sale window at the as-of date, 0-1

    def window_at(self, moment: int) -> Floats:
        """Return the elapsed part of each sale window at a moment, 0-1."""
        elapsed = (moment - self.on_sale_at) / (self.starts_at - self.on_sale_at)
        return np.clip(elapsed, 0.0, 1.0)


@dataclass(frozen=True)
class SalesDay:
    """The tickets sold on one day after the first as-of date, and the rows they are cut into.

    `concerts` are those that sold any; `before` counts the rows of ticket sales before the day.
    """

    number: int  # 1 is the day that begins at the first as-of date
    begins: int
    concerts: Ints
    tickets: Ints
    rows: Ints
    before: int


@dataclass(frozen=True)
class World:
    """Everything but the sales rows, and how many rows each concert's tickets are cut into.

    `opening` are the concerts as of the first as-of date, whose tickets `rows_per_concert` cuts;
    the tickets of each later day have rows of their own, in `days`. Of a world that is a change
    only, the sales rows up to day `sent_days` were in an earlier data set.
    """

    size: WorldSize
    seed: int
    parameters: dm.DemandParameters
    as_of: int
    artists: Artists
    venues: Venues
    concerts: Concerts
    opening: Concerts
    rows_per_concert: Ints
    days: tuple[SalesDay, ...] = ()
    sent_days: int | None = None

    def rows(self, table: str) -> int:
        """Return the number of valid rows of a table, up to the as-of date."""
        return {
            "artists": self.size.artists,
            "venues": self.size.venues,
            "concerts": len(self.concerts.starts_at),
            "ticket_sales": self.size.sales + sum(int(day.rows.sum()) for day in self.days),
        }[table]

    @property
    def sales_before(self) -> int:
        """Return the rows of ticket sales that were in an earlier data set."""
        sent = self.sent_days
        if sent is None:
            return 0
        return self.size.sales + sum(int(day.rows.sum()) for day in self.days[:sent])

    @property
    def tickets(self) -> int:
        """Return the tickets sold up to the as-of date."""
        return int(self.concerts.tickets_sold.sum())

    def status(self) -> Ints:
        """Return 0 completed, 1 on sale, 2 announced, per concert."""
        c = self.concerts
        on_sale = np.where(c.on_sale_at < self.as_of, 1, 2)
        return np.asarray(np.where(c.starts_at <= self.as_of, 0, on_sale), dtype=np.int64)


STATUS_NAMES = ("completed", "on_sale", "announced")


def build_world(size: WorldSize, seed: int, parameters: dm.DemandParameters | None = None) -> World:
    """Build the world of this size and seed; same arguments, same world.

    Raises UsageError where more sales rows than tickets are requested.
    """
    p = parameters or dm.DemandParameters()
    artists = _build_artists(size.artists, seed, p)
    venues = _build_venues(size.venues, seed)
    concerts, as_of = _build_concerts(size, seed, artists, venues, p)
    tickets = int(concerts.tickets_sold.sum())
    if size.sales > tickets:
        enough = _enough_concerts(size, seed, artists, venues, p, tickets)
        raise UsageError(
            f"--sales {size.sales:,} is more rows than the {tickets:,} tickets that "
            f"{size.concerts:,} concerts sell",
            hint=f"--concerts {enough}, or --sales {max(tickets, 1)}",
        )
    rows = cut_rows(concerts.tickets_sold, size.sales)
    return World(size, seed, p, as_of, artists, venues, concerts, concerts, rows)


def _enough_concerts(
    size: WorldSize,
    seed: int,
    artists: Artists,
    venues: Venues,
    p: dm.DemandParameters,
    tickets: int,
) -> int:
    """Return a number of concerts that really sells enough tickets, by trying."""
    concerts = size.concerts
    while tickets < size.sales:
        grow = max(size.sales / max(tickets, 1) * 1.1, 1.1)
        concerts = int(np.ceil(concerts * min(grow, 1000.0)))
        if concerts > _TRIED_CONCERTS:
            break  # an estimate: so many take longer to try than an error should
        tried, _ = _build_concerts(replace(size, concerts=concerts), seed, artists, venues, p)
        tickets = int(tried.tickets_sold.sum())
    return concerts


def _build_artists(count: int, seed: int, p: dm.DemandParameters) -> Artists:
    rng = stream(seed, STREAM_ARTISTS)
    shares = np.array([share for share, _ in dm.GENRES.values()])
    return Artists(
        popularity=rng.permutation(dm.popularity_scores(count)),
        genre=_pick(rng, shares, count),
        city=rng.integers(0, len(dm.CITIES), count),
        hidden=rng.normal(0.0, p.hidden_artist_sd, count),
    )


def _build_venues(count: int, seed: int) -> Venues:
    rng = stream(seed, STREAM_VENUES)
    tier = _pick(rng, np.array([t.share for t in dm.VENUE_TIERS]), count)
    low = np.log([t.smallest for t in dm.VENUE_TIERS])[tier]
    high = np.log([t.largest for t in dm.VENUE_TIERS])[tier]
    capacity = np.rint(np.exp(low + (high - low) * rng.random(count)) / 10).astype(np.int64) * 10
    city_share = (np.arange(len(dm.CITIES)) + 1.0) ** -dm.CITY_SHARE_EXPONENT
    return Venues(tier=tier, city=_pick(rng, city_share, count), capacity=capacity)


def _build_concerts(
    size: WorldSize, seed: int, artists: Artists, venues: Venues, p: dm.DemandParameters
) -> tuple[Concerts, int]:
    rng = stream(seed, STREAM_CONCERTS)
    first, last = int(CALENDAR_START.timestamp()), int(CALENDAR_END.timestamp())
    days = np.arange(first // DAY_S, last // DAY_S)
    drawn = draw_concerts(rng, size.concerts, days, artists, venues, p)
    as_of = _as_of(drawn.on_sale_at, size.sales)
    window = drawn.window_at(as_of)
    sold = _sold_to_date(rng, drawn.final_sold, drawn.hotness, window)
    return replace(drawn, tickets_sold=sold, share_of_window=window), as_of


def draw_concerts(
    rng: np.random.Generator,
    n: int,
    days: Ints,
    artists: Artists,
    venues: Venues,
    p: dm.DemandParameters,
) -> Concerts:
    """Draw concerts on some of these days (since 1970), all before their first ticket is sold."""
    rank = np.empty(len(artists.popularity), dtype=np.int64)
    rank[np.argsort(-artists.popularity, kind="stable")] = np.arange(len(rank))
    artist = _pick(rng, (rank + 1.0) ** -p.stars_exponent, n)
    popularity = artists.popularity[artist]
    genre_effect = np.array([effect for _, effect in dm.GENRES.values()])[artists.genre[artist]]
    expected = p.log_base + p.popularity * dm.popularity_z(popularity) + genre_effect
    venue = _match_venues(rng, expected, venues, p)
    starts_at = _dates(rng, venues.tier[venue], days)
    price_cents = _prices(rng, popularity, p)
    month, weekday, years = calendar_parts(starts_at)
    market = np.array([effect for _, _, effect in dm.CITIES])[venues.city[venue]]
    facts = dm.ConcertFacts(
        popularity, genre_effect, market, month, weekday, price_cents / 100, years
    )
    log_demand = dm.log_demand(facts, p)
    capacity = venues.capacity[venue]
    noise = rng.normal(0.0, p.noise_sd, n) + artists.hidden[artist]
    # Rounded, so that the last bit of exp, which differs between CPUs, cannot change a draw.
    demand = rng.poisson(np.round(np.exp(log_demand + noise), 6))
    final_sold = np.minimum(demand, capacity).astype(np.int64)
    hotness = dm.hotness_class(log_demand, capacity)
    lead_days = np.rint(np.exp(rng.normal(np.log([55, 80, 120])[hotness], 0.35)))
    lead_days = np.clip(lead_days, 10, LONGEST_LEAD_DAYS).astype(np.int64)
    on_sale_at = (starts_at // DAY_S - lead_days) * DAY_S + ON_SALE_HOUR * 3600
    none = np.zeros(n, dtype=np.int64)
    return Concerts(
        artist, venue, starts_at, on_sale_at, price_cents, capacity, log_demand,
        final_sold, none, hotness, none.astype(np.float64),
    )  # fmt: skip


def _pick(rng: np.random.Generator, weights: Any, count: int) -> Ints:
    """Draw indices with these weights (inverse CDF: `choice(p=)` is several times slower)."""
    cdf = np.cumsum(weights / np.sum(weights))
    return np.minimum(np.searchsorted(cdf, rng.random(count)), len(cdf) - 1).astype(np.int64)


def _match_venues(
    rng: np.random.Generator, expected: Floats, venues: Venues, p: dm.DemandParameters
) -> Ints:
    """Give each concert a venue near the crowd it expects."""
    order = np.argsort(venues.capacity, kind="stable")
    sizes = np.log(venues.capacity[order])
    wanted = expected + p.fit_margin + rng.normal(0.0, p.fit_sd, len(expected))
    near = np.searchsorted(sizes, wanted)
    near = near + rng.integers(-2, 3, len(expected))  # neighbours share the bookings
    return np.asarray(order[np.clip(near, 0, len(order) - 1)])


def _dates(rng: np.random.Generator, tier: Ints, days: Ints) -> Ints:
    """Draw start times; open-air venues have shows only in their open months."""
    month, weekday, _ = calendar_parts(days * DAY_S)
    weights = np.asarray(dm.WEEKDAY_SHARES)[weekday]
    day = days[_pick(rng, weights, len(tier))]
    for index, venue_tier in enumerate(dm.VENUE_TIERS):
        if len(venue_tier.open_months) < 12:
            open_weights = weights * np.isin(month, venue_tier.open_months)
            if open_weights.any():
                redrawn = days[_pick(rng, open_weights, len(tier))]
                day = np.where(tier == index, redrawn, day)
    half_hours = rng.integers(0, 7, len(tier))
    return np.asarray(day * DAY_S + 18 * 3600 + half_hours * 1800)


def _prices(rng: np.random.Generator, popularity: Floats, p: dm.DemandParameters) -> Ints:
    dollars = dm.usual_price(popularity, p) * np.exp(rng.normal(0.0, p.price_sd, len(popularity)))
    return np.asarray(np.maximum(np.rint(dollars * 2), 10).astype(np.int64) * 50)


def calendar_parts(seconds: Ints) -> tuple[Ints, Ints, Floats]:
    """Return month (1-12), weekday (Monday 0) and years since the calendar's start."""
    day = seconds // DAY_S
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    years = (seconds - int(CALENDAR_START.timestamp())) / (365.25 * DAY_S)
    return month, weekday, years


def _as_of(on_sale_at: Ints, sales: int) -> int:
    """Return the as-of date: early enough that every concert on sale can have a sales row."""
    usual = int(AS_OF.timestamp())
    if sales >= len(on_sale_at):
        return usual
    return min(usual, int(np.sort(on_sale_at)[sales]))


def _sold_to_date(
    rng: np.random.Generator, final_sold: Ints, hotness: Ints, window: Floats
) -> Ints:
    return rng.binomial(final_sold, np.round(dm.share_sold(hotness, window), 12)).astype(np.int64)
