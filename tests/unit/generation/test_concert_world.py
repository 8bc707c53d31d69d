"""The world keeps its laws at any size and seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import UsageError
from src.services.generation import demand_model as dm
from src.services.generation.concert_world import AS_OF, WorldSize, build_world, stream


@pytest.fixture(scope="module")
def world():
    return build_world(WorldSize(1000, 500, 10_000, 50_000), 42)


def test_tickets_sold_never_exceed_capacity(world):
    c = world.concerts
    assert (c.tickets_sold <= c.final_sold).all() and (c.final_sold <= c.capacity).all()


def test_rows_are_exactly_as_many_as_asked_and_never_more_than_tickets(world):
    assert world.rows_per_concert.sum() == 50_000
    assert (world.rows_per_concert <= world.concerts.tickets_sold).all()
    assert ((world.rows_per_concert > 0) == (world.concerts.tickets_sold > 0)).all()


def test_completed_concerts_sold_what_they_ever_will(world):
    done = world.status() == 0
    assert (world.concerts.tickets_sold[done] == world.concerts.final_sold[done]).all()
    announced = world.status() == 2
    assert (world.concerts.tickets_sold[announced] == 0).all()
    assert 0.8 < done.mean() < 0.99 and announced.any()


def test_the_top_percent_of_artists_earn_the_published_share(world):
    c = world.concerts
    revenue = np.bincount(c.artist, weights=c.final_sold * c.price_cents, minlength=1000)
    top = np.sort(revenue)[::-1][:10].sum() / revenue.sum()
    assert 0.45 < top < 0.65  # Krueger (2004): 56 % in 2003


def test_some_but_not_most_concerts_sell_out(world):
    share = (world.concerts.final_sold == world.concerts.capacity).mean()
    assert 0.2 < share < 0.5


def test_open_air_houses_play_only_in_their_months(world):
    c = world.concerts
    month = c.starts_at.astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12 + 1
    for index, tier in enumerate(dm.VENUE_TIERS):
        played = month[world.venues.tier[c.venue] == index]
        assert set(played) <= set(tier.open_months), tier.name


def test_realised_tickets_have_the_moments_the_ceiling_is_computed_from(world):
    c, p = world.concerts, world.parameters
    mean, variance = dm.censored_moments(
        c.log_demand + world.artists.hidden[c.artist], p.noise_sd, c.capacity
    )
    assert c.final_sold.sum() == pytest.approx(mean.sum(), rel=0.02)
    residual = c.final_sold - mean
    assert residual.var() == pytest.approx(variance.mean(), rel=0.15)
    realised = 1 - (residual**2).mean() / c.final_sold.var()
    assert realised == pytest.approx(dm.r2_ceiling(mean, variance), abs=0.01)


def test_same_seed_same_world_other_seed_another():
    size = WorldSize(30, 20, 100, 500)
    one, same, other = (build_world(size, s) for s in (1, 1, 2))
    assert (one.concerts.final_sold == same.concerts.final_sold).all()
    assert (one.concerts.price_cents == same.concerts.price_cents).all()
    assert (one.concerts.final_sold != other.concerts.final_sold).any()


def test_streams_of_other_blocks_do_not_matter():
    first = stream(3, 1, 5).random(4)
    stream(3, 1, 4).random(1000)
    assert (stream(3, 1, 5).random(4) == first).all()
    assert (stream(3, 1, 6).random(4) != first).any()


def test_more_rows_than_tickets_is_refused_with_a_size_that_works():
    with pytest.raises(UsageError) as caught:
        build_world(WorldSize(5, 3, 20, 10_000_000), 42)
    assert "more rows than" in caught.value.message
    suggested = int(caught.value.hint.split()[1].rstrip(","))
    build_world(WorldSize(5, 3, suggested, 10_000_000), 42)


@settings(max_examples=60)
@given(
    st.integers(1, 50),
    st.integers(1, 30),
    st.integers(1, 300),
    st.integers(1, 2000),
    st.integers(0, 2**63 - 1),
)
def test_any_size_either_holds_the_laws_or_is_refused_by_name(artists, venues, concerts, sales, s):
    size = WorldSize(artists, venues, concerts, sales)
    try:
        world = build_world(size, s)
    except UsageError as error:
        assert "more rows than" in error.message
        return
    c = world.concerts
    assert world.rows_per_concert.sum() == sales
    assert (world.rows_per_concert <= c.tickets_sold).all()
    assert (c.tickets_sold <= c.capacity).all()
    assert ((world.rows_per_concert > 0) == (c.tickets_sold > 0)).all()
    assert (c.on_sale_at < c.starts_at).all()
    assert world.as_of <= AS_OF.timestamp()
