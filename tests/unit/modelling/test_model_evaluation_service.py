"""Judging models: the numbers are right, and luck is told from skill."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error

from src.services.model_evaluation_service import ModelEvaluationService, metrics

RNG = np.random.default_rng(3)
ACTUAL = RNG.gamma(2.0, 100.0, 800)
GOOD = ACTUAL + RNG.normal(0, 20, 800)
BAD = ACTUAL + RNG.normal(0, 60, 800)


@pytest.fixture
def service():
    return ModelEvaluationService(1)


def test_metrics_agree_with_scikit_learn():
    found = metrics(ACTUAL, GOOD)
    assert found["mae"] == pytest.approx(mean_absolute_error(ACTUAL, GOOD))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(ACTUAL, GOOD))
    assert found["r2"] == pytest.approx(r2_score(ACTUAL, GOOD))
    assert metrics(ACTUAL, ACTUAL * 1.1)["bias"] == pytest.approx(0.1)


def test_intervals_hold_the_point_and_are_reproducible(service):
    found = service.evaluate(ACTUAL, GOOD)
    for name in ("mae", "rmse", "r2"):
        low, high = found["interval_95"][name]
        assert low < found[name] < high
    assert found == ModelEvaluationService(1).evaluate(ACTUAL, GOOD)


@pytest.mark.parametrize(
    ("candidate", "reference", "verdict"),
    [(GOOD, BAD, "better"), (BAD, GOOD, "worse"), (GOOD, GOOD[::1] + 0.0, "indistinguishable")],
)
def test_two_predictions_are_compared_in_pairs(service, candidate, reference, verdict):
    assert service.compare(ACTUAL, candidate, reference)["verdict"] == verdict


def test_knowing_the_answer_is_a_leak_and_being_good_is_not(service):
    mean = RNG.gamma(2.0, 100.0, 2000)
    actual = RNG.normal(mean, 30)
    variance = np.full(2000, 900.0)
    good = mean + RNG.normal(0, 10, 2000)
    knows = actual + RNG.normal(0, 5, 2000)
    assert not service.beats_ceiling(actual, mean, mean, variance)["is_leak"]
    assert not service.beats_ceiling(actual, good, mean, variance)["is_leak"]
    assert service.beats_ceiling(actual, knows, mean, variance)["is_leak"]


def test_coverage_is_counted_overall_and_where_it_fails(service):
    capacity = np.arange(800.0)
    low, high = ACTUAL - 1, ACTUAL + 1
    low[:100] = ACTUAL[:100] + 0.5  # the smallest half quartile misses
    found = service.calibration(ACTUAL, low, high, capacity)
    assert found["coverage"] == pytest.approx(0.875)
    assert found["by_capacity_quartile"] == pytest.approx([0.5, 1, 1, 1])
    assert found["mean_width"] > 0


def test_honest_confidence_has_a_small_error_and_a_constant_no_skill(service):
    confidence = RNG.uniform(0, 1, 5000)
    hit = RNG.random(5000) < confidence
    found = service.reliability(hit, confidence)
    assert found["ece"] < 0.03
    assert found["auc"] == pytest.approx(roc_auc_score(hit, confidence))
    assert sum(row["rows"] for row in found["table"]) == 5000
    constant = service.reliability(hit, np.full(5000, hit.mean()))
    assert constant["ece"] < 0.01 and constant["auc"] == 0.5


def test_importance_finds_what_matters_and_says_what_does_not(service):
    matrix = RNG.normal(size=(600, 3))
    actual = 5 * matrix[:, 0] + matrix[:, 1]

    def loss(factor, order):
        changed = matrix.copy()
        column = ("a", "b", "noise").index(factor)
        changed[:, column] = matrix[order, column]
        return np.abs(5 * changed[:, 0] + changed[:, 1] - actual).mean()

    found = service.importance(loss, ("a", "b", "noise"), len(matrix))
    assert [row["feature"] for row in found] == ["a", "b", "noise"]
    assert [row["is_zero"] for row in found] == [False, False, True]
