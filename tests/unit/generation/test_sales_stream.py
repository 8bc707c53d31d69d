"""Live sales: the same plan gives the same events, and the world they happen in has its shape."""

import json
from collections import Counter
from itertools import islice, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain.live_sales import DEFECTS
from src.errors import UsageError
from src.services.generation.sales_stream import (
    OPENS_AFTER_S,
    LiveConcerts,
    LivePlan,
    SalesStream,
    hottest,
    rush_rate,
)

DAY = 86_400
NOW = 1_759_190_400  # 2025-09-30, a Tuesday, 00:00
CONCERTS = 40


def concerts(capacity=5_000, sold=500):
    """Concerts of 40 coming days; the last five are announced, the last one is the most popular."""
    n = np.arange(CONCERTS)
    on_sale = np.where(n < CONCERTS - 5, NOW - 40 * DAY, NOW + (n - CONCERTS + 6) * DAY)
    return LiveConcerts(
        tuple(f"c{i}" for i in n), NOW + (n + 1) * DAY, on_sale, np.full(CONCERTS, 5_050),
        np.full(CONCERTS, capacity), np.where(n < CONCERTS - 5, sold, 0), n.astype(float),
    )  # fmt: skip


def first_s(stream, seconds):
    return list(takewhile(lambda event: event.due_s < seconds, stream.events()))


def plan(**options):
    return LivePlan(**{"seed": 1, "started_at": NOW, "rate": 80.0, "defect_rate": 0.1, **options})


@settings(max_examples=15)
@given(seed=st.integers(0, 2**63 - 1), start=st.integers(0, 300), first=st.integers(0, 10**9),
       rate=st.floats(20, 300), on_sale=st.sampled_from(["", "c39"]))  # fmt: skip
def test_an_event_is_a_function_of_the_plan_and_its_number(seed, start, first, rate, on_sale):
    options = plan(seed=seed, first=first, rate=rate, on_sale=on_sale)
    whole = list(islice(SalesStream(concerts(), options).events(), 360))
    later = list(islice(SalesStream(concerts(), options).events(first + start), 60))
    assert later == whole[start : start + 60]
    assert [event.number for event in whole] == list(range(first, first + 360))
    assert [e.due_s for e in whole] == sorted(e.due_s for e in whole)


def test_another_seed_gives_other_events():
    one, other = (first_s(SalesStream(concerts(), plan(seed=seed)), 2) for seed in (1, 2))
    assert not {event.data for event in one} & {event.data for event in other}


def test_sales_are_of_the_batch_and_defects_are_what_the_ledger_calls_them():
    events = first_s(SalesStream(concerts(), plan()), 60)
    assert len(events) == pytest.approx(4_800, rel=0.01)
    kinds = Counter(event.defect for event in events)
    assert set(kinds) == {"", *DEFECTS} and 0.85 < kinds[""] / len(events) < 0.95
    seen = {}
    for event in events:
        if event.defect == "malformed":
            with pytest.raises(ValueError, match="."):
                json.loads(event.data)
            continue
        sale = json.loads(event.data)
        cents = round(sale["unit_price"] * 100) * sale["quantity"]
        is_right = {
            "no_tickets": sale["quantity"] == 0,
            "unknown_concert": sale["concert_id"] == "unknown",
            "wrong_amount": round(sale["total_amount"] * 100) == cents + 1,
            "late": sale["purchased_at"] < sale["sent_at"],
            "future": sale["purchased_at"] > sale["sent_at"],
            "duplicate": seen.get(sale["sale_id"]) == event.data,
            "conflict": seen.get(sale["sale_id"], event.data) != event.data,
        }
        assert {name for name, found in is_right.items() if found} <= {event.defect}
        assert is_right.get(event.defect, True)
        if event.defect not in ("unknown_concert", "duplicate"):
            assert sale["concert_id"] == event.concert_id
        assert sale["sale_id"].startswith("live-")
        seen.setdefault(sale["sale_id"], event.data)


@settings(max_examples=10)
@given(capacity=st.integers(1, 400), sold=st.integers(0, 500))
def test_sales_stop_when_a_concert_is_sold_out(capacity, sold):
    stream = SalesStream(concerts(capacity, sold), plan(on_sale="c39"))
    tickets = Counter()
    for event in first_s(stream, 25):
        if event.defect in ("", "late"):
            tickets[event.concert_id] += json.loads(event.data)["quantity"]
    left = {f"c{i}": max(capacity - (sold if i < CONCERTS - 5 else 0), 0) for i in range(CONCERTS)}
    assert all(count <= left[concert] for concert, count in tickets.items())
    assert tickets["c39"] == left["c39"] and stream.refused > 0


def test_a_concert_that_goes_on_sale_has_a_plateau_and_a_fall():
    stream = SalesStream(concerts(10**6), plan(on_sale="c39", rate=10, defect_rate=0))
    seconds = Counter(int(e.due_s) for e in first_s(stream, 60) if e.concert_id == "c39")
    assert min(seconds) == OPENS_AFTER_S
    plateau = [seconds[s] for s in range(OPENS_AFTER_S, OPENS_AFTER_S + 10)]
    assert min(plateau) > 1_000
    assert seconds[30] < 0.6 * min(plateau) and seconds[55] < 0.3 * seconds[30]
    assert rush_rate(-1) == 0


def test_each_curve_of_the_world_has_its_effect():
    stream = SalesStream(concerts(), plan())
    day = NOW + 2 * DAY
    by_hour = [stream.intensity(day + hour * 3_600).sum() for hour in range(24)]
    assert 9 <= int(np.argmax(by_hour)) <= 11 and max(by_hour) > 2 * min(by_hour)
    weekend, thursday = (stream.intensity(NOW + d * DAY + 36_000)[30] for d in (4, 2))
    assert thursday > 1.2 * weekend
    last_week = stream.intensity(NOW + 20 * DAY)[21] / stream.intensity(NOW)[21]
    assert last_week > 2  # c21 is two days from its show
    announced = [stream.intensity(NOW + hours * 3_600)[37] for hours in (10, 58, 73)]
    assert announced[0] > 0  # the presale, from three days to one before
    assert announced[1] == 0 == stream.intensity(NOW - 2 * DAY)[37]
    assert announced[2] > announced[0]  # the on-sale
    assert stream.intensity(NOW + 3 * DAY)[1] == 0  # over


def test_the_worlds_clock_runs_at_a_speed():
    quick, slow = (
        len(first_s(SalesStream(concerts(), plan(speed=speed)), 20)) for speed in (3_600, 900)
    )
    assert quick == pytest.approx(4 * slow, rel=0.6) and slow > 20


def test_the_stream_ends_when_nothing_is_left():
    stream = SalesStream(concerts(10, 10), plan(defect_rate=0))
    assert all(e.concert_id in {f"c{i}" for i in range(35, 40)} for e in stream.events())
    assert stream.is_over


def test_the_hottest_concert_is_the_most_popular_that_is_not_on_sale_yet():
    assert hottest(concerts(), NOW) == "c39"
    assert hottest(concerts(), NOW + 10 * DAY) == "c39"  # all are on sale: the most popular one
    assert hottest(concerts(), NOW + 100 * DAY) == ""
    with pytest.raises(UsageError, match="no concert 'x'"):
        SalesStream(concerts(), plan(on_sale="x"))
