"""The world on a later day: concerts are over, new ones are announced, sales have grown.

Each day adds to the one before it, from random streams of its own: what a data set of an earlier
as-of date holds is in every later one, with the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime

import numpy as np

from src.errors import UsageError
from src.services.arrays import Ints
from src.services.generation import demand_model as dm
from src.services.generation.concert_world import (
    AS_OF,
    CALENDAR_END,
    CALENDAR_START,
    DAY_S,
    LONGEST_LEAD_DAYS,
    ON_SALE_HOUR,
    STREAM_ANNOUNCED,
    STREAM_DAYS,
    Concerts,
    SalesDay,
    Venues,
    World,
    WorldSize,
    build_world,
    draw_concerts,
    stream,
)

LONGEST_DAYS = 1_000
_ANNOUNCED_AHEAD = 14  # days before the sale of a concert begins
_PERIOD = 28  # days: concerts after the first calendar are drawn for so many at a time
_LATE = 30  # days over which concerts are announced whose sale should have begun before


@dataclass(frozen=True)
class WorldClock:
    """The day a data set describes, and for one of changes the day of the data set before it.

    `as_of` None is the first as-of date, 2025-09-30.
    """

    as_of: date | None = None
    since: date | None = None


def world_at(size: WorldSize, seed: int, clock: WorldClock) -> World:
    """Build the world of this size and seed as of a day; raises UsageError for other days."""
    world = build_world(size, seed)
    if clock.as_of is None:
        return world
    days, sent = days_of(clock)
    if world.as_of != int(AS_OF.timestamp()):
        raise UsageError(
            f"--as-of needs a row of sales for each concert, --sales is {size.sales:,}",
            cause="with fewer, the first as-of date is earlier",
            hint=f"--sales {size.concerts}, or more",
        )
    later = _with_days(_with_announced(world, days), days)
    return replace(later, sent_days=sent)


def days_of(clock: WorldClock) -> tuple[int, int | None]:
    """Return the days from the first as-of date to both days; raises UsageError for other days."""
    days = _days_after(clock.as_of) if clock.as_of else 0
    if clock.since is None:
        return days, None
    sent = _days_after(clock.since)
    if sent >= days:
        raise UsageError(
            f"--since {clock.since} is not before --as-of {clock.as_of}",
            hint=f"--since {AS_OF:%Y-%m-%d}, or a later --as-of",
        )
    return days, sent


def _days_after(day: date) -> int:
    days = (day - AS_OF.date()).days
    if not 0 <= days <= LONGEST_DAYS:
        last = date.fromordinal(AS_OF.toordinal() + LONGEST_DAYS)
        raise UsageError(
            f"there is no generated data of {day}",
            cause=f"the world's days are {AS_OF:%Y-%m-%d} to {last}",
            hint=f"--as-of {date.fromordinal(AS_OF.toordinal() + 7)}",
        )
    return days


def _with_announced(world: World, days: int) -> World:
    """Return the world with the concerts that are announced in these days, behind the others."""
    today = AS_OF.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    first = int(CALENDAR_END.timestamp()) // DAY_S
    last = today + days + _ANNOUNCED_AHEAD + LONGEST_LEAD_DAYS
    drawn = [world.concerts]
    announced = [np.zeros(world.size.concerts, dtype=np.int64)]
    for period, start in enumerate(range(first, last + 1, _PERIOD)):
        rng = stream(world.seed, STREAM_ANNOUNCED, period)
        concerts = _of_period(rng, world, np.arange(start, start + _PERIOD))
        if concerts is None:
            continue
        day = concerts.on_sale_at // DAY_S - _ANNOUNCED_AHEAD - today
        day = np.where(day > 0, day, rng.integers(1, _LATE + 1, len(day)))
        earliest = (today + day) * DAY_S + ON_SALE_HOUR * 3600
        drawn.append(replace(concerts, on_sale_at=np.maximum(concerts.on_sale_at, earliest)))
        announced.append(day)
    all_drawn, day = _joined(drawn), np.concatenate(announced)
    # The keys of an earlier day stay: by day first, of one day by start.
    order = np.lexsort((np.where(day > 0, all_drawn.starts_at, 0), day))
    known = order[: int((day <= days).sum())]
    return replace(world, concerts=_taken(all_drawn, known))


def _of_period(rng: np.random.Generator, world: World, days: Ints) -> Concerts | None:
    """Draw the concerts that start in a period: as many a day as in the first calendar."""
    months = set(days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1)
    is_open = np.array([bool(months & set(tier.open_months)) for tier in dm.VENUE_TIERS])
    bookable = np.flatnonzero(is_open[world.venues.tier])
    rate = world.size.concerts / (CALENDAR_END - CALENDAR_START).days
    count = int(rng.poisson(rate * len(days)))
    if not count or not len(bookable):
        return None
    v = world.venues
    some = Venues(v.tier[bookable], v.city[bookable], v.capacity[bookable])
    drawn = draw_concerts(rng, count, days, world.artists, some, world.parameters)
    return replace(drawn, venue=bookable[drawn.venue])


def _with_days(world: World, days: int) -> World:
    """Return the world after these days: what each concert sells on each of them, in rows."""
    c, first = world.concerts, int(AS_OF.timestamp())
    sold = np.concatenate(
        [world.opening.tickets_sold, np.zeros(len(c.starts_at) - world.size.concerts, np.int64)]
    )
    rows_per_ticket = world.size.sales / world.tickets
    found, before = [], world.size.sales
    reached = dm.share_sold(c.hotness, c.window_at(first))
    for number in range(1, days + 1):
        begins = first + (number - 1) * DAY_S
        ends = begins + DAY_S
        reached, earlier = dm.share_sold(c.hotness, c.window_at(ends)), reached
        on_sale = np.flatnonzero((c.on_sale_at < ends) & (c.starts_at > begins))
        left = np.maximum(1.0 - earlier[on_sale], 1e-12)
        share = np.clip((reached[on_sale] - earlier[on_sale]) / left, 0.0, 1.0)
        rng = stream(world.seed, STREAM_DAYS, number)
        tickets = rng.binomial((c.final_sold - sold)[on_sale], np.round(share, 12))
        sold[on_sale] += tickets
        some, tickets = on_sale[tickets > 0], tickets[tickets > 0].astype(np.int64)
        rows = np.clip(np.rint(tickets * rows_per_ticket).astype(np.int64), 1, tickets)
        found.append(SalesDay(number, begins, some, tickets, rows, before))
        before += int(rows.sum())
    as_of = first + days * DAY_S
    concerts = replace(c, tickets_sold=sold, share_of_window=c.window_at(as_of))
    return replace(world, as_of=as_of, concerts=concerts, days=tuple(found))


def _joined(parts: list[Concerts]) -> Concerts:
    return Concerts(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Concerts))
    )


def _taken(concerts: Concerts, rows: Ints) -> Concerts:
    return Concerts(*(getattr(concerts, f.name)[rows] for f in fields(Concerts)))
