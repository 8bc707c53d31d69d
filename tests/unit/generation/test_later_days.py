"""A later day's world holds the earlier day's: its concerts go on, its sales stay as they were."""

from dataclasses import fields
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import SettingsError, UsageError
from src.services.generation import demand_model as dm
from src.services.generation.concert_world import AS_OF, DAY_S, WorldSize, build_world
from src.services.generation.later_days import WorldClock, world_at
from src.services.synthetic_data_generator import SyntheticDataGenerator
from src.settings import load_settings
from tests.conftest import FolderSink

SIZE = WorldSize(8, 10, 150, 600)
_GROWS = {"tickets_sold", "share_of_window"}
seeds = st.integers(0, 2**31)


def day(number):
    return AS_OF.date() + timedelta(days=number)


def at(days, seed=3, size=SIZE, since=None):
    clock = WorldClock(day(days), None if since is None else day(since))
    return SyntheticDataGenerator(size, seed=seed, defect_rate=0.0, clock=clock)


def rows(generator, table):
    return pa.concat_tables(generator.blocks(table)).to_pydict()


def test_the_first_day_is_the_world_without_a_clock():
    without = SyntheticDataGenerator(SIZE, seed=3, defect_rate=0.0)
    for table in ("concerts", "ticket_sales"):
        assert rows(at(0), table) == rows(without, table)


@given(seeds, st.integers(0, 60), st.integers(1, 60))
@settings(max_examples=8)
def test_what_an_earlier_day_holds_is_in_the_later_one(seed, earlier, more):
    before, after = at(earlier, seed), at(earlier + more, seed)
    for table in ("artists", "venues", "ticket_sales"):
        old, new = rows(before, table), rows(after, table)
        assert {name: values[: len(old[name])] for name, values in new.items()} == old
    old, new = before.world.concerts, after.world.concerts
    many = len(old.starts_at)
    assert len(new.starts_at) >= many
    for field in fields(old):
        was, became = getattr(old, field.name), getattr(new, field.name)[:many]
        assert np.array_equal(was, became) or field.name in _GROWS, field.name
    assert (new.tickets_sold[:many] >= old.tickets_sold).all()
    assert (after.world.status()[:many] <= before.world.status()).all()  # announced, on sale, over


@given(seeds, st.integers(1, 90))
@settings(max_examples=8)
def test_every_day_keeps_the_laws_of_the_world(seed, days):
    generator = at(days, seed)
    world, sales = generator.world, rows(generator, "ticket_sales")
    c, concert = world.concerts, np.array(sales["concert_id"]) - 1
    sold = np.bincount(concert, weights=sales["quantity"], minlength=len(c.starts_at))
    assert np.array_equal(sold.astype(int), c.tickets_sold)
    assert (c.tickets_sold <= c.final_sold).all() and (c.final_sold <= c.capacity).all()
    over = world.status() == 0
    assert (c.tickets_sold[over] == c.final_sold[over]).all()
    assert (c.tickets_sold[world.status() == 2] == 0).all()
    bought = np.array(sales["purchased_at"], dtype="datetime64[s]").astype(int)
    assert (bought >= c.on_sale_at[concert]).all() and (bought <= world.as_of).all()
    assert (bought <= c.starts_at[concert]).all() and min(sales["quantity"]) > 0
    assert sales["sale_id"] == list(range(1, generator.rows("ticket_sales") + 1))


@given(seeds, st.integers(0, 40), st.integers(1, 40))
@settings(max_examples=6)
def test_the_changes_are_the_rows_that_the_earlier_data_set_lacks(seed, earlier, more):
    whole, changes = at(earlier + more, seed), at(earlier + more, seed, since=earlier)
    assert rows(changes, "concerts") == rows(whole, "concerts")
    known = at(earlier, seed).rows("ticket_sales")
    expected = {name: values[known:] for name, values in rows(whole, "ticket_sales").items()}
    if changes.rows("ticket_sales"):
        assert rows(changes, "ticket_sales") == expected
    else:
        assert not any(expected.values())


def test_the_world_goes_on_as_it_was_before():
    """As many concerts a day, the same mix, half a year after the calendar's first end."""
    size = WorldSize(1_000, 500, 10_000, 50_000)
    world = world_at(size, 42, WorldClock(day(500)))
    first = build_world(size, 42)
    c, later = world.concerts, slice(10_000, None)
    per_day = 10_000 / ((first.concerts.starts_at.max() - first.concerts.starts_at.min()) / DAY_S)
    over = (c.starts_at > first.concerts.starts_at.max()) & (c.starts_at < world.as_of)
    days = (world.as_of - first.concerts.starts_at.max()) / DAY_S
    assert over.sum() / days == pytest.approx(per_day, rel=0.12)
    assert c.price_cents[later].mean() == pytest.approx(first.concerts.price_cents.mean(), rel=0.1)
    sold_out = c.final_sold == c.capacity
    assert sold_out[over].mean() == pytest.approx(sold_out[:10_000].mean(), abs=0.12)
    month = c.starts_at.astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12 + 1
    for index, tier in enumerate(dm.VENUE_TIERS):
        assert set(month[world.venues.tier[c.venue] == index]) <= set(tier.open_months)


def test_defects_of_the_first_day_keep_their_keys_off_those_of_later_days(tmp_path):
    generator = SyntheticDataGenerator(SIZE, seed=3, defect_rate=0.1, clock=WorldClock(day(9)))
    manifest = generator.export(FolderSink(tmp_path), "json", "x")
    assert manifest.as_of == f"{day(9)}T00:00:00+00:00"
    assert manifest.tables["ticket_sales"].valid_rows == generator.world.rows("ticket_sales")
    assert manifest.defects and manifest.tables["ticket_sales"].valid_rows > SIZE.sales


@pytest.mark.parametrize(
    ("clock", "size", "message"),
    [
        (WorldClock(day(-1)), SIZE, "no generated data of 2025-09-29"),
        (WorldClock(day(1_001)), SIZE, "no generated data of 2028"),
        (WorldClock(day(3), day(3)), SIZE, "is not before --as-of"),
        (WorldClock(day(3)), WorldSize(30, 20, 150, 100), "needs a row of sales for each concert"),
    ],
    ids=["before", "too far", "no change", "few sales"],
)
def test_days_without_data_are_refused(clock, size, message):
    with pytest.raises(UsageError, match=message):
        world_at(size, 1, clock)


@pytest.mark.parametrize("text", ["yesterday", "2025-13-01", "20251007", "2025-10-07T10:00", "7"])
def test_a_day_is_a_date(text):
    with pytest.raises(SettingsError, match="it is not a date"):
        load_settings({"as_of": text}, environ={}, env_file=None)
    assert load_settings({"as_of": str(date(2025, 10, 7))}, environ={}, env_file=None)
