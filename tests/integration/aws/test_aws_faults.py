"""Every AWS call of the pipeline, in turn, throttled, denied, lost, unanswered, expired."""

import json
import re

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.staging_names import staging_table
from src.orchestration.pipeline.recorded_load import load_statements
from src.orchestration.pipeline.verification import _REJECTED
from src.services.check_queries import combined
from src.services.data_quality_service import read_checks
from src.sql import files
from tests.aws.scenario import PASSWORD, SECRETS, Scenario, answer_with

STEPS = ["s3_buckets", "data_generation", "glue_etl", "redshift_load", "data_verification"]
# What a whole run calls; a new call of the product's must be added here, and is then tested.
CALLS = [
    "sts.GetCallerIdentity", "s3.HeadBucket", "s3.CreateBucket", "s3.PutPublicAccessBlock",
    "s3.PutBucketEncryption", "s3.PutBucketPolicy", "s3.PutBucketLifecycleConfiguration",
    "s3.PutBucketTagging", "s3.PutObject", "s3.ListObjectsV2", "glue.GetJob", "glue.CreateJob",
    "glue.GetJobRuns", "glue.StartJobRun", "glue.GetJobRun", "s3.GetObject",
    "logs.CreateLogGroup", "logs.PutRetentionPolicy",
]  # fmt: skip
FAULTS = {
    "throttled": lambda: answer_with(503, "ThrottlingException"),
    "denied": lambda: answer_with(403, "AccessDenied"),
    "not found": lambda: answer_with(404, "NoSuchKey"),
    "expired": lambda: answer_with(403, "ExpiredToken"),
    "timeout": lambda: ReadTimeoutError(endpoint_url="https://aws.example"),
    "no route": lambda: EndpointConnectionError(endpoint_url="https://aws.example"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="module")
def written():
    return {}


@pytest.fixture
def scenario(cloud, monkeypatch, folder, written):
    scenario = Scenario(cloud, monkeypatch, folder, written)
    with scenario.account():
        scenario.empty_warehouse()
        yield scenario


def failing(call, fault, at=1):
    """Let the nth of the calls of one kind, and all after it, meet a fault."""
    seen = []

    def hear(name):
        if name == call:
            seen.append(name)
            if len(seen) >= at:
                answer = FAULTS[fault]()
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return None

    return hear


def test_a_whole_run_succeeds_and_calls_what_the_list_says(scenario):
    report = scenario.run()
    assert report["verdict"] == "succeeded", report["error"]
    assert sorted(set(scenario.calls)) == sorted(CALLS)
    etl = report["steps"]["glue_etl"]
    assert etl["job_definition"] == "created" and etl["dpu_seconds"] > 0
    assert etl["console_url"].startswith("https://us-east-1.console.aws.amazon.com/")
    again = scenario.run(skip_generation=True)
    assert again["verdict"] == "succeeded", again["error"]
    assert again["steps"]["s3_buckets"]["buckets"] == {
        "concert-demo-raw": "verified", "concert-demo-processed": "verified"
    }  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_of_any_call_is_an_error_that_says_where_and_what_next(scenario, call, fault):
    scenario.hear = failing(call, fault)
    report = scenario.run()
    if report["verdict"] == "succeeded":  # an answer that means something else here
        assert (call, fault) in [("s3.HeadBucket", "not found")], "a fault was passed over"
        return
    error = report["error"]
    assert report["exit_code"] in (1, 2) and error["type"] != "CannotRunError"
    assert "internal error" not in error["message"]
    assert error["message"] and error["where"] and error["cause"] and error["hint"]
    steps = [report["steps"][step]["status"] for step in STEPS]
    at = steps.index("failed")
    assert steps == ["success"] * at + ["failed"] + ["not_run"] * (4 - at)
    # Nothing unfinished counts as done: no rows, and no data set without its manifest.
    if at < 4:
        with pytest.raises(Exception, match="concert_dw"):
            scenario.rows()
    if call == "glue.GetJobRun":  # a run that nobody watches any more must not go on
        assert scenario.calls[-1] == "glue.BatchStopJobRun"
    scenario.hear = lambda **_: None
    if fault == "denied":  # and the same command again ends well
        again = scenario.run()
        assert again["verdict"] == "succeeded", again["error"]
        assert sum(scenario.rows().values()) == 65


# What a run calls of buckets and a job that are there already.
LATER_CALLS = ["s3.HeadBucket", "s3.GetBucketTagging", "glue.UpdateJob", "s3.GetObject"]


@pytest.mark.parametrize("fault", ["throttled", "denied", "timeout"])
@pytest.mark.parametrize("call", LATER_CALLS)
def test_a_fault_of_a_later_run_leaves_what_the_first_loaded(scenario, call, fault):
    assert scenario.run()["verdict"] == "succeeded"
    before = scenario.rows()
    scenario.hear = failing(call, fault)
    report = scenario.run(skip_generation=True, glue_workers=3)
    assert report["verdict"] == "failed" and report["error"]["hint"]
    assert scenario.rows() == before


@pytest.mark.parametrize("nth", [2, 3, 4, 6, 9, 12])
@pytest.mark.parametrize("call", ["s3.PutObject", "s3.ListObjectsV2"])
def test_a_fault_in_the_midst_leaves_no_part_behind_that_counts(scenario, call, nth):
    scenario.hear = failing(call, "denied", at=nth)
    report = scenario.run()
    if report["verdict"] == "succeeded":
        assert scenario.calls.count(call) < nth
        return
    assert report["error"]["hint"] and report["exit_code"] == 1
    raw = scenario.s3.list_objects_v2(Bucket="concert-demo-raw").get("Contents", [])
    committed = [o["Key"] for o in raw if o["Key"].endswith("_manifest.json")]
    assert bool(committed) == (report["steps"]["data_generation"]["status"] == "success")
    scenario.hear = lambda **_: None
    assert scenario.run()["verdict"] == "succeeded"


def test_the_dry_run_names_every_statement_of_the_load(scenario, monkeypatch):
    sent = []
    cursor = RedshiftClient._cursor

    def noted(self, statement, arguments):
        sent.append(statement)
        return cursor(self, statement, arguments)

    monkeypatch.setattr(RedshiftClient, "_cursor", noted)
    report = scenario.run()
    assert report["verdict"] == "succeeded"
    last = next(i for i, s in enumerate(sent) if "concert_staging" in s)
    load = sent[: last + 1]  # then comes the verification
    ids = dict.fromkeys([report["run_id"], report["dataset"]["id"]], "DATASET")
    ids[staging_table("", "", report["run_id"]).strip('"_')] = "dataset"
    checks = combined({check.name: check.sql for check in read_checks()})
    audit = {said(files.bind(query.sql, lambda _: "%s"), {}) for query in checks}
    audit.add(said(_REJECTED, {}))
    really = {said(statement, ids) for statement in load} - audit
    foretold = {
        said(line, {"RUN": "DATASET", '_run"': '_dataset"'})
        for line in load_statements(scenario.settings(), "x")
        if not line.startswith(("PutObject", "COMMIT", "SET query_group"))
    }  # fmt: skip
    assert really == foretold and any(s.startswith("COPY") for s in really)


def test_the_dry_run_says_whose_role_a_copy_takes(scenario):
    own = load_statements(scenario.settings(redshift_role="default"), "x")
    assert all(" IAM_ROLE default " in line for line in own if line.startswith("COPY"))
    assert any(line.startswith("COPY") for line in own)


def said(statement, names):
    """Return a statement on one line, without role and the names of the run."""
    line = " ".join(re.sub(r"--.*", "", statement).split()).rstrip(";")
    for name, word in names.items():
        line = line.replace(name, word)
    return re.sub(r"IAM_ROLE '[^']*'", "IAM_ROLE '…'", line)


def test_no_secret_is_in_any_log_report_or_page(scenario, caplog, capfd):
    caplog.set_level("DEBUG", logger="src")
    scenario.run()
    scenario.hear = failing("glue.StartJobRun", "denied")
    scenario.run()
    texts = [caplog.text, *capfd.readouterr()]
    reports = scenario.folder / "reports"
    texts += [p.read_text(errors="replace") for p in reports.rglob("*") if p.is_file()]
    assert len(texts) > 8
    for text in texts:
        for secret in (*SECRETS.values(), PASSWORD):
            assert secret not in text
    assert json.loads(next(reports.rglob("*_report.json")).read_text())["arguments"]
