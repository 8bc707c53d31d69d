"""Each curve of the world has the effect it claims, and the ceiling is the true one."""

import numpy as np
import pytest

from src.services.generation import demand_model as dm

P = dm.DemandParameters()


def facts(n=1, **changes):
    base = {
        "popularity": np.full(n, 40.0),
        "genre_effect": np.zeros(n),
        "market_effect": np.zeros(n),
        "month": np.full(n, 4),
        "weekday": np.full(n, 3),
        "price": dm.usual_price(np.full(n, 40.0), P),
        "years": np.zeros(n),
    }
    base.update({name: np.asarray(value) for name, value in changes.items()})
    return dm.ConcertFacts(**base)


def demand(**changes):
    return np.exp(dm.log_demand(facts(**changes), P))


def test_all_twelve_months_differ_from_january_and_july_is_the_peak():
    by_month = np.array([demand(month=[m])[0] for m in range(1, 13)])
    assert by_month.argmax() == 6 and by_month.argmin() == 0
    assert by_month[6] / by_month[0] == pytest.approx(np.exp(0.15 + 0.22))


def test_each_weekday_has_its_own_effect():
    by_day = [demand(weekday=[d])[0] for d in range(7)]
    assert len({round(d, 6) for d in by_day}) == 7
    assert np.argmax(by_day) == 5 and np.argmin(by_day) == 0


def test_doubling_the_price_cuts_demand_by_the_stated_elasticity():
    usual = dm.usual_price(np.array([40.0]), P)
    ratio = demand(price=2 * usual) / demand(price=usual)
    assert ratio[0] == pytest.approx(2**P.elasticity)


@pytest.mark.parametrize("name", ["genre_effect", "market_effect"])
def test_an_additive_effect_multiplies_demand(name):
    assert demand(**{name: [0.3]})[0] / demand()[0] == pytest.approx(np.exp(0.3))


def test_demand_falls_with_rank_as_a_power_law():
    scores = dm.popularity_scores(1000)
    relative = demand(n=1000, popularity=scores, price=dm.usual_price(scores, P))
    # rank 10 against rank 100: a factor of 10^0.62
    assert relative[9] / relative[99] == pytest.approx(10**P.popularity, rel=0.08)


def test_demand_grows_with_the_trend():
    assert demand(years=[1.0])[0] / demand()[0] == pytest.approx(np.exp(P.yearly_trend))


def test_hot_concerts_sell_early_and_cold_ones_late():
    curves = [dm.purchase_cdf(h) for h in range(3)]
    for curve in curves:
        assert curve[0] == 0 and curve[-1] == 1 and (np.diff(curve) >= 0).all()
    tenth = dm.PURCHASE_TABLE_SIZE // 10
    assert curves[0][tenth] < curves[1][tenth] < curves[2][tenth]
    assert curves[0][-tenth] < curves[1][-tenth] < curves[2][-tenth]


def test_the_time_of_a_purchase_is_the_inverse_of_the_curve():
    grid = np.linspace(0.0, 1.0, dm.PURCHASE_TABLE_SIZE)
    for hotness in range(len(dm.HOTNESS_CLASSES)):
        curve = dm.purchase_cdf(hotness)
        edges = np.concatenate([curve, np.nextafter(curve, 0), np.nextafter(curve[:-1], 1)])
        share = np.concatenate([edges, np.linspace(0, 1, 99_991)])
        found = dm.purchase_fraction(np.full(len(share), hotness), share)
        np.testing.assert_array_equal(found, np.interp(share, curve, grid))


def test_moments_agree_with_monte_carlo():
    rng = np.random.default_rng(5)
    log_mean = np.log([30.0, 300.0, 900.0, 3000.0, 5000.0])
    capacity = np.array([100, 250, 1000, 2500, 20_000])
    mean, variance = dm.censored_moments(log_mean, 0.35, capacity)
    draws = 200_000
    noise = rng.normal(0, 0.35, (draws, 5))
    sold = np.minimum(rng.poisson(np.exp(log_mean + noise)), capacity)
    assert mean == pytest.approx(sold.mean(axis=0), rel=0.01)
    assert variance == pytest.approx(sold.var(axis=0), rel=0.03)


def test_no_noise_and_no_limit_gives_plain_poisson():
    mean, variance = dm.censored_moments(np.log([50.0]), 0.0, np.array([10_000]))
    assert mean[0] == pytest.approx(50) and variance[0] == pytest.approx(50)


def test_ceiling_is_one_without_noise_and_zero_without_signal():
    assert dm.r2_ceiling(np.array([1.0, 2.0, 3.0]), np.zeros(3)) == 1.0
    assert dm.r2_ceiling(np.ones(3), np.ones(3)) == 0.0
