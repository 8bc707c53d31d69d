"""Ticket sales as they happen: event i is a function of the seed, the plan and i.

The shares of the on-sale spike and of the last week are those of `demand_model`, which has the
sources. What happens within minutes and hours has none; assumptions are: the queue of a seller
admits ADMITTED orders a second and concert, so the first minutes are a plateau; behind it demand
falls by a power law; a presale of PRESALE of the spike runs from three days to one before the
on-sale; orders peak at 10:00 and on Thursdays and Fridays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from src.domain.live_sales import DEFECTS, ID_PREFIX, LiveSale
from src.errors import UsageError
from src.services.arrays import Floats, Ints
from src.services.generation import demand_model as dm
from src.services.generation.concert_world import DAY_S, STREAM_LIVE, stream
from src.services.generation.raw_tables import CHANNELS, ORDER_SIZES, TIERS

OPENS_AFTER_S = 15  # the concert that goes on sale while people watch
ADMITTED = 1_250.0  # orders a second
PLATEAU_S, FALL_S, FALL = 10, 4.0, 1.5
PRESALE = 0.2
HOURS: Floats = 1.0 + 0.6 * np.cos((np.arange(24) - 10) / 24 * 2 * np.pi)
WEEKDAYS: Floats = np.array([0.95, 1.0, 1.0, 1.15, 1.15, 0.9, 0.85])  # Monday first
_QUIET_S = 600  # seconds without an event: there will be none
_ORDER = float(ORDER_SIZES.mean())


@dataclass(frozen=True)
class LiveConcerts:
    """What the warehouse holds on the concerts, in one order; times in seconds since 1970."""

    ids: tuple[str, ...]
    starts_at: Ints
    on_sale_at: Ints
    price_cents: Ints
    capacity: Ints
    sold: Ints
    popularity: Floats


@dataclass(frozen=True)
class LivePlan:
    """What decides every event; `first` is the number of the first one."""

    seed: int
    started_at: int  # the time of the concerts' world when the first second begins
    rate: float = 200.0  # orders a second, but for the concert that goes on sale
    speed: float = 0.0  # above 0: the world's clock runs so many times faster, at its own rate
    on_sale: str = ""  # the concert that opens OPENS_AFTER_S later; "" for none
    defect_rate: float = 0.01
    first: int = 0


class SalesStream:
    """The events of a plan. Orders for a concert that is sold out are refused, and counted."""

    def __init__(self, concerts: LiveConcerts, plan: LivePlan) -> None:
        c = concerts
        self._concerts, self._plan = c, plan
        self._left = np.maximum(c.capacity - c.sold, 0)
        self.refused = 0
        self.is_over = False  # nothing is left to sell, or the concerts are over
        self._opens = -1
        if plan.on_sale:
            if plan.on_sale not in c.ids:
                raise UsageError(f"no concert {plan.on_sale!r} is still to come",
                                 hint="without that option the hottest one is taken")  # fmt: skip
            self._opens = c.ids.index(plan.on_sale)
        window = np.maximum(c.starts_at - c.on_sale_at, DAY_S).astype(np.float64)
        elapsed = np.clip((plan.started_at - c.on_sale_at) / window, 0.0, 1.0)
        pace = np.interp(elapsed, _GRID, dm.purchase_cdf(1))
        guess = np.where(pace > 0.05, c.sold / np.maximum(pace, 0.05), 0.8 * c.capacity)
        demand = np.clip(guess, 0.05 * c.capacity, 3.0 * c.capacity)
        self._window, self._demand = window, demand
        self._hotness = dm.hotness_class(np.log(np.maximum(demand, 1.0)), np.maximum(c.capacity, 1))

    def events(self, start: int = 0) -> Iterator[LiveSale]:
        """Yield the events from a number on, until everything is sold out.

        Earlier ones are counted and not made.
        """
        number, second, quiet_s = self._plan.first, 0, 0
        while quiet_s < _QUIET_S:
            offset, concert, quantity, kind, seed = self._orders(second)
            count = len(offset)
            if number + count > start:
                texts = self._encoded(second, offset, concert, quantity, kind, number, seed)
                for i in range(max(start - number, 0), count):
                    key = self._concerts.ids[concert[i]]
                    defect = DEFECTS[kind[i] - 1] if kind[i] else ""
                    yield LiveSale(number + i, second + float(offset[i]), key, texts[i], defect)
            number, second = number + count, second + 1
            quiet_s = 0 if count else quiet_s + 1
        self.is_over = True

    def world_time(self, due_s: float) -> float:
        """Return the time of the concerts' world at a second of the stream."""
        return self._plan.started_at + due_s * (self._plan.speed or 1.0)

    def intensity(self, now: float) -> Floats:
        """Return each concert's orders in a second of its world."""
        c = self._concerts
        share = np.clip((now - c.on_sale_at) / self._window, 0.0, 1.0)
        density = np.zeros(len(c.ids))
        for index in range(len(dm.HOTNESS_CLASSES)):
            mine = self._hotness == index
            slope, spike = _density(index)
            density[mine] = np.interp(share[mine], _GRID, slope) / self._window[mine]
            until = c.on_sale_at - now
            presale = mine & (until > DAY_S) & (until <= 3 * DAY_S)
            density[presale] = PRESALE * spike / (2 * DAY_S)
            density[mine & (until > 0) & ~presale] = 0.0
        density[(now >= c.starts_at) | (self._left == 0)] = 0.0
        if self._opens >= 0:
            density[self._opens] = 0.0  # `rush` has it
        day, second = divmod(int(now), DAY_S)
        season = HOURS[second // 3600] * WEEKDAYS[(day + 3) % 7]
        return np.asarray(np.minimum(self._demand * density / _ORDER * season, ADMITTED))

    def _orders(self, second: int) -> tuple[Floats, Ints, Ints, Ints, int]:
        """Return the offset, concert, quantity and defect (0 for none) of a second's events."""
        plan = self._plan
        rng = stream(plan.seed, STREAM_LIVE, (plan.first << 24) + second)
        weight = self.intensity(self.world_time(second))
        total = float(weight.sum())
        if plan.speed:
            usual = int(rng.poisson(total * plan.speed))
        else:
            usual = int(plan.rate * (second + 1)) - int(plan.rate * second) if total else 0
        rush = int(rng.poisson(rush_rate(second - OPENS_AFTER_S))) if self._opens >= 0 else 0
        offset = np.concatenate([(np.arange(usual) + 0.5) / max(usual, 1), rng.random(rush)])
        drawn = np.searchsorted(np.cumsum(weight), rng.random(usual) * total, side="right")
        drawn = np.minimum(drawn, len(weight) - 1)
        concert = np.concatenate([drawn, np.full(rush, self._opens)]).astype(np.int64)
        in_order = np.argsort(offset, kind="stable")
        offset, concert = offset[in_order], concert[in_order]
        count = usual + rush
        size = ORDER_SIZES[rng.integers(0, len(ORDER_SIZES), count)]
        is_defect = rng.random(count) < plan.defect_rate
        kind = np.where(is_defect, rng.integers(1, len(DEFECTS) + 1, count), 0)
        counted = (kind == 0) | _is(kind, "late")
        quantity = self._sell(concert, np.where(counted, size, 0))
        kept = ~counted | (quantity > 0)
        self.refused += int(count - kept.sum())
        quantity = np.where(counted, quantity, size)[kept]
        concert, kind = _with_copies(concert[kept], kind[kept])
        return offset[kept], concert, quantity, kind, int(rng.integers(1 << 62))

    def _sell(self, concert: Ints, size: Ints) -> Ints:
        """Return the tickets each order gets, in turn, and take them from what is left."""
        by = np.argsort(concert, kind="stable")
        of, running = concert[by], np.cumsum(size[by])
        begins = np.flatnonzero(np.diff(of, prepend=-1))
        before = np.repeat(running[begins] - size[by][begins], np.diff([*begins, len(of)]))
        reached = np.minimum(running - before, self._left[of])
        got = np.diff(reached, prepend=0)
        got[begins] = reached[begins]
        np.subtract.at(self._left, of, got)
        quantity = np.empty_like(size)
        quantity[by] = got
        return quantity

    def _encoded(
        self, second: int, offset: Floats, concert: Ints, quantity: Ints, kind: Ints, number: int,
        seed: int,
    ) -> list[bytes]:  # fmt: skip
        """Return the events' bytes. `sent_at` is the seller's clock, in the concerts' world."""
        c, count = self._concerts, len(offset)
        rng = np.random.Generator(np.random.PCG64DXSM(seed))
        tier, channel = TIERS.draw(rng, count), CHANNELS.draw(rng, count)
        percent = np.array([p for _, _, p in dm.TICKET_TIERS])[tier]
        cents = c.price_cents[concert] * percent // 100
        sent = self._plan.started_at * 1000 + np.rint(
            (second + offset) * (self._plan.speed or 1.0) * 1000
        ).astype(np.int64)
        shift = np.where(_is(kind, "late"), -rng.integers(2 * 3600, 30 * 3600, count), 0)
        shift = np.where(_is(kind, "future"), DAY_S, shift)
        bought, stamps = _stamps(sent + shift * 1000), _stamps(sent)
        texts: list[bytes] = []
        for i in range(count):
            defect = DEFECTS[kind[i] - 1] if kind[i] else ""
            if defect == "duplicate":
                texts.append(texts[-1])
                continue
            tickets = 0 if defect == "no_tickets" else int(quantity[i])
            concert_id = "unknown" if defect == "unknown_concert" else c.ids[concert[i]]
            total = int(cents[i]) * tickets + (defect == "wrong_amount")
            sale = number + i - (defect == "conflict")
            text = (
                f'{{"sale_id":"{ID_PREFIX}{self._plan.seed}-{sale}",'
                f'"concert_id":{json.dumps(concert_id)},"purchased_at":"{bought[i]}Z",'
                f'"quantity":{tickets},"unit_price":{_dollars(int(cents[i]))},'
                f'"total_amount":{_dollars(total)},"ticket_tier":"{TIERS.names[tier[i]]}",'
                f'"sales_channel":"{CHANNELS.names[channel[i]]}","sent_at":"{stamps[i]}Z"}}'
            )
            texts.append(text.encode()[: -9 if defect == "malformed" else None])
        return texts


_GRID: Floats = np.linspace(0.0, 1.0, dm.PURCHASE_TABLE_SIZE)


@cache
def _density(hotness: int) -> tuple[Floats, float]:
    """Return the density of sales over a window, and the share of its first twentieth."""
    curve = dm.purchase_cdf(hotness)
    return np.gradient(curve, _GRID), float(np.interp(0.05, _GRID, curve))


def rush_rate(second: float) -> float:
    """Return the orders a second of an on-sale, by seconds since it opened."""
    if second < 0:
        return 0.0
    fall = max(second - PLATEAU_S, 0.0)
    return float(ADMITTED * (1.0 + fall / FALL_S) ** -FALL)


def hottest(concerts: LiveConcerts, now: int) -> str:
    """Return the concert that is to go on sale: the most popular one that has not yet."""
    c = concerts
    to_come = c.starts_at > now
    waiting = to_come & (c.on_sale_at > now)
    among = np.flatnonzero(waiting if waiting.any() else to_come & (c.sold < c.capacity))
    if not len(among):
        return ""
    return c.ids[int(among[np.lexsort((c.capacity[among], c.popularity[among]))[-1]])]


def _with_copies(concert: Ints, kind: Ints) -> tuple[Ints, Ints]:
    """Let duplicates and conflicts be of the event before them, where that is a good one."""
    is_copy = _is(kind, "duplicate") | _is(kind, "conflict")
    has_good = np.concatenate([[False], kind[:-1] == 0])[: len(kind)]
    concert = np.where(is_copy & has_good, np.roll(concert, 1), concert)
    return concert, np.where(is_copy & ~has_good, 1 + DEFECTS.index("malformed"), kind)


def _is(kind: Ints, defect: str) -> Any:
    return kind == 1 + DEFECTS.index(defect)


def _stamps(ms: Ints) -> list[str]:
    return [str(text) for text in np.datetime_as_string(ms.astype("datetime64[ms]"))]


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
