"""Every pair of options: it goes together, or is refused before anything is done."""

import itertools
import json

import pytest

import run_demo_pipeline
import train_demo_models
import validate_demo_pipeline
from src.orchestration import command_line
from src.orchestration.pipeline import demo_pipeline_orchestrator, next_day
from src.orchestration.training import demo_model_trainer, rollback
from src.orchestration.validation import demo_pipeline_validator as validator
from src.settings import Settings

SIZES = {"--artists 40", "--venues 20", "--concerts 200", "--sales 1500", "--seed 3",
         "--as-of 2025-10-07", "--defect-rate 0.1"}  # fmt: skip
PLACES = {"--generate-on workers", "--generate-on glue"}
GENERATION = {*SIZES, *PLACES, "--workers 1"}
FORMATS = {"--raw-format json", "--raw-format csv", "--raw-format parquet"}
ENGINES = {"--etl-engine duckdb", "--etl-engine spark"}
BUCKETS = {"--raw-bucket one", "--processed-bucket two"}
LOADING = {"--etl glue", "--etl direct", "--load-mode merge", *BUCKETS}
SHARED = {"--target local", "--target aws", "-q", "-v", "--present", "--no-color", "--json",
          "--open"}  # fmt: skip
ROLE = "--iam-role arn:aws:iam::123456789012:role/demo"

# What leaves the other no effect, or makes it impossible; everything else goes together.
REFUSED = {
    "--skip-generation": {*GENERATION, *FORMATS, "--input-dir DATA", "--resume"},
    "--resume": {*SIZES, *FORMATS, *LOADING, "--input-dir DATA"},
    "--next-day": {*SIZES, "--load-mode merge", "--skip-generation", "--resume"},
    "--input-dir DATA": GENERATION,
    "--generate-on glue": {"--workers 1"},
    "--etl direct": {*ENGINES, "--raw-format parquet"},
    "--target aws": ENGINES,
    "-q": {"-v", "--present"},
    "-v": {"--present"},
    "--validate-only": {"--with-challengers", "--coverage 0.8", "--promote never", "--if-needed"},
    "--rollback": {
        "--validate-only",
        "--with-challengers",
        "--coverage 0.8",
        "--promote never",
        "--test-size 0.3",
        "--random-state 5",
        "--output-dir m",
        "--if-needed",
    },
    "--list": {"--only links", "--smoke", "--strict", "--json", "--report"},
}
SCRIPTS = {
    run_demo_pipeline: {*GENERATION, *FORMATS, *ENGINES, *LOADING, *SHARED, ROLE,
                        "--skip-generation", "--resume", "--next-day", "--input-dir DATA"},
    train_demo_models: {*SHARED, "--test-size 0.3", "--random-state 5", "--coverage 0.8",
                        "--output-dir m", "--validate-only", "--with-challengers",
                        "--promote never", "--rollback", "--if-needed"},
    validate_demo_pipeline: {*SHARED - {"--present", "--open"}, "--only links", "--smoke",
                             "--strict", "--report", "--list"},
}  # fmt: skip
HEADERS = {
    "artists": "artist_id,name", "venues": "venue_id,name,city,capacity",
    "concerts": "concert_id,artist_id,venue_id,starts_at",
    "ticket_sales": "sale_id,concert_id,purchased_at,quantity,unit_price",
}  # fmt: skip


class Ran(Exception):  # noqa: N818 (the script came as far as its work)
    """Raised in place of the work of a script."""


def stop(*_, **__):
    raise Ran


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with input files and a run to resume, where no script does its work."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("AWS_REGION", "us-east-1"), ("DEMO_IAM_ROLE", ROLE.split()[1]),
                        ("REDSHIFT_HOST", "h.example"),
                        ("REDSHIFT_USER", "u"), ("REDSHIFT_PASSWORD", "p")):  # fmt: skip
        monkeypatch.setenv(name, value)
    (tmp_path / "DATA").mkdir()
    for table, header in HEADERS.items():
        (tmp_path / "DATA" / f"{table}.csv").write_text(header + "\n")
    for target in ("local", "aws"):
        run = tmp_path / f"reports-{target}" / "20260101T000000Z-0000"
        run.mkdir(parents=True)
        (run / "run.log").touch()
        progress = {"run_id": run.name, "arguments": Settings(target=target).public(), "steps": {}}
        (run / "progress.json").write_text(json.dumps(progress))
    monkeypatch.setattr(demo_pipeline_orchestrator.DemoPipelineOrchestrator, "__init__", stop)
    monkeypatch.setattr(demo_model_trainer.DemoModelTrainer, "__init__", stop)
    monkeypatch.setattr(rollback.ModelRollback, "__init__", stop)
    monkeypatch.setattr(validator.DemoPipelineValidator, "__init__", stop)
    monkeypatch.setattr(command_line, "_log_to_stderr", lambda: None)
    monkeypatch.setattr(next_day, "settings_of_next_day", lambda settings: settings)
    return tmp_path


def refuses(script, *options):
    """Tell whether a script refuses its options before it begins its work."""
    target = "aws" if "--target aws" in options else "local"
    words = [word for option in options for word in option.split(" ")]
    try:
        code = script.main([*words, "--report-dir", f"reports-{target}"])
    except Ran:
        return False
    except command_line.UsageError as error:
        assert error.exit_code == 2 and error.hint
        assert "not allowed with" in error.message or "cannot load" in error.message
        return True
    assert code == 0  # --list, --dry-run
    return False


def refused(options):
    return any(two in REFUSED.get(one, ()) for one, two in itertools.permutations(options, 2))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.__name__)
def test_each_pair_goes_together_or_is_refused_before_anything_is_done(place, script, capsys):
    before = sorted(place.rglob("*"))
    for pair in itertools.combinations(sorted(SCRIPTS[script]), 2):
        if pair[0].split()[0] == pair[1].split()[0]:
            continue  # the same option twice: the last one counts
        assert refuses(script, *pair) == refused(pair), pair
        assert refuses(script, *reversed(pair)) == refused(pair), pair
        if script is run_demo_pipeline and not {"--present", "--open"} & {*pair}:
            assert refuses(script, *pair, "--dry-run") == refused(pair), pair
        capsys.readouterr()
    assert sorted(place.rglob("*")) == before


def test_every_option_is_in_a_pair():
    for script, options in SCRIPTS.items():
        known = {option.split()[0] for option in options}
        for action in script.build_parser()._actions:
            # --since goes with two others only: its own test is below.
            names = set(action.option_strings) - {"-h", "--help", "--version", "--report-dir",
                                                  "-n", "--dry-run", "--since"}  # fmt: skip
            assert not names or names & known, names


def test_what_is_set_for_every_run_is_no_option_of_this_one(place, monkeypatch):
    monkeypatch.setenv("DEMO_SALES", "5")
    monkeypatch.setenv("DEMO_RAW_FORMAT", "parquet")
    assert not refuses(run_demo_pipeline, "--skip-generation")
    monkeypatch.setenv("DEMO_ETL", "direct")
    assert not refuses(run_demo_pipeline, "--skip-generation")  # the data set has its own format
    with pytest.raises(command_line.UsageError, match="--raw-format parquet"):
        run_demo_pipeline.main([])
    with pytest.raises(command_line.UsageError, match="not allowed with DEMO_ETL=direct"):
        run_demo_pipeline.main(["--etl-engine", "duckdb"])


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([], "needs the day"),
        (["--load-mode", "merge"], "needs the day"),
        (["--as-of", "2025-10-08"], "a load that replaces loses"),
        (["--as-of", "2025-10-08", "--load-mode", "merge"], None),
        (["--skip-generation"], "not allowed with"),
        (["--input-dir", "DATA"], "not allowed with"),
    ],
)
def test_changes_need_their_day_and_a_merge(place, others, message):
    arguments = ["--since", "2025-10-01", *others, "--report-dir", "reports-local"]
    with pytest.raises(command_line.UsageError if message else Ran, match=message):
        run_demo_pipeline.main(arguments)
