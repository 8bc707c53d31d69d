"""Laws of intervals cut at capacity, and of the line from a probability to a confidence."""

import numpy as np
import pytest

from src.services.demand.sales_distribution import OddsLine, SalesDistribution, one_sided


def many(log_demand, rows=40_000):
    """Shows of one venue of 1,000 seats, and what each sold."""
    law = SalesDistribution(np.full(rows, log_demand), np.full(rows, 0.4), np.full(rows, 1000.0))
    log_demand = np.random.default_rng(3).normal(law.log_demand, law.sd)
    return law, np.minimum(log_demand, np.log(1000.0)), log_demand >= np.log(1000.0)


@pytest.mark.parametrize("log_demand", [4.0, 6.0, 6.5, 7.0, 8.0])
def test_the_least_reach_is_the_one_whose_interval_holds_what_was_sold(log_demand):
    law, log_sold, is_cut = many(log_demand, rows=400)
    least, sold = law.reached(log_sold, is_cut), np.where(is_cut, 1000.0, np.exp(log_sold))
    for reach in np.linspace(0.05, 4.0, 80):
        low, high = law.interval(float(reach))
        is_inside = (sold >= low * (1 - 1e-12)) & (sold <= high * (1 + 1e-12))
        is_near = np.abs(least - reach) < 1e-9
        assert (is_inside == (least <= reach))[~is_near].all()


@pytest.mark.parametrize("log_demand", [4.0, 6.0, 7.0, 7.2])  # the venue is full in 0 to 77 %
def test_venues_that_are_often_full_are_not_covered_more_often(log_demand):
    law, log_sold, is_cut = many(log_demand)
    share = float((law.reached(log_sold, is_cut) <= 1.645).mean())
    assert share == pytest.approx(0.9, abs=0.012)


def test_a_wider_interval_holds_a_narrower_one():
    law, _, _ = many(6.7, rows=1)
    ends = [law.interval(reach) for reach in np.linspace(0.0, 9.0, 100)]
    lows, highs = (np.array([end[side][0] for end in ends]) for side in (0, 1))
    assert (np.diff(lows) <= 0).all() and (np.diff(highs) >= 0).all()


def test_one_end_misses_what_two_ends_miss():
    assert one_sided(1.644854) == pytest.approx(1.281552, abs=1e-5)
    assert one_sided(99.0) > 5


def test_a_line_corrects_what_is_too_sure_and_never_falls():
    rng = np.random.default_rng(1)
    said = rng.uniform(0.01, 0.99, 20_000)
    odds = np.log(said / (1 - said))
    was = 1 / (1 + np.exp(-(0.5 * odds - 0.3)))
    line = OddsLine.fit(said, rng.random(len(said)) < was)
    assert np.abs(line.of(said) - was).max() < 0.02
    opposite = OddsLine.fit(said, rng.random(len(said)) < 1 - said)
    assert opposite.slope == 0.0
    assert np.isfinite(line.of(np.array([0.0, 1.0]))).all()
