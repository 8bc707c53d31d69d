"""The models on the default data, trained and re-checked as a user does it."""

import doctest
import gzip
import json
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from src.domain.tables import TABLES
from src.errors import ModelError, SavedModelError
from src.local_cloud.local_cloud import LocalCloud
from src.orchestration.environment import DemoEnvironment
from src.orchestration.training import extraction
from src.services.generation.concert_world import WorldSize
from src.services.modelling import sales_training, time_split, venue_training
from src.services.modelling.model_files import read_folder
from src.services.synthetic_data_generator import SyntheticDataGenerator
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
from src.services.venue_popularity_service import VenuePopularityService
from src.settings import Settings
from tests.conftest import ROOT, SMALL, FolderSink, Trainer

SCHEMA = json.loads((ROOT / "src/reporting/schemas/training_report.schema.json").read_text())
GB, RF = "ticket_sales_prediction", "venue_popularity"


def report_of(done):
    report = json.loads(Path(done.stdout.strip()).read_text())
    jsonschema.validate(report, SCHEMA, format_checker=jsonschema.FormatChecker())
    return report


def test_training_succeeds_and_says_so(trained):
    script, done = trained
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    assert report["verdict"] == "succeeded" and report["mode"] == "train"
    assert [m["algorithm"] for m in report["models"].values()] == [
        "RandomForestRegressor", "GradientBoostingRegressor"
    ]  # fmt: skip
    assert [Path(plot).suffix for plot in report["plots"]] == [".svg"] * 4
    for plot in report["plots"]:
        drawing = ElementTree.parse(plot).getroot()
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg" and len(drawing) > 20
        assert "var(" not in Path(plot).read_text()
    for name in ("ticket_sales", "venue_popularity"):
        card = (script.folder / f"models/{name}/1/model_card.md").read_text()
        assert "## Limits" in card and "| this model |" in card


# The documented shapes, word for word. A report may have more keys.
CONTRACT = """
{"pipeline_start": "2025-01-15T10:30:00", "pipeline_end": "...", "steps": {"s3_buckets": {"status": "success"},
  "data_generation": {"status": "success", "counts": {"artists": 1000, "venues": 500, "concerts": 10000, "ticket_sales": 50000}},
  "redshift_load": {"status": "success"}, "data_verification": {"status": "success"}}}
{"training_start": "...", "training_end": "...", "models": {
  "venue_popularity": {"algorithm": "RandomForestRegressor", "test_metrics": {"mae": 6.12, "rmse": 8.67, "r2": 0.85}, "status": "success"},
  "ticket_sales_prediction": {"algorithm": "GradientBoostingRegressor", "test_metrics": {"mae": 278.4, "rmse": 389.1, "r2": 0.74}, "status": "success"}}}
"""  # noqa: E501


def assert_keeps(documented, found, at=""):
    """Each documented key is there with its type; words and counts are equal, times parse."""
    assert type(found) is type(documented), at
    if isinstance(documented, dict):
        for key, value in documented.items():
            assert key in found, f"{at}.{key}"
            assert_keeps(value, found[key], f"{at}.{key}")
    elif at.endswith(("_start", "_end")):
        assert datetime.fromisoformat(found)
    elif not isinstance(documented, float):
        assert found == documented, at


def test_both_reports_keep_the_documented_contract(loaded, trained):
    reports = {}
    for done in (loaded[1], trained[1]):
        report = json.loads(Path(done.stdout.strip()).read_text())
        reports[report["report"]] = report
    pipeline, training = CONTRACT.strip().split("\n{")
    assert_keeps(json.loads(pipeline), reports["pipeline"])
    assert_keeps(json.loads("{" + training), reports["training"])
    assert {step["status"] for step in reports["training"]["steps"].values()} == {"success"}
    assert all(model["saved"] is True for model in reports["training"]["models"].values())


def test_the_sales_model_is_near_the_ceiling_and_not_above_it(trained):
    model = report_of(trained[1])["models"][GB]
    assert model["ceiling"]["share_of_columns_ceiling"] >= 0.97
    assert model["ceiling"]["is_leak"] is False
    assert model["test_metrics"]["r2"] <= model["ceiling"]["r2_oracle_expected"] + 0.03


def test_both_models_beat_their_baselines_beyond_chance(trained):
    models = report_of(trained[1])["models"]
    assert len(models[GB]["baselines"]) >= 3
    for model in models.values():
        for name, baseline in model["baselines"].items():
            assert baseline["model_is"]["verdict"] == "better", name
            assert baseline["model_is"]["interval_95"][0] > 0


def test_the_calibration_gates_hold(trained):
    model = report_of(trained[1])["models"][GB]
    assert {gate["verdict"] for gate in model["gates"].values()} == {"passed"}
    assert 0.87 <= model["intervals"]["coverage"] <= 0.93
    assert min(model["intervals"]["by_capacity_quartile"]) >= 0.85
    assert model["confidence"]["ece"] <= 0.05 and model["confidence"]["auc"] > 0.6


def test_importance_finds_what_drives_demand_and_what_does_not(trained):
    table = report_of(trained[1])["models"][GB]["importance"]
    found = {row["feature"]: row for row in table}
    for name in ("artist popularity", "artist's earlier shows", "venue size"):
        assert not found[name]["is_zero"], name
    assert found["competition"]["mean"] < 0.002  # of no effect in the generated data


def test_the_leaderboard_holds_the_challengers(trained):
    board = report_of(trained[1])["models"][GB]["leaderboard"]
    names = {row["model"] for row in board}
    assert {
        "GradientBoosting (this model)",
        "HistGradientBoosting-Poisson",
        "Dummy (mean)",
    } <= names


def test_scenarios_have_intervals_confidence_and_reasons(trained):
    samples = report_of(trained[1])["sample_predictions"]
    titles = [sample["scenario"] for sample in samples]
    assert {"what if: price +20 %", "what if: the fullest venue were twice the size"} <= set(titles)
    for sample in samples:
        low, high = sample["interval"]
        assert low <= sample.get("expected_tickets", sample.get("forecast")) <= high
        assert len(sample.get("moved_by", [1, 2, 3])) == 3
    by_title = {sample["scenario"]: sample for sample in samples}
    dearer, cheaper = by_title["what if: price +20 %"], by_title["what if: price -20 %"]
    assert dearer["expected_tickets"] <= cheaper["expected_tickets"]
    larger = by_title["what if: the fullest venue were twice the size"]
    assert larger["expected_tickets"] > larger["instead_of_tickets"]
    middling = by_title["coming: a middling concert"]
    tickets = [one["tickets"] for one in middling["price_curve"]]
    assert len(tickets) == 11 and tickets == sorted(tickets, reverse=True)
    full = [one["probability"] for one in middling["full_by"]]
    assert full == sorted(full) and full[-1] == pytest.approx(middling["sell_out"], abs=1e-3)
    surest = by_title["coming: the surest prediction"]
    low, high = surest["interval"]
    assert high - low < 0.5 * surest["expected_tickets"]


def test_sql_users_see_the_predictions(trained):
    script, done = trained
    written = report_of(done)["steps"]["predictions"]["written"]
    with LocalCloud(script.state) as cloud:
        opened = closing(cloud.connect_redshift())
        with opened as connection, connection.cursor() as cursor:
            for table, rows in written.items():
                cursor.execute(f"SELECT COUNT(*) FROM concert_dw.{table}")
                assert cursor.fetchone() == (rows,)
            cursor.execute(
                "SELECT COUNT(*) FROM concert_dw.concert_predictions p "
                "JOIN concert_dw.concerts c ON c.concert_id = p.concert_id "
                "WHERE c.status = 'completed' OR p.low_tickets > p.high_tickets"
            )
            assert cursor.fetchone() == (0,)


def test_validate_only_rechecks_and_writes_nothing(trained):
    script, _ = trained
    models = script.state / "s3/concert-demo-processed/models"
    before = {p: p.stat().st_mtime_ns for p in models.rglob("*")}
    done = script.train("--validate-only")
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    assert report["mode"] == "validate"
    assert {m["status"] for m in report["models"].values()} == {"success"}
    assert {p: p.stat().st_mtime_ns for p in models.rglob("*")} == before


def test_a_champion_that_was_tampered_with_or_is_not_there_is_refused(trained, tmp_path):
    script = Trainer(tmp_path)
    shutil.copytree(trained[0].state / "s3", script.state / "s3")
    assert script.run("--skip-generation").returncode == 0
    models = script.state / "s3/concert-demo-processed/models"
    newest = max((models / "ticket_sales/versions").iterdir(), key=lambda p: int(p.name))
    with (newest / "trees.skops").open("ab") as file:
        file.write(b"!")
    done = script.train("--validate-only")
    assert done.returncode == 2
    assert "trees.skops has changed since it was saved" in done.stderr
    assert "Traceback" not in done.stderr
    shutil.rmtree(models)
    done = script.train("--validate-only")
    assert done.returncode == 2 and "there is no saved ticket_sales model" in done.stderr


# -- what cannot be trained ------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    script = Trainer(tmp_path_factory.mktemp("small"))
    assert script.run(*SMALL).returncode == 0
    return script


def test_too_few_concerts_says_how_many_and_what_makes_them(small):
    done = small.train()
    assert done.returncode == 1
    assert "training needs" in done.stderr or "too little history" in done.stderr
    assert "try:   python run_demo_pipeline.py" in done.stderr
    assert report_of(done)["verdict"] == "failed"


def test_an_empty_warehouse(tmp_path):
    done = Trainer(tmp_path).train()
    assert done.returncode == 1 and "no concert in the warehouse" in done.stderr
    assert f"the local cloud in {tmp_path / '.demo'}" in done.stderr


def with_required_columns(folder, optional=()):
    """Load own data that has the required columns alone, and perhaps some more."""
    raw, own = folder / "raw", folder / "in"
    size = WorldSize(200, 100, 2_000, 10_000)
    SyntheticDataGenerator(size, defect_rate=0).export(FolderSink(raw), "json", "x")
    own.mkdir()
    for spec in TABLES:
        names = {*spec.required_names, *optional}
        rows = [
            json.loads(line)
            for part in (raw / spec.name).glob("*.json.gz")
            for line in gzip.open(part, "rt")
        ]
        lines = [json.dumps({k: v for k, v in row.items() if k in names}) for row in rows]
        (own / f"{spec.name}.jsonl").write_text("\n".join(lines))
    script = Trainer(folder)
    assert script.run("--input-dir", str(own)).returncode == 0
    return script


@pytest.fixture(scope="module")
def trained_on_own_data(tmp_path_factory):
    script = with_required_columns(tmp_path_factory.mktemp("own"), optional=["capacity"])
    return script, script.train()


def test_own_data_with_the_required_columns_alone(trained_on_own_data):
    _, done = trained_on_own_data
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    assert report["has_ground_truth"] is False
    assert "ceiling" not in report["models"][GB]


def test_own_data_without_a_capacity_cannot_be_trained_on(tmp_path):
    done = with_required_columns(tmp_path).train()
    assert done.returncode == 1
    assert "all 2,000 concerts are at venues of unknown capacity" in done.stderr


def test_same_state_same_metrics_and_the_versions_are_indistinguishable(trained_on_own_data):
    script, first = trained_on_own_data
    cold = script.command(
        "--output-dir", str(script.folder / "models"), name="train_demo_models.py"
    )
    again = report_of(script.run_cold(cold))  # its sets and texts have another order
    for name, model in report_of(first)["models"].items():
        assert again["models"][name]["test_metrics"] == model["test_metrics"]
    compared = again["models"][GB]["against_previous_champion"]
    assert compared["verdict"] == "indistinguishable" and compared["mae_difference"] == 0
    assert again["models"][GB]["role"] == "candidate"  # no better, and of the same data
    assert "of the same data" in again["models"][GB]["decision"]


def test_a_planted_leak_is_caught(trained):
    settings = Settings(state_dir=str(trained[0].state))
    with DemoEnvironment(settings, needs_glue=False) as environment:
        concerts = extraction.extract_concerts(environment, "leak", None)
        truth = extraction.ground_truth(environment, extraction.newest_load(environment))
    rows = time_split.completed(concerts)
    noise = np.random.default_rng(0).normal(0, 0.01, len(rows))
    rows["utilisation"] = rows["tickets_sold"] / rows["capacity"] + noise
    split = time_split.split_by_time(rows, 0.2)
    with pytest.raises(ModelError, match="a feature leaks the target") as caught:
        sales_training.train_sales_model(
            split, truth, random_state=1, coverage=0.9, extra=("utilisation",)
        )
    assert caught.value.facts["ceiling"]["gain_in_standard_errors"] > 3


def test_history_stops_strictly_before_the_concert_goes_on_sale(trained):
    settings = Settings(state_dir=str(trained[0].state))
    with DemoEnvironment(settings, needs_glue=False) as environment:
        concerts = extraction.extract_concerts(environment, "history", None)
    by_artist = dict(list(concerts.groupby("artist_id")))
    for _, row in concerts.sample(60, random_state=1).iterrows():
        own = by_artist[row["artist_id"]]
        before = own[own["starts_at"] < row["on_sale_at"]]
        assert row["artist_prior_shows"] == len(before)
        if len(before):
            share = (before["tickets_sold"] / before["capacity"]).mean()
            assert row["artist_prior_sell_through"] == pytest.approx(share)


def test_splits_are_in_time_order(trained):
    settings = Settings(state_dir=str(trained[0].state))
    with DemoEnvironment(settings, needs_glue=False) as environment:
        rows = time_split.completed(extraction.extract_concerts(environment, "split", None))
    split = time_split.split_by_time(rows, 0.2)
    assert split.train["starts_at"].max() <= split.calibration["starts_at"].min()
    assert split.calibration["starts_at"].max() <= split.test["starts_at"].min()
    assert len(split.test) == round(len(rows) * 0.2)
    with pytest.raises(ModelError, match="too few"):
        time_split.split_by_time(rows, 0.999)


@pytest.mark.parametrize("method", ["predict", "rank"])
def test_the_examples_in_the_docstrings_run(trained, monkeypatch, method):
    settings = Settings(state_dir=str(trained[0].state))
    with DemoEnvironment(settings, needs_glue=False) as environment:
        quarters = extraction.extract_venue_quarters(environment, "doc")
        as_of = extraction.newest_load(environment).as_of
    service = TicketSalesPredictionService if method == "predict" else VenuePopularityService
    monkeypatch.chdir(trained[0].folder)
    panel = venue_training.finished_panel(quarters, as_of)
    finder = doctest.DocTestFinder()
    (example,) = [
        e for e in finder.find(service, globs={"panel": panel}) if e.name.endswith(f".{method}")
    ]
    assert example.examples
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0


def test_a_local_copy_that_was_touched_is_refused(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained[0].folder / "models/ticket_sales/1", copy)
    assert read_folder(copy)
    (copy / "state.json").write_bytes(b"{}")
    with pytest.raises(SavedModelError, match=r"state\.json has changed"):
        read_folder(copy)
    with pytest.raises(SavedModelError, match="no whole saved model"):
        read_folder(tmp_path / "nope")
