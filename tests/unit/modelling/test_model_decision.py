"""Which model becomes the champion, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ModelError
from src.orchestration.training.extraction import LoadFacts, hint_after_failure, hint_for_more
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
    lambda verdict: {"verdict": verdict, "version": 3, "rows": 40},
    VERDICTS | st.just("not compared"),
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
    is_worse = compared is not None and compared["verdict"] == "worse"
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
