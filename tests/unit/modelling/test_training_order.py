"""The trainer's stages called in any order: an error that says what to call first."""

from dataclasses import replace

import pytest

from src.errors import UsageError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.training import extraction
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.services.modelling import time_split
from src.settings import Settings

NEEDS = {
    "prepare_venue_features": "extract_venue_training_data",
    "extract_ticket_sales_training_data": "extract_venue_training_data",
    "prepare_ticket_sales_features": "extract_ticket_sales_training_data",
    "train_venue_popularity_model": "prepare_venue_features",
    "train_ticket_sales_model": "prepare_ticket_sales_features",
    "save_models": "train_venue_popularity_model",
    "generate_sample_predictions": "save_models",
    "judge_models": "save_models",
    "validate_saved_models": "prepare_ticket_sales_features",
}


@pytest.fixture
def trainer(tmp_path):
    settings = Settings(state_dir=str(tmp_path / ".demo"), report_dir=str(tmp_path / "r"))
    trainer = DemoModelTrainer(settings, environment=DemoEnvironment(settings, needs_glue=False))
    yield trainer
    trainer.close()


@pytest.mark.parametrize(("method", "first"), NEEDS.items())
def test_a_stage_too_early_names_what_to_call_first(trainer, method, first):
    with pytest.raises(UsageError) as caught:
        getattr(trainer, method)()
    assert f"call {first}() first" == caught.value.hint


LATER = [method for method in NEEDS if method != "extract_venue_training_data"]
MADE = ("quarters", "panel", "concerts", "completed", "split", "venue_model", "sales_model",
        "versions", "predictors")  # fmt: skip


@pytest.fixture
def finished(trainer):
    """A trainer that has run every stage; what each made is not looked at here."""
    trainer._extracted_with = trainer.settings
    trainer.load = extraction.LoadFacts("first", None, True, run_id="a")
    for name in MADE:
        setattr(trainer, name, {})
    trainer._environment.is_entered = True  # no server is needed for this
    yield trainer


@pytest.mark.parametrize("method", LATER)
def test_settings_that_changed_between_stages_are_an_error(finished, monkeypatch, method):
    monkeypatch.setattr(extraction, "is_newest", lambda environment, load: True)
    finished.settings = replace(finished.settings, test_size=0.4)
    with pytest.raises(UsageError, match="the settings have changed") as caught:
        getattr(finished, method)()
    assert "call extract_venue_training_data()" in caught.value.hint


@pytest.mark.parametrize("method", LATER)
def test_a_load_between_stages_is_an_error(finished, monkeypatch, method):
    monkeypatch.setattr(extraction, "is_newest", lambda environment, load: load.run_id == "another")
    with pytest.raises(UsageError, match="the warehouse was loaded again") as caught:
        getattr(finished, method)()
    assert "call extract_venue_training_data()" in caught.value.hint


def test_a_stage_that_runs_again_forgets_what_followed_from_it(trainer, monkeypatch):
    import pandas as pd

    trainer._extracted_with = trainer.settings
    trainer.concerts = pd.DataFrame()
    trainer.sales_model = trainer.versions = trainer.predictors = object()
    monkeypatch.setattr(extraction, "is_newest", lambda environment, load: True)
    trainer._environment.is_entered = True  # no server is needed for this
    monkeypatch.setattr(time_split, "completed", lambda rows, until: rows)
    monkeypatch.setattr(time_split, "split_by_time", lambda rows, size: _split(pd))
    trainer.prepare_ticket_sales_features()
    assert trainer.sales_model is None and trainer.versions is None
    with pytest.raises(UsageError, match=r"save_models\(\) has not run"):
        trainer.generate_sample_predictions()


def _split(pd):
    rows = pd.DataFrame({"starts_at": [pd.Timestamp("2025-01-01")]})
    return time_split.TimeSplit(rows, rows, rows)
