"""The cycle: its steps in order, what each outcome leads to, and never two at once."""

import json

import pytest

from src.__main__ import COMMANDS
from src.domain.cycle import CYCLE
from src.orchestration.environment import folder_lock
from src.orchestration.operations.cycle import run_cycle
from src.orchestration.operations.cycle_runner import CycleRunner
from src.reporting.terminal.console import Console
from src.settings import Settings

QUIET = Console(quiet=True)
PIPELINE = {"report": "pipeline", "run_id": "p"}


def trained(role="champion", decision="better", **need):
    model = {"role": role, "decision": decision}
    return {"report": "training", "run_id": "t", "steps": {"retraining_need": need},
            "models": {"ticket_sales_prediction": model}}  # fmt: skip


def cycle(answers, **options):
    """Run the cycle on prepared answers; returns the result and the steps that ran."""
    ran = []

    def execute(step):
        ran.append(step.name)
        return answers[step.name].pop(0)

    return run_cycle(execute, QUIET, **options), ran


OK = {"Pipeline": [(0, PIPELINE)], "Deployment": [(0, {})]}


@pytest.mark.parametrize(
    ("report", "outcome", "steps"),
    [
        (trained(), "promoted", ["Pipeline", "Training", "Deployment"]),
        (trained("candidate", "worse than version 1"), "kept", ["Pipeline", "Training"]),
        (trained(is_needed=False, reason="no need"), "not needed", ["Pipeline", "Training"]),
        (trained(is_needed=True, reason="age"), "promoted", ["Pipeline", "Training", "Deployment"]),
    ],
    ids=["better", "worse", "no need", "old"],
)
def test_only_a_promoted_model_is_deployed(report, outcome, steps):
    answers = {name: list(found) for name, found in OK.items()} | {"Training": [(0, report)]}
    result, ran = cycle(answers)
    assert (result.outcome, ran, result.exit_code) == (outcome, steps, 0)
    assert result.why


def test_a_failed_step_ends_the_cycle_with_its_exit_code():
    bad = (2, {"error": {"message": "no space"}, "run_id": "x"})
    result, ran = cycle({"Pipeline": [bad, bad]})
    assert (result.outcome, result.exit_code, ran) == ("failed", 2, ["Pipeline"] * 2)
    assert result.why == "Pipeline: no space"
    result, ran = cycle({"Pipeline": [(0, PIPELINE)], "Training": [(1, {})]})
    assert (result.outcome, result.exit_code, ran) == ("failed", 1, ["Pipeline", "Training"])


def test_the_pipeline_is_tried_again_and_an_interrupted_step_is_not():
    answers = {"Pipeline": [(1, {}), (0, PIPELINE)], "Training": [(0, trained("candidate"))]}
    assert cycle(answers)[0].outcome == "kept"
    result, ran = cycle({"Pipeline": [(130, {})]})
    assert (result.outcome, result.exit_code, ran) == ("interrupted", 130, ["Pipeline"])


def test_a_program_that_is_to_stop_ends_after_the_running_step():
    answers = {"Pipeline": [(0, PIPELINE)], "Training": [(0, trained())]}
    stops = iter([False, True])
    result, ran = cycle(answers, is_stopping=lambda: next(stops))
    assert (result.outcome, ran) == ("interrupted", ["Pipeline"])
    assert "before Training" in result.why


def test_a_second_cycle_is_refused_while_one_runs(tmp_path):
    settings = Settings(state_dir=str(tmp_path / "s"), report_dir=str(tmp_path / "r"))
    inner = CycleRunner(settings, QUIET)

    def execute(step):
        assert inner.run() is None
        return 1, {}

    alerts = []
    result = CycleRunner(settings, QUIET, execute=execute, alert=alerts.append).run()
    assert result.outcome == "failed" and alerts == [result]
    (line,) = (tmp_path / "r/cycles.ndjson").read_text().splitlines()
    assert json.loads(line)["outcome"] == "failed"
    lock = folder_lock(tmp_path / "s", "cycle.lock")
    assert lock.take()
    lock.release()


def test_the_steps_are_commands_of_this_program():
    assert {step.command[0] for step in CYCLE} <= set(COMMANDS)
    assert len({step.name for step in CYCLE}) == len(CYCLE)
