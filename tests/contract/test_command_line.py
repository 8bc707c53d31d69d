"""The command line's contract: options, streams and exit codes."""

import json
import signal
import subprocess
import sys

import pytest

import run_demo_pipeline
import train_demo_models
import validate_demo_pipeline
from src.orchestration.validation.interface import SCRIPTS
from tests.conftest import ROOT, SMALL

OPTIONS = {
    "--artists", "--venues", "--concerts", "--sales", "--seed", "--skip-generation",
    "--raw-bucket", "--processed-bucket", "--iam-role", "--input-dir", "--defect-rate",
    "--raw-format", "--etl", "--etl-engine", "--workers", "--resume", "--load-mode", "--target",
    "--generate-on",
    "--report-dir", "--as-of", "--since", "--next-day",
    "--json", "--quiet", "--verbose", "--no-color", "--version", "--dry-run", "--present", "--help",
    "--open",
}  # fmt: skip


TRAINING_OPTIONS = {
    "--test-size", "--random-state", "--validate-only", "--if-needed", "--output-dir",
    "--with-challengers", "--coverage", "--target", "--report-dir", "--json", "--quiet",
    "--verbose", "--no-color", "--version", "--present", "--help", "--promote", "--rollback",
    "--open",
}  # fmt: skip


VALIDATION_OPTIONS = {
    "--only", "--list", "--report", "--smoke", "--strict", "--target", "--report-dir", "--json",
    "--quiet", "--verbose", "--no-color", "--version", "--help",
}  # fmt: skip


FLAGS = {
    "--skip-generation", "--resume", "--next-day", "--json", "--quiet", "--verbose", "--no-color",
    "--version", "--dry-run", "--present", "--help", "--open",
}  # fmt: skip


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (run_demo_pipeline, OPTIONS),
        (train_demo_models, TRAINING_OPTIONS),
        (validate_demo_pipeline, VALIDATION_OPTIONS),
    ],
)
def test_the_options_are_exactly_the_documented_ones(script, options):
    parser = script.build_parser()
    found = {o for a in parser._actions for o in a.option_strings if o.startswith("--")}
    assert found == options


@pytest.mark.parametrize("script", ["run_demo_pipeline.py", "train_demo_models.py"])
def test_help_shows_examples_and_exit_codes(script):
    done = subprocess.run(
        [sys.executable, script, "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for word in ("examples:", "exit codes:", "130", "[DEMO_", "(default: 42)"):
        assert word in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "script", ["run_demo_pipeline", "train_demo_models", "validate_demo_pipeline"]
)
def test_help_imports_nothing_heavy(script):
    code = (
        f"import sys, {script} as r; r.build_parser().format_help();"
        "heavy = {'numpy','pandas','pyarrow','boto3','sklearn','psycopg2','sqlglot','jinja2'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_class_can_be_imported_from_the_script():
    from run_demo_pipeline import DemoPipelineOrchestrator

    for method in (
        "ensure_s3_buckets", "generate_and_upload_data", "run_glue_etl_jobs",
        "load_data_to_redshift", "verify_data_quality", "generate_summary_report", "run_pipeline",
    ):  # fmt: skip
        assert callable(getattr(DemoPipelineOrchestrator, method))


def test_the_trainer_can_be_imported_from_the_script():
    from train_demo_models import DemoModelTrainer

    for method in (
        "extract_venue_training_data", "prepare_venue_features", "train_venue_popularity_model",
        "extract_ticket_sales_training_data", "prepare_ticket_sales_features",
        "train_ticket_sales_model", "generate_sample_predictions", "generate_training_report",
        "run_training_pipeline",
    ):  # fmt: skip
        assert callable(getattr(DemoModelTrainer, method))


@pytest.mark.parametrize("value", ["0", "1", "-0.1", "nan", "half"])
def test_a_test_size_outside_0_and_1_is_refused(script, value):
    command = script.command("--test-size", value, name="train_demo_models.py")
    done = script.run_command(command)
    assert done.returncode == 2 and "--test-size" in done.stderr and "try:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--artists", "0"], ["--artists is 0", "at least 1"]),
        (["--sales", "-5"], ["--sales is -5"]),
        (["--concerts", "ten"], ["--concerts is 'ten'"]),
        (["--art", "5"], ["--art"]),
        (["--bogus"], ["--bogus"]),
        (["--raw-format", "xml"], ["json, csv, parquet"]),
        (["--target", "prod"], ["local, aws"]),
        (["--raw-bucket", "Bad_Name"], ["--raw-bucket", "Bad_Name"]),
        (["--defect-rate", "2"], ["--defect-rate"]),
        (["--sales", "999999999999999"], ["of disk", "are free"]),
        (["--artists", "99999999999999"], ["needs about"]),
        (["--target", "aws"], ["DEMO_IAM_ROLE", "REDSHIFT_WORKGROUP"]),
        (["--skip-generation", "--input-dir", "x"], ["not allowed with"]),
        (["-q", "-v"], ["not allowed with"]),
        (["--etl", "direct", "--raw-format", "parquet"], ["--etl direct", "--raw-format parquet"]),
        (["--input-dir", "x" * 300], ["--input-dir has a name of 300 bytes", "at most 255"]),
        (["--report-dir", "a\x1b[31mb"], [r"--report-dir is 'a\x1b[31mb'", "control character"]),
        (["--\x1b[31m"], [r"--\x1b[31m"]),
        (["--input-dir", "/nonexistent-folder"], ["is not a folder"]),
        *(
            ([option, ""], [f"{option} is"])  # as of a shell variable that is not set
            for option in sorted(OPTIONS - FLAGS)
        ),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_bad_usage_is_one_error_block_and_exit_code_2(script, arguments, words):
    done = script.run(*arguments)
    assert done.returncode == 2, done.stderr
    assert "error:" in done.stderr and "try:" in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert "\x1b" not in done.stderr
    assert list(script.folder.iterdir()) == []  # refused before anything was done


def test_json_is_printed_also_when_nothing_could_start(script):
    done = script.run("--artists", "0", "--json")
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == done.returncode == 2
    assert answer["error"]["type"] == "SettingsError"


def test_a_dry_run_touches_nothing(script):
    done = script.run("--dry-run", *SMALL)
    assert done.returncode == 0
    assert "would generate 40 artists" in done.stderr
    assert done.stdout == ""
    assert list(script.folder.iterdir()) == []


def test_the_plan_of_a_dry_run_is_json_too(script):
    done = script.run("--dry-run", "--json", *SMALL)
    plan = json.loads(done.stdout)
    assert plan["exit_code"] == done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line] == plan["plan"]


def test_a_dry_run_of_missing_input_fails_as_the_run_would(script):
    done = script.run("-n", "--input-dir", str(script.folder / "nope"))
    assert done.returncode == 2 and "is not a folder" in done.stderr


def test_an_unwritable_report_folder_is_named(script):
    (script.folder / "file").write_text("")
    done = script.run(*SMALL, "--report-dir", str(script.folder / "file"))
    assert done.returncode == 2
    assert "--report-dir" in done.stderr and "cannot be written" in done.stderr


def test_a_state_folder_that_is_a_file_is_named(script):
    script.state.write_text("")
    done = script.run(*SMALL)
    assert done.returncode == 2 and "folder cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_version(script):
    done = subprocess.run(
        [sys.executable, "run_demo_pipeline.py", "--version"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("run_demo_pipeline.py 0.")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("outcome", [0, 1, 130])
def test_a_signal_that_comes_while_python_winds_up_changes_no_outcome(kind, outcome):
    code = (
        "import atexit, os, sys; from src.orchestration.command_line import run_script;"
        f"atexit.register(os.kill, os.getpid(), {int(kind)});"
        f"sys.exit(run_script(lambda argv: {outcome}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (outcome, b"")


# -- how a script is started, and where its answer goes ------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_also_where_python_leaves_its_folder_out(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / script), "--version"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and script in done.stdout, done.stderr


@pytest.mark.parametrize(
    "command",
    ["run_demo_pipeline.py --dry-run --json", "run_demo_pipeline.py --help",
     "run_demo_pipeline.py --artists 0 --json", "train_demo_models.py --version",
     "validate_demo_pipeline.py --list"],
)  # fmt: skip
def test_an_answer_that_cannot_be_written_is_an_error(command, tmp_path):
    name, *options = command.split()
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, str(ROOT / name), *options], cwd=tmp_path, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "error:" in done.stderr and "internal" not in done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "2>/dev/full", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_ends_no_script(closed, tmp_path):
    command = f"{sys.executable} {ROOT}/run_demo_pipeline.py --dry-run --json {closed}"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "up, psql or reset"),
        (["stat"], "invalid choice"),
        (["up", "now"], "takes no arguments"),
    ],
    ids=["none", "unknown", "too many"],
)
def test_the_local_clouds_command_refuses_as_the_scripts_do(script, arguments, words):
    done = script.run_command([sys.executable, "-m", "src.local_cloud", *arguments])
    assert done.returncode == 2 and done.stderr.startswith("error:"), done.stderr
    assert words in done.stderr and "try:" in done.stderr
    assert not script.state.exists()
