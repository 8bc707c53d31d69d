"""Which model becomes the champion, and why."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ModelError
from src.orchestration.training.extraction import LoadFacts, hint_after_failure, hint_for_more
from src.services.model_evaluation_service import ModelEvaluationService
from src.services.modelling.model_decision import (
    decide,
    failed,
    model_checks,
    raise_failed,
    warnings_of,
)
from src.services.modelling.time_split import completed
from tests.unit.modelling.sales_rows import sales_rows

VERDICTS = st.sampled_from(["better", "indistinguishable", "worse"])
GATES = st.sampled_from(["passed", "failed", "skipped"])
FACTS = st.builds(
    lambda gates, baselines, r2: {
        "gates": {f"g{i}": {"expected": "x", "found": 0.5, "verdict": v}
                  for i, v in enumerate(gates)},
        "baselines": {f"b{i}": {"model_is": {"verdict": v}} for i, v in enumerate(baselines)},
        "test_metrics": {"r2": r2},
    },
    st.lists(GATES, max_size=4),
    st.lists(VERDICTS, max_size=4),
    st.floats(-2, 1),
)  # fmt: skip
COMPARED = st.none() | st.builds(
    lambda verdict, more: {"verdict": verdict, "version": 3, "rows": 40, **more},
    VERDICTS | st.just("not compared"),
    st.sampled_from([{}, {"is_same_data": True}, {"is_same_data": False}]),
)
OWN = LoadFacts("d", None, True, is_generated=False)
GENERATED = LoadFacts("d", None, True, is_generated=True)


@given(facts=FACTS, compared=COMPARED)
def test_promoted_is_what_fails_nothing_and_is_not_worse(facts, compared):
    checks = model_checks(facts, 0.9)
    decision = decide(checks, compared)
    gates = [gate["verdict"] for gate in facts["gates"].values()]
    baselines = [one["model_is"]["verdict"] for one in facts["baselines"].values()]
    is_wrong = "failed" in gates or "worse" in baselines or facts["test_metrics"]["r2"] <= 0
    is_worse = compared is not None and (
        compared["verdict"] == "worse"
        or (bool(compared.get("is_same_data")) and compared["verdict"] != "better")
    )
    assert decision.is_promoted == (not is_wrong and not is_worse)
    assert bool(decision.failed) == is_wrong
    assert decision.reason
    if "indistinguishable" in baselines:
        assert warnings_of(checks)


@given(facts=FACTS)
def test_rows_that_the_model_has_seen_judge_nothing(facts):
    checks = model_checks(facts, 0.9, is_unseen=False)
    assert {check.verdict for check in checks} == {"skipped"} and not warnings_of(checks)


@given(facts=FACTS)
def test_gates_are_stated_for_intervals_of_90_percent_only(facts):
    gates = [check for check in model_checks(facts, 0.8) if check.name.startswith("gate")]
    assert not failed(gates)


@given(facts=FACTS)
def test_training_fails_by_the_rule_of_validate_only(facts):
    checks = {"ticket_sales": model_checks(facts, 0.9)}
    for what in ("new models", "saved models"):
        if failed(checks["ticket_sales"]):
            with pytest.raises(ModelError) as caught:
                raise_failed(checks, what, "hint")
            assert caught.value.where and caught.value.cause and caught.value.exit_code == 1
        else:
            raise_failed(checks, what, "hint")


def test_no_hint_replaces_the_users_data_by_generated_data():
    for load in (OWN, None):
        for hint in (hint_after_failure(load), hint_for_more(load)):
            assert "--input-dir DIR --load-mode merge" in hint
    assert "--seed" in hint_after_failure(GENERATED)
    assert hint_for_more(GENERATED) == "python run_demo_pipeline.py"


def test_data_that_is_too_short_names_its_as_of_date():
    import pandas as pd

    rows = sales_rows(50).assign(status="on_sale")
    with pytest.raises(ModelError, match="0 completed concerts") as caught:
        completed(rows, pd.Timestamp("2025-03-10"))
    assert "2025-03-10" in caught.value.cause and "newest purchased_at" in caught.value.cause


def decided(actual, challenger, champion, *, is_same_data, seed):
    """Return whether a challenger without a failed check is promoted, by its errors alone."""
    compared = ModelEvaluationService(seed).compare(actual, challenger, champion)
    more = {"version": 1, "rows": len(actual), "is_same_data": is_same_data}
    return decide([], {**compared, **more}).is_promoted


def rows_of(seed):
    """Return tickets sold and a champion's predictions that explain most of them."""
    draw = np.random.default_rng(seed)
    champion = draw.lognormal(6, 1, 400)
    return champion * draw.lognormal(0, 0.3, 400), champion, draw


def test_a_broken_challenger_is_never_promoted():
    """Its predictions belong to other rows, as of a model trained on shuffled targets."""
    for seed in range(20):
        actual, champion, draw = rows_of(seed)
        shuffled = draw.permutation(champion)
        assert not decided(actual, shuffled, champion, is_same_data=False, seed=seed)


def test_retraining_on_the_same_data_does_not_flap():
    """Ten models that differ from the champion by chance only: one may look better, no more."""
    for start in range(5):
        actual, champion, draw = rows_of(start)
        promoted = [
            decided(actual, champion * draw.lognormal(0, 0.02, 400), champion, is_same_data=True,
                    seed=again)
            for again in range(10)
        ]  # fmt: skip
        assert sum(promoted) <= 1


def test_an_equal_model_of_newer_data_is_promoted_and_a_better_one_of_any():
    actual, champion, _ = rows_of(0)
    assert decided(actual, champion, champion, is_same_data=False, seed=0)
    assert decided(actual, (champion + actual) / 2, champion, is_same_data=True, seed=0)
