"""The commands around an endpoint, over the container's own program in the local cloud."""

import csv
import io
import json
import sys

import jsonschema
import pytest
from botocore.exceptions import ClientError

from src.errors import ServingError, UsageError
from src.infrastructure.storage.model_registry import ModelRegistry
from src.infrastructure.storage.s3_storage import S3Storage
from src.serving.__main__ import main
from tests.conftest import ROOT
from tests.unit.serving.conftest import predictor, saved  # noqa: F401

SCHEMA = json.loads((ROOT / "src/reporting/schemas/training_report.schema.json").read_text())
RECORDS = [
    {"capacity": 800 + 10 * n, "starts_at": "2026-05-01 20:00", "base_price": 30 + n}
    for n in range(7)
]


@pytest.fixture
def command(host, monkeypatch, capsys, tmp_path):
    """Run a command on the servers that are up; returns its exit code and what it printed."""
    monkeypatch.setenv("DEMO_STATE_DIR", str(host.folder))
    monkeypatch.setenv("DEMO_REPORT_DIR", str(tmp_path / "r"))

    def run(*words):
        capsys.readouterr()
        code = main([*words, "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["exit_code"] == code
        return code, found

    return run


@pytest.fixture
def registry(host, saved):  # noqa: F811
    """Three versions of the model; the first is the champion."""
    storage = S3Storage(host.s3_client(), "concert-demo-processed")
    storage.ensure_bucket()
    registry = ModelRegistry(storage)
    if not registry.versions("ticket_sales"):
        for _ in range(3):
            registry.save("ticket_sales", saved[0], {})
    registry.promote("ticket_sales", 1, "first")
    return registry


def served_version(host):
    return ask(host, RECORDS[0])["version"]


def ask(host, record):
    answer = host.aws_client("sagemaker-runtime").invoke_endpoint(
        EndpointName="concert-demo", ContentType="application/json", Body=json.dumps(record)
    )
    return json.loads(answer["Body"].read())


def test_the_champion_is_deployed_rolled_back_and_removed(host, registry, command, predictor):  # noqa: F811
    assert command("status")[1]["status"] == "NotDeployed"
    code, found = command("deploy")
    assert (code, found["version"], found["changed"]) == (0, 1, True)
    answer = ask(host, RECORDS[0])
    expected = predictor.service.predict([RECORDS[0]])[0]
    assert answer["tickets"] == expected.tickets and answer["sell_out"] == expected.sell_out
    with pytest.raises(ClientError) as caught:
        ask(host, {**RECORDS[0], "capacity": "many"})
    assert caught.value.response["OriginalStatusCode"] == 400
    assert json.loads(caught.value.response["OriginalMessage"])["field"] == "capacity"

    registry.promote("ticket_sales", 2, "better")
    _, found = command("status")
    assert (found["version"], found["champion"]) == (1, 2)
    _, found = command("deploy")
    assert (found["version"], found["previous_version"], found["changed"]) == (2, 1, True)
    assert command("deploy")[1]["changed"] is False
    assert served_version(host) == 2

    code, found = command("rollback")
    assert (code, found["from_version"], found["to_version"], found["version"]) == (0, 2, 1, 1)
    assert served_version(host) == 1 and registry.champion("ticket_sales").version == 1
    command("rollback", "3")
    assert served_version(host) == 3
    with pytest.raises(UsageError, match="there is no version 9") as refused:
        command("rollback", "9")
    assert refused.value.exit_code == 2 and "near ones: 1, 2, 3" in refused.value.cause

    sagemaker = host.aws_client("sagemaker")
    assert len(sagemaker.list_models()["Models"]) == 1  # what is served no longer is gone
    _, found = command("undeploy")
    assert len(found["removed"]) == 3 and not sagemaker.list_models()["Models"]
    assert not sagemaker.list_endpoints()["Endpoints"]
    code, found = command("status")
    assert (code, found["status"]) == (1, "NotDeployed")


LIGHT = """
import sys
for name in ("pandas", "sklearn", "scipy", "skops"):
    sys.modules[name] = None  # importing any of it fails
import train_demo_models
from src.orchestration.command_line import run_script
sys.exit(run_script(train_demo_models.main))
"""


def test_the_script_rolls_back_without_a_library_of_training(host, registry, script):
    registry.promote("ticket_sales", 2, "better")

    def roll_back(*version):
        command = [sys.executable, "-c", LIGHT, "--rollback", *version, "--json", "--report-dir",
                   str(script.folder / "r")]  # fmt: skip
        done = script.run_cold(command, DEMO_STATE_DIR=str(host.folder))
        report = json.loads(done.stdout)
        jsonschema.validate(report, SCHEMA, format_checker=jsonschema.FormatChecker())
        return done, report

    done, report = roll_back()
    assert done.returncode == 0 and report["mode"] == "rollback", done.stderr
    step = report["steps"]["rollback"]["models"]["ticket_sales"]
    assert (step["from_version"], step["to_version"], step["is_changed"]) == (2, 1, True)
    assert "ticket_sales v2 -> v1" in done.stderr
    newest = registry.champions("ticket_sales")[0]
    assert (newest.version, newest.by, newest.state) == (1, report["run_id"], "rolled back to")
    done, report = roll_back("9")
    assert done.returncode == report["exit_code"] == 2
    assert "near ones: 1, 2, 3" in done.stderr and registry.champions("ticket_sales")[0] == newest


def written(path, records):
    if path.suffix == ".csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, records[0])
        writer.writeheader()
        writer.writerows(records)
        path.write_text(out.getvalue())
    else:
        path.write_text("\n".join(map(json.dumps, records)))
    return str(path)


def read(path):
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_text())))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_file_is_predicted_row_by_row_and_nothing_is_left(
    host, registry, command, predictor, tmp_path, monkeypatch, suffix  # noqa: F811
):  # fmt: skip
    monkeypatch.setattr("src.infrastructure.aws.sagemaker_transform.PART_BYTES", 200)
    source = written(tmp_path / f"shows{suffix}", RECORDS)
    code, found = command("batch", source)
    assert (code, found["rows"]) == (0, len(RECORDS))
    expected = [one.tickets for one in predictor.service.predict(RECORDS)]
    rows = read(tmp_path / f"shows.predictions{suffix}")
    assert [float(row["tickets"]) for row in rows] == expected
    left = host.s3_client().list_objects_v2(Bucket="concert-demo-processed", Prefix="unload/")
    assert "Contents" not in left
    bad = written(tmp_path / f"bad{suffix}", [{**RECORDS[0], "capacity": "many"}])
    with pytest.raises(ServingError, match="ended as Failed") as caught:
        command("batch", bad)
    assert "capacity" in caught.value.cause and caught.value.exit_code == 1


def test_a_file_that_no_job_takes_is_refused_before_anything_starts(command, tmp_path):
    for name, words in (("shows.xlsx", "takes"), ("missing.csv", "cannot be read")):
        with pytest.raises(UsageError, match=words) as caught:
            command("batch", str(tmp_path / name))
        assert caught.value.exit_code == 2 and caught.value.hint


def test_a_name_that_is_none_of_an_endpoint_is_a_clear_error(host, command, monkeypatch):
    for name in ("-x", "a" * 33, "a_b", "../a"):
        monkeypatch.setenv("DEMO_ENDPOINT", name)
        with pytest.raises(Exception, match="DEMO_ENDPOINT is") as caught:
            command("status")
        assert caught.value.exit_code == 2
