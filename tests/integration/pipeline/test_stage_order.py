"""Stages called one by one from Python: another load, other settings, and what to call then."""

import json
from contextlib import closing
from dataclasses import replace

import jsonschema
import pytest

from src.errors import UsageError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.orchestration.training import extraction
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.settings import Settings
from tests.conftest import ROOT

TRAINING = ("extract_venue_training_data", "prepare_venue_features",
            "extract_ticket_sales_training_data", "prepare_ticket_sales_features",
            "train_venue_popularity_model", "train_ticket_sales_model", "save_models")  # fmt: skip
JUDGED = ("generate_sample_predictions", "judge_models", "validate_saved_models")
LOADING = ("ensure_s3_buckets", "generate_and_upload_data", "run_glue_etl_jobs",
           "load_data_to_redshift")  # fmt: skip
SMALL = {"artists": 60, "venues": 20, "concerts": 400, "sales": 1600}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("order")
    return Settings(
        state_dir=str(folder / ".demo"), report_dir=str(folder / "r"),
        output_dir=str(folder / "models"), etl="direct", **SMALL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def environment(settings):
    with DemoEnvironment(settings) as environment:
        yield environment


def loaded(settings, environment, methods=LOADING, **changes):
    orchestrator = DemoPipelineOrchestrator(replace(settings, **changes), environment=environment)
    for method in methods:
        getattr(orchestrator, method)()
    return orchestrator


def predictions(environment):
    return environment.redshift.query("SELECT * FROM concert_dw.concert_predictions ORDER BY 1")


def test_no_stage_goes_on_with_another_loads_data(settings, environment):
    """The warehouse is loaded after save_models(), also with the same data again."""
    loaded(settings, environment, seed=8)
    trainer = DemoModelTrainer(settings, environment=environment)
    for seed in (9, 9):
        for method in TRAINING:
            getattr(trainer, method)()
        before = predictions(environment)
        loaded(settings, environment, seed=seed)
        for method in (*TRAINING[1:], *JUDGED):
            with pytest.raises(UsageError, match="the warehouse was loaded again"):
                getattr(trainer, method)()
        assert predictions(environment) == before
    for method in (*TRAINING, "generate_sample_predictions"):
        getattr(trainer, method)()
    known = environment.redshift.query_value(
        "SELECT COUNT(*) FROM concert_dw.concert_predictions p "
        "JOIN concert_dw.concerts c ON c.concert_id = p.concert_id AND c.starts_at = p.starts_at"
    )
    assert known == len(predictions(environment)) > 0


def test_what_a_stage_reads_is_of_one_moment(settings, environment, monkeypatch):
    """Sales that go between two of its reads are in both, as those of a stream would be."""
    loaded(settings, environment, seed=14)
    trainer = DemoModelTrainer(settings, environment=environment)
    bookings = extraction.extract_bookings

    def meanwhile(*arguments):
        with closing(environment.local_cloud.connect_redshift()) as other:
            with other.cursor() as cursor:
                cursor.execute("DELETE FROM concert_dw.ticket_sales")
            other.commit()
        return bookings(*arguments)

    monkeypatch.setattr(extraction, "extract_bookings", meanwhile)
    trainer.extract_venue_training_data()
    trainer.prepare_venue_features()
    trainer.extract_ticket_sales_training_data()
    assert environment.redshift.row_count("concert_dw", "ticket_sales") == 0
    assert len(trainer.bookings) > 0


def test_the_report_of_stages_called_one_by_one(settings, environment):
    orchestrator = loaded(settings, environment, seed=10)
    found = orchestrator.generate_summary_report()
    statuses = {name: step["status"] for name, step in found["steps"].items()}
    assert statuses == {
        "s3_buckets": "success", "data_generation": "success", "glue_etl": "skipped",
        "redshift_load": "success", "data_verification": "not_run",
    }  # fmt: skip
    orchestrator.verify_data_quality()
    found = orchestrator.generate_summary_report()
    assert found["steps"]["data_verification"]["status"] == "success"
    assert found["verdict"] == "succeeded"
    schema = json.loads((ROOT / "src/reporting/schemas/pipeline_report.schema.json").read_text())
    jsonschema.validate(json.loads(orchestrator.workflow.report_path.read_text()), schema)


def test_a_verification_is_of_ones_own_load_only(settings, environment):
    first = loaded(settings, environment, seed=11)
    second = loaded(settings, environment, seed=12)
    with pytest.raises(UsageError, match="loaded again") as caught:
        first.verify_data_quality()
    assert "call load_data_to_redshift() again" in caught.value.hint
    assert first.workflow.run_id in caught.value.cause
    assert first.generate_summary_report()["verdict"] == "failed"
    second.verify_data_quality()
    first.load_data_to_redshift()
    first.verify_data_quality()
    assert first.generate_summary_report()["verdict"] == "succeeded"
    with pytest.raises(UsageError, match="loaded again"):
        second.verify_data_quality()


@pytest.mark.parametrize("before", range(len(LOADING) + 1))
def test_settings_that_change_between_stages_are_an_error(settings, environment, before):
    orchestrator = loaded(settings, environment, LOADING[:before], seed=13)
    kept = orchestrator.settings
    orchestrator.settings = replace(kept, seed=77)
    for method in (*LOADING, "verify_data_quality"):
        with pytest.raises(UsageError, match="the settings have changed") as caught:
            getattr(orchestrator, method)()
        assert "call ensure_s3_buckets() first" in caught.value.hint
    orchestrator.settings = kept
    for method in (*LOADING[before:], "verify_data_quality"):
        getattr(orchestrator, method)()
