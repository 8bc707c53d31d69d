"""The world as Arrow tables of raw records, in blocks, before defects and encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from src.domain.tables import ARTISTS, CONCERTS, TICKET_SALES, VENUES, TableSpec
from src.services.arrays import Floats, Ints
from src.services.encoding import arrow_columns as ac
from src.services.generation import demand_model as dm
from src.services.generation.concert_world import (
    DAY_S,
    STATUS_NAMES,
    STREAM_DAY_ROWS,
    STREAM_SALES,
    Concerts,
    SalesDay,
    World,
    stream,
)

ROWS_PER_BLOCK = 65_536
ORDER_SIZES = np.repeat(np.arange(1, 9), [22, 42, 10, 14, 4, 4, 2, 2])  # tickets an order
_VENUE_NOUNS = {
    "club": ("Club", "Lounge", "Room"),
    "theatre": ("Theatre", "Playhouse", "Ballroom"),
    "hall": ("Hall", "Auditorium", "Music Hall"),
    "amphitheatre": ("Amphitheatre", "Pavilion"),
    "arena": ("Arena", "Center", "Dome"),
    "stadium": ("Stadium", "Field"),
}


def raw_schema(spec: TableSpec) -> pa.Schema:
    """Return the Arrow schema of a table's raw records, as files hold them."""
    kinds = {"key": pa.int64(), "text": pa.string(), "integer": pa.int64(),
             "timestamp": pa.string()}  # fmt: skip
    return pa.schema(
        [
            (c.name, pa.decimal128(c.precision, 2) if c.kind == "decimal" else kinds[c.kind])
            for c in spec.columns
        ]
    )


def artists_table(world: World) -> pa.Table:
    """Return all artists; names are unique."""
    faker = _faker(world.seed)
    size, artists = world.size.artists, world.artists
    names = _unique([_artist_name(faker, i) for i in range(size)])
    return _table(
        ARTISTS,
        ac.integers(np.arange(1, size + 1)),
        ac.texts(names),
        ac.categories(artists.genre, list(dm.GENRES)),
        ac.decimals(np.rint(artists.popularity * 100).astype(np.int64), 5),
        ac.categories(artists.city, [country for _, country, _ in dm.CITIES]),
    )


def venues_table(world: World) -> pa.Table:
    """Return all venues; names are unique."""
    faker = _faker(world.seed + 1)
    tiers = [dm.VENUE_TIERS[i].name for i in world.venues.tier]
    names = []
    for index, tier in enumerate(tiers):
        nouns = _VENUE_NOUNS[tier]
        names.append(f"{faker.last_name()} {nouns[index % len(nouns)]}")
    city = world.venues.city
    return _table(
        VENUES,
        ac.integers(np.arange(1, world.size.venues + 1)),
        ac.texts(_unique(names)),
        ac.categories(city, [name for name, _, _ in dm.CITIES]),
        ac.categories(city, [country for _, country, _ in dm.CITIES]),
        ac.categories(world.venues.tier, [tier.name for tier in dm.VENUE_TIERS]),
        ac.integers(world.venues.capacity),
    )


@dataclass(frozen=True)
class Block:
    """Some rows of a table, which can be made without any others.

    `number` keys the block's random stream; `nth` counts the blocks of its table. `first` and
    `last` (exclusive) are rows, of ticket sales they are concerts; `before` rows come before.
    The sales of a `day` after the first as-of date are a block of their own.
    """

    number: int
    nth: int
    first: int
    last: int
    before: int
    rows: int
    day: int = 0


def blocks_of(world: World, table: str) -> list[Block]:
    """Return the blocks of a table in key order; what they are depends on the world alone."""
    if table == "artists":
        return [Block(0, 0, 0, world.size.artists, 0, world.size.artists)]
    if table == "venues":
        return [Block(0, 0, 0, world.size.venues, 0, world.size.venues)]
    if table == "ticket_sales":
        return _sales_blocks(world)
    concerts = world.rows("concerts")
    starts = range(0, concerts, ROWS_PER_BLOCK)
    ends = [min(start + ROWS_PER_BLOCK, concerts) for start in starts]
    return [
        Block(n, n, start, end, start, end - start)
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _sales_blocks(world: World) -> list[Block]:
    """Blocks of whole concerts; a concert larger than a block is one of its own."""
    ends = np.cumsum(world.rows_per_concert)
    blocks: list[Block] = []
    first, number = 0, 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = int(np.searchsorted(ends, before + ROWS_PER_BLOCK, side="right"))
        last = max(last, first + 1)
        rows = int(ends[last - 1]) - before
        if rows:
            blocks.append(Block(number, len(blocks), first, last, before, rows))
        first, number = last, number + 1
    days = [
        Block(number, len(blocks) + day.number - 1, 0, 0, day.before, rows, day.number)
        for day in world.days
        if (rows := int(day.rows.sum()))
    ]
    if world.sent_days is None:
        return blocks + days
    return [block for block in days if block.day > world.sent_days]


def block_table(world: World, table: str, block: Block) -> pa.Table:
    """Return the valid rows of a block; texts of few kinds are dictionary-encoded."""
    if table == "artists":
        return artists_table(world)
    if table == "venues":
        return venues_table(world)
    if table == "concerts":
        return _concerts_block(world, block)
    if block.day:
        return _day_block(world, world.days[block.day - 1])
    return _sales_block(world, block.number, block.first, block.last, block.before)


def _concerts_block(world: World, block: Block) -> pa.Table:
    c, rows = world.concerts, slice(block.first, block.last)
    return _table(
        CONCERTS,
        ac.integers(np.arange(rows.start + 1, rows.stop + 1)),
        ac.integers(c.artist[rows] + 1),
        ac.integers(c.venue[rows] + 1),
        ac.timestamps(c.starts_at[rows]),
        ac.timestamps(c.on_sale_at[rows]),
        ac.decimals(c.price_cents[rows], 10),
        ac.categories(world.status()[rows], STATUS_NAMES),
        ac.integers(c.tickets_sold[rows]),
    )


def _sales_block(world: World, block: int, first: int, last: int, before: int) -> pa.Table:
    rng = stream(world.seed, STREAM_SALES, block)
    c, counts = world.opening, world.rows_per_concert[first:last]
    concert = np.repeat(np.arange(first, last), counts)
    quantity = _quantities(rng, counts, c.tickets_sold[first:last])
    rows = slice(first, last)
    # Up to the as-of date only the elapsed part of the curve has happened.
    reached = dm.share_sold(c.hotness[rows], c.share_of_window[rows])
    purchased_at = _purchase_times(rng, c, concert, reached[concert - first])
    return _sales_table(rng, world, before, concert, quantity, purchased_at)


def _day_block(world: World, day: SalesDay) -> pa.Table:
    """Return the sales of one day after the first as-of date."""
    rng = stream(world.seed, STREAM_DAY_ROWS, day.number)
    c, ends = world.concerts, day.begins + DAY_S
    concert = np.repeat(day.concerts, day.rows)
    quantity = _quantities(rng, day.rows, day.tickets)
    before, after = (
        dm.share_sold(c.hotness, c.window_at(at))[concert] for at in (day.begins, ends)
    )
    purchased_at = _purchase_times(rng, c, concert, after, since=before)
    first = np.maximum(c.on_sale_at[concert], day.begins)
    last = np.minimum(c.starts_at[concert], ends) - 1
    purchased_at = np.clip(purchased_at, first, np.maximum(first, last))
    return _sales_table(rng, world, day.before, concert, quantity, purchased_at)


def _sales_table(
    rng: np.random.Generator,
    world: World,
    before: int,
    concert: Ints,
    quantity: Ints,
    purchased_at: Ints,
) -> pa.Table:
    tier = TIERS.draw(rng, len(concert))
    channel = CHANNELS.draw(rng, len(concert))
    percent = np.array([p for _, _, p in dm.TICKET_TIERS])[tier]
    unit_cents = world.concerts.price_cents[concert] * percent // 100
    return _table(
        TICKET_SALES,
        ac.integers(np.arange(before + 1, before + len(concert) + 1)),
        ac.integers(concert + 1),
        ac.timestamps(purchased_at),
        ac.integers(quantity),
        ac.decimals(unit_cents, 10),
        ac.decimals(unit_cents * quantity, 14),
        ac.categories(tier, TIERS.names),
        ac.categories(channel, CHANNELS.names),
    )


def _quantities(rng: np.random.Generator, counts: Ints, tickets: Ints) -> Ints:
    """Cut each concert's tickets into its rows: positive whole numbers with that exact sum."""
    weight = ORDER_SIZES[rng.integers(0, len(ORDER_SIZES), int(counts.sum()))]
    used = counts > 0
    starts = (np.cumsum(counts) - counts)[used]
    running = np.cumsum(weight)
    offset = running[starts] - weight[starts]
    within = running - np.repeat(offset, counts[used])
    total = np.add.reduceat(weight, starts)
    extra = np.repeat((tickets - counts)[used], counts[used])
    reached = within * extra // np.repeat(total, counts[used])
    step = np.diff(reached, prepend=0)
    step[starts] = reached[starts]
    return np.asarray(step + 1, dtype=np.int64)


def _purchase_times(
    rng: np.random.Generator, c: Concerts, concert: Ints, reached: Floats, since: Floats | float = 0
) -> Ints:
    """Draw when each row was bought: where its concert's curve rises from `since` to `reached`."""
    share = since + rng.random(len(concert)) * (reached - since)
    fraction = dm.purchase_fraction(c.hotness[concert], share)
    opened = c.on_sale_at[concert]
    span = c.starts_at[concert] - opened
    return np.asarray(opened + (fraction * span).astype(np.int64))


@dataclass(frozen=True)
class _Shares:
    """Names, and how often each is drawn: one `take` from a table of 65,536 codes."""

    names: tuple[str, ...]
    codes: Any

    @classmethod
    def of(cls, names: tuple[str, ...], shares: tuple[float, ...]) -> _Shares:
        edges = np.rint(np.cumsum(shares) / np.sum(shares) * 65_536).astype(np.int64)
        codes = np.searchsorted(edges, np.arange(65_536), side="right")
        return cls(names, codes.astype(np.int8))

    def draw(self, rng: np.random.Generator, count: int) -> Any:
        return self.codes[rng.integers(0, 65_536, count, dtype=np.uint16)]


TIERS = _Shares.of(
    tuple(name for name, _, _ in dm.TICKET_TIERS), tuple(share for _, share, _ in dm.TICKET_TIERS)
)
CHANNELS = _Shares.of(
    tuple(name for name, _ in dm.SALES_CHANNELS), tuple(share for _, share in dm.SALES_CHANNELS)
)


def _table(spec: TableSpec, *columns: pa.Array) -> pa.Table:
    return pa.Table.from_arrays(columns, names=spec.column_names)


def _faker(seed: int) -> Any:
    from faker import Faker

    faker = Faker("en_US")
    faker.seed_instance(seed)
    return faker


def _artist_name(faker: Any, index: int) -> str:
    if index % 3 == 0:
        return f"The {faker.color_name()} {faker.last_name()}s"
    return str(faker.name() if index % 3 == 1 else f"{faker.first_name()} {faker.last_name()}")


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return result


def truth_table(world: World) -> pa.Table:
    """Return the true distribution of each concert's final tickets, and what made it.

    `log_demand` is what the columns show, `hidden` the artist's effect besides. `mean` and
    `variance` see the hidden artist effect; `columns_mean` and `columns_variance` only what the
    columns show.
    """
    c, p = world.concerts, world.parameters
    seen: Floats = c.log_demand
    mean, variance = dm.censored_moments(
        seen + world.artists.hidden[c.artist], p.noise_sd, c.capacity
    )
    blind_sd = float(np.hypot(p.noise_sd, p.hidden_artist_sd))
    columns_mean, columns_variance = dm.censored_moments(seen, blind_sd, c.capacity)
    return pa.table(
        {
            "concert_id": ac.integers(np.arange(1, len(seen) + 1)),
            "mean": ac.floats(mean),
            "variance": ac.floats(variance),
            "columns_mean": ac.floats(columns_mean),
            "columns_variance": ac.floats(columns_variance),
            "log_demand": ac.floats(seen),
            "hidden": ac.floats(world.artists.hidden[c.artist]),
            "noise_sd": ac.floats(np.full(len(seen), p.noise_sd)),
            "hidden_sd": ac.floats(np.full(len(seen), p.hidden_artist_sd)),
        }
    )
