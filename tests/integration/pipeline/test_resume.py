"""--resume: a run that was ended anywhere resumes after its last completed stage."""

import json
import shutil
from pathlib import Path

import pytest

from src.local_cloud.local_cloud import LocalCloud
from src.orchestration.pipeline import demo_pipeline_orchestrator as orchestrator
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.orchestration.pipeline.resuming import unfinished_run
from src.reporting.run_report import run_folders
from src.settings import Settings
from tests.conftest import SMALL, Script
from tests.integration.pipeline.test_pipeline import report_of, warehouse

STEPS = ["s3_buckets", "data_generation", "glue_etl", "redshift_load", "data_verification"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    script = Script(tmp_path_factory.mktemp("finished"))
    done = script.run(*SMALL)
    assert done.returncode == 0, done.stderr
    return script, warehouse(script)


def settings_of(script):
    return Settings(
        artists=40, venues=20, concerts=200, sales=1500, report_dir=str(script.folder / "r"),
        state_dir=str(script.state),
    )  # fmt: skip


class DiedError(BaseException):
    """As kill -9: no code of the run is called."""


def dying(script, monkeypatch, stage):
    """Run up to the end of a stage's work, and die before it is written down."""

    def die(*_):
        raise DiedError

    names = {"data_generation": "generate_and_upload_data", "glue_etl": "run_glue_etl_jobs",
             "redshift_load": "load_data_to_redshift",
             "data_verification": "verify_data_quality"}  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(DemoPipelineOrchestrator, names[stage], die)
        with pytest.raises(DiedError), DemoPipelineOrchestrator(settings_of(script)) as doomed:
            doomed.run_pipeline()


@pytest.mark.parametrize("stage", STEPS[1:])
def test_a_run_that_died_goes_on_behind_its_last_finished_stage(
    finished, hosted, monkeypatch, stage
):
    script = hosted
    dying(script, monkeypatch, stage)
    done = script.run("--resume")
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    at = STEPS.index(stage)
    statuses = [report["steps"][step]["status"] for step in STEPS]
    assert statuses == ["success"] + ["skipped"] * (at - 1) + ["success"] * (5 - at)
    assert report["arguments"]["sales"] == 1500  # the dead run's own, not the default
    for step in STEPS[1:at]:
        assert report["steps"][step]["summary"].startswith("by 20")
    assert "resumes" in done.stderr and warehouse(script) == finished[1]
    rows = report["rows"]["ticket_sales"]
    assert rows["unaccounted"] == 0 and rows["warehouse"] == 1500
    again = script.run("--resume")
    assert again.returncode == 2 and "succeeded" in again.stderr


def test_a_load_that_somebody_replaced_is_done_again(finished, hosted, tmp_path, monkeypatch):
    script = hosted
    dying(script, monkeypatch, "data_verification")
    resumed = unfinished_run(settings_of(script))
    other = script.run("--artists", "40", "--venues", "20", "--concerts", "200", "--sales", "900",
                       "--report-dir", str(tmp_path / "elsewhere"))  # fmt: skip
    assert other.returncode == 0, other.stderr
    with DemoPipelineOrchestrator(resumed.settings, resumed=resumed) as pipeline:
        report = pipeline.run_pipeline()
    assert report["verdict"] == "succeeded", report["error"]
    assert report["steps"]["redshift_load"]["status"] == "success"
    assert report["steps"]["glue_etl"]["status"] == "skipped"
    assert warehouse(script) == finished[1]


def test_nothing_to_resume_says_why(tmp_path, finished):
    script = Script(tmp_path)
    empty = script.run("--resume")
    assert empty.returncode == 2 and "there is no run" in empty.stderr
    shutil.copytree(finished[0].folder / "r", tmp_path / "r", dirs_exist_ok=True)
    done = script.run("--resume")
    assert done.returncode == 2 and "succeeded" in done.stderr
    (run,) = run_folders(tmp_path / "r")
    report = run / "pipeline_report.json"
    failed = json.loads(report.read_text()) | {"verdict": "failed"}  # in its first stage
    report.write_text(json.dumps(failed))
    nothing = script.run("--resume")
    assert nothing.returncode == 2 and "finished no stage" in nothing.stderr
    (run / "progress.json").write_text("{")
    broken = script.run("--resume")
    assert broken.returncode == 2 and "cannot be resumed" in broken.stderr
    (run / "progress.json").write_text(
        json.dumps({"run_id": "x", "steps": {}, "arguments": {
            **Settings().public(), "target": "aws"}})
    )  # fmt: skip
    elsewhere = script.run("--resume")
    assert elsewhere.returncode == 2 and "--resume --target aws" in elsewhere.stderr


def test_progress_holds_no_secret(tmp_path):
    settings = Settings(redshift_password="hush", report_dir=str(tmp_path))
    orchestrator.save_progress(tmp_path, "x", settings, {"a": {"status": "success"}, "b": {}})
    text = Path(tmp_path / "progress.json").read_text()
    assert "hush" not in text and json.loads(text)["steps"] == {"a": {"status": "success"}}


def test_a_refused_run_is_no_run(tmp_path, monkeypatch):
    script = Script(tmp_path)
    dying(script, monkeypatch, "redshift_load")
    runs = [run.name for run in run_folders(tmp_path / "r")]
    with LocalCloud(script.state):
        for options in (SMALL, ["--skip-generation"], ["--resume"]):
            refused = script.run(*options)
            assert refused.returncode == 2 and "holds it" in refused.stderr
    for usage in (["--sales", "x"], ["--input-dir", "nowhere"], ["--etl-engine", "none"]):
        assert script.run(*usage).returncode == 2
    assert [run.name for run in run_folders(tmp_path / "r")] == runs
    # One that stopped in its first stage, too, changed nothing.
    later = tmp_path / "r" / "20990101T000000Z-0000"
    later.mkdir()
    (later / "run.log").touch()
    (later / "pipeline_report.json").write_text(json.dumps({"verdict": "failed"}))
    assert unfinished_run(settings_of(script)).run_id == runs[-1]
    for options in (["--sales", "9"], ["--etl", "glue"], ["--raw-bucket", "other"]):
        own = script.run("--resume", *options)
        assert own.returncode == 2 and "not allowed with --resume" in own.stderr
    plan = script.run("--resume", "--dry-run")
    assert plan.returncode == 0 and f"done by {runs[-1]}" in plan.stderr
    done = script.run("--resume")
    assert done.returncode == 0 and f"resumes {runs[-1]}" in done.stderr, done.stderr


def test_a_run_that_found_no_data_set_is_no_run(tmp_path, monkeypatch):
    script = Script(tmp_path)
    for _ in range(2):
        first = script.run("--skip-generation", "--raw-bucket", "empty-bucket")
        assert first.returncode != 0 and "no complete raw data set" in first.stderr
        again = script.run("--resume")
        assert again.returncode == 2 and "finished no stage" in again.stderr
    dying(script, monkeypatch, "redshift_load")
    runs = [run.name for run in run_folders(tmp_path / "r")]
    later = script.run("--skip-generation", "--raw-bucket", "empty-bucket")
    assert later.returncode != 0
    assert unfinished_run(settings_of(script)).run_id == runs[-1]
