"""Saved is not promoted: what a failed gate, a worse model and other data leave behind."""

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.reporting.terminal.stage_tables import stage_tables
from src.services.demand.censored_demand import CensoredDemand
from src.services.features.row_batch import RowBatch
from src.services.modelling import sales_training
from src.settings import Settings
from tests.conftest import ROOT, Trainer

SCHEMA = json.loads((ROOT / "src/reporting/schemas/training_report.schema.json").read_text())
SALES, VENUES = "ticket_sales_prediction", "venue_popularity"
SIZE = ("--artists", "60", "--venues", "30", "--concerts", "400", "--sales", "2000")


def loaded(folder):
    script = Trainer(folder)
    done = script.run(*SIZE)
    assert done.returncode == 0, done.stderr
    return script


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """Small data with a champion: the script, its training's report and page."""
    script = loaded(tmp_path_factory.mktemp("champion"))
    return script, *train(script)


def train(script, **options):
    chosen = {name: options.pop(name) for name in ("test_size",) if name in options}
    settings = Settings(
        state_dir=str(script.state), report_dir=str(script.folder / "r"),
        output_dir=str(script.folder / "models"), **chosen,
    )  # fmt: skip
    trainer = DemoModelTrainer(settings, **options)
    trainer.run_training_pipeline()
    written = json.loads(Path(trainer.workflow.report_path).read_text())
    jsonschema.validate(written, SCHEMA, format_checker=jsonschema.FormatChecker())
    return written, Path(trainer.workflow.page_path).read_text()


def roles(script):
    """Return the roles and versions that SQL users see in both tables."""
    with DemoModelTrainer(Settings(state_dir=str(script.state))) as trainer:
        return [
            {
                (row["model_version"], row["model_role"])
                for row in trainer.environment.redshift.query(
                    f"SELECT model_version, model_role FROM concert_dw.{table}"
                )
            }
            for table in ("concert_predictions", "venue_rankings")
        ]  # fmt: skip


def marks(report, page):
    """Return which predictions are marked as a candidate's, and its version: on page and screen."""
    (section,) = re.findall(r'<section id="predictions">(.*?)</section>', page, re.DOTALL)
    mark = r"by version (\d+), a candidate that was not promoted"
    shown = [(name, int(n)) for name, n in re.findall(rf"(\w+): \w+ {mark}", section)]
    titles = [table.title for table in stage_tables("predictions", report["steps"]["predictions"],
                                                    report)]  # fmt: skip
    assert [int(n) for t in titles for n in re.findall(mark, t)] == [n for _, n in shown]
    return shown


def test_a_failed_gate_leaves_a_candidate_and_its_marked_predictions(tmp_path, monkeypatch):
    script = loaded(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(sales_training, "MIN_GATED_ROWS", 1)
        patch.setitem(sales_training.GATES, "auc", 1.0)
        report, page = train(script)
    assert report["exit_code"] == 1 and report["verdict"] == "failed"
    assert report["steps"]["predictions"]["status"] == "success"
    sales, venues = report["models"][SALES], report["models"][VENUES]
    assert (sales["status"], sales["saved"], sales["role"]) == ("failed", True, "candidate")
    assert (venues["status"], venues["saved"], venues["role"]) == ("success", True, "champion")
    assert "gate: auc" in report["error"]["where"]
    assert {s["model_role"] for s in report["sample_predictions"]} == {"candidate", "champion"}
    assert roles(script) == [{(1, "candidate")}, {(1, "champion")}]
    assert marks(report, page) == [("Tickets", 1)]
    assert "by candidates (ticket_sales v1)" in report["steps"]["predictions"]["summary"]
    again, _ = train(script, validate_only=True)
    assert again["exit_code"] == 2
    assert "version 1 is a candidate only" in again["error"]["message"]
    assert "gate: auc" in again["error"]["cause"]


def test_a_good_model_is_promoted_and_rechecked_both_ways(champion):
    script, report, page = champion
    assert report["exit_code"] == 0, report["error"]
    assert report["models"][SALES]["role"] == "champion"
    assert (
        marks(report, page) == [] and "candidate" not in report["steps"]["predictions"]["summary"]
    )
    assert roles(script)[0] == {(1, "champion")}
    again, _ = train(script, validate_only=True)
    assert again["exit_code"] == 0, again["error"]
    for model in again["models"].values():
        checks = {check["name"]: check["verdict"] for check in model["checks"]}
        assert checks["golden predictions"] == checks["golden records as rows"] == "passed"
        assert checks["rows the model has not seen"] == "passed"


def test_a_model_worse_than_the_champion_is_not_promoted(champion, monkeypatch):
    """It is worse on rows that neither model learned from; the champion still predicts."""
    learn = CensoredDemand.fit

    def learn_shuffled(rows, random_state):
        chance = np.random.default_rng(1)
        sold = np.where(
            chance.random(len(rows.sold)) < 0.5, chance.permutation(rows.sold), rows.sold
        )
        batch = RowBatch({**rows.rows.columns, "tickets_sold": sold}, rows.rows.rows)
        return learn(replace(rows, rows=batch), random_state)

    with monkeypatch.context() as patch:
        patch.setattr(CensoredDemand, "fit", learn_shuffled)
        patch.setattr(
            sales_training, "baselines",
            lambda train, test: dict.fromkeys("abc", np.zeros(len(test))),
        )  # fmt: skip
        report, _ = train(champion[0])
    compared = report["models"][SALES]["against_previous_champion"]
    assert compared["verdict"] == "worse" and compared["rows"] >= 30
    assert report["models"][SALES]["role"] == "candidate"
    assert "worse than version" in report["models"][SALES]["decision"]
    assert report["exit_code"] == 0
    assert roles(champion[0])[0] == {(1, "champion")}


def test_rows_that_a_champion_learned_from_do_not_judge_it(champion):
    again, _ = train(champion[0], validate_only=True, test_size=0.6)
    checks = {c["name"]: c for c in again["models"][SALES]["checks"]}
    found = checks["rows the model has not seen"]["found"].split(" of ")
    assert int(found[0]) < int(found[1])
    assert again["models"][SALES]["test_metrics"]["rows"] == int(found[0])
