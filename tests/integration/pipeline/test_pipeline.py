"""The whole pipeline on the real local cloud, run as a user runs it."""

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import jsonschema
import psutil
import pytest

from src.local_cloud.local_cloud import LocalCloud
from tests.conftest import LIMIT_S, ROOT, SMALL, Script
from tests.waiting import wait_until

SCHEMA = json.loads((ROOT / "src/reporting/schemas/pipeline_report.schema.json").read_text())
STEPS = ["s3_buckets", "data_generation", "glue_etl", "redshift_load", "data_verification"]
TABLES = ("artists", "venues", "concerts", "ticket_sales")


def report_of(done):
    report = json.loads(Path(done.stdout.strip()).read_text())
    jsonschema.validate(report, SCHEMA, format_checker=jsonschema.FormatChecker())
    return report


def warehouse(script):
    """Return every table's content, as psql would see it, without run ids and times."""
    with LocalCloud(script.state) as cloud:
        content, opened = {}, closing(cloud.connect_redshift())
        with opened as connection, connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"SELECT * FROM concert_dw.{table} ORDER BY 1")
                content[table] = cursor.fetchall()
            cursor.execute(
                "SELECT table_name, record_key, rule, raw_record FROM concert_dw.rejected_records "
                "ORDER BY 1, 2, 3, 4"
            )
            content["rejected"] = cursor.fetchall()
    return content


def complete_sets(script):
    """Return the folders of the raw data sets that are complete, the oldest first."""
    manifests = (script.state / "s3/concert-demo-raw/raw").glob("*/_manifest.json")
    return sorted(manifest.parent for manifest in manifests)


def raw_files(script):
    """Return the digest of every raw data file, by data set."""
    return {
        folder.name: {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "_manifest.json"
        }
        for folder in complete_sets(script)
    }


def leftovers(script):
    mark = f"{script.folder}/"
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(mark in part for part in process.info["cmdline"] or ()):
            found.append(process.info["cmdline"])
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished small run, shared by the tests that only look.

    It starts from nothing, so that its sets and texts have another order than those of the runs
    which are compared with it.
    """
    script = Script(tmp_path_factory.mktemp("finished"))
    return script, script.run_cold(script.command(*SMALL))


@pytest.fixture(scope="module")
def expected(finished):
    """What a run of this size leaves in the warehouse."""
    return warehouse(finished[0])


def test_a_run_succeeds_and_says_so(finished):
    script, done = finished
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    assert report["verdict"] == "succeeded" and list(report["steps"]) == STEPS
    for step in ("data_generation", "glue_etl", "redshift_load"):
        entry = report["steps"][step]
        assert entry["rows_per_s"] > 0 and entry["mb_per_s"] > 0
        rows = report["rows"]["ticket_sales"]["loaded"]
        assert entry["rows_per_s"] * entry["seconds"] >= rows
    assert all(step["status"] == "success" for step in report["steps"].values())
    assert report["steps"]["data_generation"]["counts"] == {
        "artists": 40, "venues": 20, "concerts": 200, "ticket_sales": 1500
    }  # fmt: skip
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Concert demo  run ")
    assert [line.split()[0] for line in lines[1:6]] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert lines[-1] == "next:  python train_demo_models.py"
    assert "\x1b" not in done.stderr
    assert leftovers(script) == []


def test_the_warehouse_agrees_with_the_report(finished):
    script, done = finished
    report, content = report_of(done), warehouse(script)
    for table in TABLES:
        rows = report["rows"][table]
        assert len(content[table]) == rows["warehouse"] == rows["loaded"]
        assert rows["raw_records"] == rows["loaded"] + rows["rejected"]
    assert len(content["rejected"]) == report["steps"]["redshift_load"]["rejected_rows"] == 17


def test_the_etl_finds_every_defect_and_nothing_else(finished):
    steps = report_of(finished[1])["steps"]
    assert steps["data_verification"]["defect_detection"] == {"precision": 1.0, "recall": 1.0}
    assert steps["data_generation"]["defects"] == 17
    repaired = sum(steps["glue_etl"]["repaired_rows"].values())
    assert repaired == steps["data_generation"]["untidy_rows"] > 0


def test_untidy_rows_arrive_as_they_were_before(expected, hosted):
    assert hosted.run(*SMALL, "--defect-rate", "0").returncode == 0
    tidy = warehouse(hosted)
    for table in TABLES:
        assert expected[table] == tidy[table]
    assert tidy["rejected"] == []


def test_a_second_run_has_the_same_bytes_and_the_same_warehouse(finished):
    script, _ = finished
    before, earlier = warehouse(script), raw_files(script)
    assert script.run(*SMALL).returncode == 0
    sets = raw_files(script)
    (added,) = sets.keys() - earlier.keys()
    assert earlier and all(files == sets[added] for files in earlier.values())
    assert warehouse(script) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--raw-format", "csv"],
        ["--raw-format", "parquet"],
        ["--etl", "direct"],
        ["--etl", "direct", "--raw-format", "csv"],
        ["--defect-rate", "0.3"],
    ],
    ids=" ".join,
)
def test_every_way_gives_the_same_tables(expected, hosted, options):
    done = hosted.run(*SMALL, *options)
    assert done.returncode == 0, done.stderr
    found = warehouse(hosted)
    for table in TABLES:
        assert found[table] == expected[table]
    verification = report_of(done)["steps"]["data_verification"]
    assert verification["defect_detection"] == {"precision": 1.0, "recall": 1.0}


def test_skip_generation_reuses_the_newest_data_and_merge_doubles_nothing(finished):
    script, _ = finished
    before = warehouse(script)
    done = script.run("--skip-generation", "--load-mode", "merge")
    assert done.returncode == 0, done.stderr
    report = report_of(done)
    assert report["steps"]["data_generation"]["status"] == "skipped"
    assert warehouse(script) == before


def test_merge_adds_and_replaces_by_key(hosted):
    assert hosted.run(*SMALL).returncode == 0
    more = ["--artists", "60", "--venues", "20", "--concerts", "200", "--sales", "1500"]
    assert hosted.run(*more, "--load-mode", "merge").returncode == 0
    content = warehouse(hosted)
    assert len(content["artists"]) == 60
    assert len(content["ticket_sales"]) == 1500


def test_a_tiny_world_works(hosted):
    done = hosted.run("--artists", "1", "--venues", "1", "--concerts", "1", "--sales", "1")
    assert done.returncode == 0, done.stderr


def test_json_on_stdout_is_the_report(hosted):
    done = hosted.run(*SMALL, "--json", "-q")
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    assert done.stderr == ""


# -- failures --------------------------------------------------------------------------------


def test_skip_generation_with_empty_buckets(script):
    done = script.run("--skip-generation")
    assert done.returncode == 1
    assert "no complete raw data set" in done.stderr
    assert "try:   python run_demo_pipeline.py" in done.stderr
    assert report_of(done)["steps"]["glue_etl"]["status"] == "not_run"


def test_skip_generation_with_a_lost_file(finished, tmp_path):
    script = Script(tmp_path)
    shutil.copytree(finished[0].state / "s3", script.state / "s3")
    newest = complete_sets(script)[-1]
    (newest / "concerts/part-00000.json.gz").unlink()
    done = script.run("--skip-generation")
    assert done.returncode == 1 and "a file of concerts is missing" in done.stderr


def test_more_sales_than_tickets(script):
    done = script.run("--artists", "5", "--venues", "3", "--concerts", "20", "--sales", "900000")
    assert done.returncode == 2 and "--concerts" in done.stderr
    assert report_of(done)["verdict"] == "failed"
    assert not (script.state / "s3/concert-demo-raw/raw").exists()


def test_a_failing_job_fails_the_run_and_the_warehouse_keeps_its_rows(finished):
    script, _ = finished
    before = warehouse(script)
    newest = complete_sets(script)[-1]
    file = newest / "concerts/part-00000.json.gz"
    good = file.read_bytes()
    # Same size, so that only the job can notice.
    file.write_bytes(good[: len(good) // 2] + b"\0" * (len(good) - len(good) // 2))
    try:
        done = script.run("--skip-generation")
    finally:
        file.write_bytes(good)
    assert done.returncode == 1
    assert "ended FAILED" in done.stderr and "Traceback" not in done.stderr
    report = report_of(done)
    assert report["steps"]["glue_etl"]["error"]["cause"]
    assert report["steps"]["redshift_load"]["status"] == "not_run"
    assert warehouse(script) == before


def test_a_failed_check_fails_the_run_with_expected_and_found(hosted, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_input(folder)
    sales = ["sale_id,concert_id,purchased_at,quantity,unit_price", "1,c1,2024-12-01,500,10"]
    (folder / "ticket_sales.csv").write_text("\n".join(sales))
    done = hosted.run("--input-dir", str(folder), DEMO_MAX_REJECTED_SHARE="0.5")
    assert done.returncode == 1
    assert "data-quality check" in done.stderr and "expected 0, found 1" in done.stderr
    failed = [
        check["name"]
        for check in report_of(done)["steps"]["data_verification"]["checks"]
        if check["verdict"] == "failed"
    ]
    assert failed == ["sum_capacity"]
    assert "src/sql/checks/60_sum_capacity.sql" in done.stderr


def test_two_runs_at_once_one_says_so(script):
    first = script.start(*SMALL)
    wait_until((script.state / "redshift.log").exists, "the first run has the servers")
    first.send_signal(signal.SIGSTOP)  # so that it is not over before the second begins
    second = script.run(*SMALL)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert "another run is using the local cloud" in second.stderr
    assert str(first.pid) in second.stderr
    out, err = first.communicate(timeout=LIMIT_S)
    assert first.returncode == 0, err


def wait_for_stage(process, number):
    for line in process.stderr:
        if line.startswith(f"  {number}/5"):
            return
    raise AssertionError("the run ended early")


@pytest.mark.parametrize(
    ("stage", "kind"),
    [(stage, signal.SIGINT) for stage in range(5)] + [(2, signal.SIGTERM)],
)
def test_interrupted_anywhere_nothing_is_left_and_a_rerun_completes(
    expected, tmp_path, stage, kind
):
    script = Script(tmp_path)
    process = script.start(*SMALL)
    if stage:
        wait_for_stage(process, stage)
    else:
        process.stderr.readline()
    process.send_signal(kind)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode in (0, 130), err
    if process.returncode == 130:
        assert "interrupted" in err.lower()
        assert json.loads(Path(out.strip()).read_text())["verdict"] == "interrupted"
    assert leftovers(script) == []
    assert script.run(*SMALL).returncode == 0
    assert warehouse(script) == expected


@pytest.mark.parametrize("stage", [0, 2, 3])
def test_killed_anywhere_nothing_is_left_and_a_rerun_completes(expected, tmp_path, stage):
    script = Script(tmp_path)
    process = script.start(*SMALL)
    if stage:
        wait_for_stage(process, stage)
    else:
        process.stderr.readline()
    process.kill()
    process.communicate(timeout=LIMIT_S)
    wait_until(lambda: not leftovers(script), "the servers of a killed run end")
    assert script.run(*SMALL).returncode == 0
    assert warehouse(script) == expected


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 60 MB, where we may mount one."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def fill(folder, left_bytes):
    free = shutil.disk_usage(folder).free
    (folder / "fill").write_bytes(b"\0" * max(free - left_bytes, 0))


@pytest.mark.parametrize("left_bytes", [20_000_000, 100_000, 0])
def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    expected, small_disk, tmp_path, left_bytes
):
    script = Script(tmp_path)
    script.state = small_disk / ".demo"
    if left_bytes < 1_000_000:
        assert script.run(*SMALL).returncode == 0
    fill(small_disk, left_bytes)
    done = script.run("--skip-generation" if left_bytes < 1_000_000 else "--seed=42")
    assert done.returncode in (1, 2), done.stderr
    assert "error:" in done.stderr and "try:" in done.stderr
    assert "Traceback" not in done.stderr
    assert leftovers(script) == []
    (small_disk / "fill").unlink()
    assert script.run(*SMALL).returncode == 0
    assert warehouse(script) == expected


def test_no_secret_is_in_any_output(finished):
    script, _ = finished
    done = script.run("--skip-generation", "-v")
    secrets = json.loads((script.state / "credentials.json").read_text())
    texts = [done.stdout, done.stderr]
    texts += [p.read_text(errors="replace") for p in (script.folder / "r").rglob("*.*")]
    texts += [p.read_text(errors="replace") for p in script.state.glob("*.log")]
    texts += [p.read_text(errors="replace") for p in (script.state / "glue").rglob("*.log")]
    for name in ("secret_key", "password"):
        assert all(secrets[name] not in text for text in texts)
    assert (script.state / "credentials.json").stat().st_mode & 0o077 == 0


# -- the user's own data ---------------------------------------------------------------------


def write_input(folder):
    (folder / "artists.jsonl").write_text(
        '{"artist_id": "a1", "name": "  Ann ", "genre": "ROCK", "shoe": 40}\n'
        '{"artist_id": 2, "name": "Bob"}\n'
    )
    (folder / "venues.csv.gz").write_bytes(
        gzip.compress(b"venue_id,name,city,capacity\nv1,Hall,K\xc3\xb6ln,100\n")
    )
    (folder / "concerts.json").write_text(
        '[{"concert_id": "c1", "artist_id": "a1", "venue_id": "v1",'
        ' "starts_at": "2025-01-01T20:00:00+01:00"},'
        ' {"concert_id": "c2", "artist_id": "nobody", "venue_id": "v1", "starts_at": "2025-01-01"}]'
    )
    (folder / "ticket_sales.csv").write_text(
        "sale_id,concert_id,purchased_at,quantity,unit_price\n"
        "1,c1,2024-12-01 10:00:00,2,9.99\n2,c2,2024-12-01,1,5\n3,c1,2024-12-02,1,5\n"
    )


@pytest.mark.parametrize("options", [[], ["--etl", "direct"], ["--raw-format", "parquet"]])
def test_own_files_are_loaded(hosted, tmp_path, options):
    folder = tmp_path / "in"
    folder.mkdir()
    write_input(folder)
    done = hosted.run("--input-dir", str(folder), *options, DEMO_MAX_REJECTED_SHARE="0.5")
    assert done.returncode == 0, done.stderr
    report, content = report_of(done), warehouse(hosted)
    assert [row[:3] for row in content["artists"]] == [("2", "Bob", None), ("a1", "Ann", "rock")]
    assert content["venues"][0][2] == "Köln"
    assert [row[0] for row in content["concerts"]] == ["c1"]
    assert str(content["concerts"][0][3]) == "2025-01-01 19:00:00"
    assert [(row[0], str(row[5])) for row in content["ticket_sales"]] == [
        ("1", "19.98"), ("3", "5.00")
    ]  # fmt: skip
    assert {row[:3] for row in content["rejected"]} == {
        ("concerts", "c2", "orphan:artist_id"), ("ticket_sales", "2", "orphan:concert_id")
    }  # fmt: skip
    assert report["steps"]["data_generation"]["ignored_columns"] == {"artists": ["shoe"]}
    way = options if "--etl" in options else []  # the format is that of the data set
    again = hosted.run("--skip-generation", *way, DEMO_MAX_REJECTED_SHARE="0.5")
    assert again.returncode == 0 and warehouse(hosted) == content


def test_own_files_that_cannot_be_read_change_nothing(finished, tmp_path):
    script, _ = finished
    before = warehouse(script)
    folder = tmp_path / "in"
    folder.mkdir()
    write_input(folder)
    with (folder / "ticket_sales.csv").open("a") as sales:
        sales.write("4,c1\n")
    done = script.run("--input-dir", str(folder))
    assert done.returncode == 2
    assert "ticket_sales.csv line 5" in done.stderr and "sed -n 5p" in done.stderr
    assert warehouse(script) == before
    assert script.run("--skip-generation").returncode == 0  # the broken set was never committed
    assert warehouse(script) == before
