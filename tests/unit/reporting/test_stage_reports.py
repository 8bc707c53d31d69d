"""What a report says of stages that were called one by one: no success of what did not run."""

import json

import jsonschema
import pytest

from src.errors import ModelError, UsageError
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.orchestration.workflow import StepOutcome, Workflow
from src.settings import Settings
from tests.conftest import ROOT

OWNERS = {
    "pipeline": (DemoPipelineOrchestrator, "generate_summary_report", "run_pipeline",
                 "verify_data_quality", "data_verification"),
    "training": (DemoModelTrainer, "generate_training_report", "run_training_pipeline",
                 "judge_models", "verdict"),
}  # fmt: skip


@pytest.fixture(params=OWNERS)
def owned(request, tmp_path):
    make, *names = OWNERS[request.param]
    settings = Settings(state_dir=str(tmp_path / ".demo"), report_dir=str(tmp_path / "r"))
    with make(settings) as owner:
        yield owner, request.param, *names


def test_where_nothing_ran_there_is_no_report(owned):
    owner, _, report, whole_run, _, _ = owned
    with pytest.raises(UsageError, match="no stage has run") as caught:
        getattr(owner, report)()
    assert f"call {whole_run}() first" in caught.value.hint
    assert not owner.workflow.report_path.exists()


def test_a_stage_that_raised_is_in_the_report_as_failed(owned):
    owner, kind, report, _, too_early, key = owned
    with pytest.raises(UsageError) as caught:
        getattr(owner, too_early)()
    found = getattr(owner, report)()
    assert (found["verdict"], found["exit_code"]) == ("failed", 2)
    assert found["error"]["message"] == caught.value.message
    statuses = {name: step["status"] for name, step in found["steps"].items()}
    assert statuses.pop(key) == "failed"
    assert set(statuses.values()) == {"not_run"}
    schema = json.loads((ROOT / f"src/reporting/schemas/{kind}_report.schema.json").read_text())
    written = json.loads(owner.workflow.report_path.read_text())
    jsonschema.validate(written, schema, format_checker=jsonschema.FormatChecker())


@pytest.fixture
def workflow(tmp_path):
    return Workflow("training", Settings(report_dir=str(tmp_path)))


def call(workflow, key, error=None):
    def run():
        if error:
            raise error
        return StepOutcome("success", "done")

    return workflow.call(key, lambda: ["a", "b", "c"], run)


def test_the_error_of_a_stage_stands_until_the_stage_succeeds(workflow):
    first, second = UsageError("first"), ModelError("second")
    for key, error in (("a", first), ("b", second)):
        with pytest.raises(type(error)):
            call(workflow, key, error)
    assert (workflow.error, workflow.exit_code) == (second, 1)
    call(workflow, "b")
    assert (workflow.error, workflow.exit_code) == (first, 2)
    call(workflow, "a")
    assert (workflow.error, workflow.exit_code) == (None, 0)
    statuses = [step["status"] for step in workflow.steps.values()]
    assert statuses == ["success", "success", "not_run"]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_no_kind_of_error_leaves_a_stage_that_succeeded(workflow, error):
    with pytest.raises(type(error)):
        call(workflow, "a", error)
    assert workflow.steps["a"]["status"] == "failed" and workflow.exit_code == 2
