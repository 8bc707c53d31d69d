"""validate_demo_pipeline.py: each check is broken here once, and must see it."""

import json
import os
import re
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import moto
import psycopg2
import pytest

import validate_demo_pipeline
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.aws.permissions import OPERATOR, names_of, needed_by
from src.infrastructure.warehouse.access import WarehouseAccess
from src.orchestration.validation import smoke
from src.orchestration.validation.check import Check, Finding
from src.orchestration.validation.demo_pipeline_validator import DemoPipelineValidator, all_checks
from src.settings import Settings
from tests.aws.rights import Rights
from tests.aws.validating import Played, refusal
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "src/reporting/schemas/validation_report.schema.json").read_text())
COPIED = ("*.py", "*.txt", "*.md", "*.toml", "LICENSE", "src", "docs", "tests", ".env.example")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A copy of the checkout that no test changes."""
    root = tmp_path_factory.mktemp("whole") / "checkout"
    root.mkdir()
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            if path.is_dir():
                shutil.copytree(
                    path, root / path.name, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy2(path, root / path.name)
    return root


def stamps(root):
    """Return what tells a changed file of a tree from one as it was."""
    found = {}
    for folder, _, names in os.walk(root):
        if Path(folder).name != "__pycache__":
            for name in names:
                path = Path(folder, name)
                state = path.lstat()
                found[path.relative_to(root)] = (state.st_mode, state.st_size, state.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def second(whole, tmp_path_factory):
    """A copy for the tests that break it, one after the other, and its state."""
    root = tmp_path_factory.mktemp("second") / "checkout"
    shutil.copytree(whole, root, symlinks=True)
    return root, stamps(root)


@pytest.fixture
def checkout(whole, second):
    """A copy of the checkout, to break; what a test changes is put back as it was."""
    root, before = second
    yield root
    after = stamps(root)
    for path in after.keys() | before.keys():
        if after.get(path) == before.get(path):
            continue
        if path in after:
            (root / path).unlink()
        if path in before:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(whole / path, root / path, follow_symlinks=False)
    assert stamps(root) == before


@pytest.fixture
def validate(request, tmp_path):
    """Run one check on the copy; returns its entry of the report."""
    name = "checkout" if "checkout" in request.fixturenames else "whole"
    checkout = request.getfixturevalue(name)

    def run(name, **settings):
        chosen = Settings(**{"report_dir": str(tmp_path / "r"), **settings})
        validator = DemoPipelineValidator(chosen, only=[name], root=checkout)
        report = validator.run_validation()
        jsonschema.validate(report := json.loads(validator.report_path.read_text()), SCHEMA)
        (entry,) = report["checks"]
        assert validator.exit_code == (entry["verdict"] == "failed")
        return entry

    return run


def replacing(path, old, new):
    """Return a way to break: replace text in a file of the checkout."""

    def edit(root):
        text = (root / path).read_text()
        assert old in text, "the test no longer breaks anything"
        (root / path).write_text(text.replace(old, new, 1))

    edit.__name__ = f"{path}: {old[:20]}"
    return edit


def removing(path):
    def remove(root):
        target = root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    remove.__name__ = f"without {path}"
    return remove


def adding(path, text):
    def add(root):
        (root / path).write_text(text)

    add.__name__ = f"with {path}"
    return add


def not_executable(root):
    (root / "train_demo_models.py").chmod(stat.S_IRUSR | stat.S_IWUSR)


def twice(*edits):
    def edit(root):
        for one in edits:
            one(root)

    edit.__name__ = edits[0].__name__
    return edit


GUIDE, CLI, PYTHON = (
    "docs/guides/DEMO_PIPELINE_GUIDE.md", "docs/reference/cli.md", "docs/reference/python.md",
)  # fmt: skip
RUN = "run_demo_pipeline.py"

BROKEN = [
    ("dependencies", replacing("requirements.txt", "boto3~=1.44", "boto3~=0.1"), "boto3"),
    ("dependencies", replacing("requirements.txt", "boto3~=1.44", "boto3"), "not pinned"),
    ("dependencies", replacing("requirements.txt", "boto3", "no-such-package"), "not installed"),
    ("dependencies", replacing("requirements.txt", "boto3~=", "boto3 ~ "), "not a requirement"),
    ("file_structure", removing(GUIDE), "DEMO_PIPELINE_GUIDE.md is missing"),
    ("file_structure", adding("CHANGELOG.md", ""), "CHANGELOG.md is empty"),
    ("file_structure", removing("src/sql/checks"), "src/sql/checks/"),
    ("imports", adding("src/services/broken.py", "import no_such_module\n"), "no_such_module"),
    ("imports", adding("src/domain/broken.py", "def f(:\n"), "SyntaxError"),
    ("imports", replacing("src/settings/__init__.py", "import os\n", "import osx\n"), "osx"),
    ("sql_files", adding("src/sql/checks/99_x.sql", "SELECT FROM WHERE;"), "99_x.sql"),
    ("sql_files", adding("src/sql/checks/99_x.sql", "-- nothing\n"), "no statement"),
    ("sql_files", adding("src/sql/checks/99_x.sql", "FROBNICATE all;"), "99_x.sql"),
    ("report_schemas",
     removing("src/reporting/schemas/training_report.schema.json"), "training_report"),
    ("report_schemas",
     replacing("src/reporting/schemas/pipeline_report.schema.json", '"object"', '"objekt"'),
     "objekt"),
    ("report_schemas",
     replacing("src/reporting/schemas/pipeline_report.schema.json", '"const": 3', '"const": 1'),
     "schema_version"),
    ("scripts", not_executable, "train_demo_models.py is not executable"),
    ("scripts", removing("validate_demo_pipeline.py"), "validate_demo_pipeline.py is missing"),
    ("scripts", replacing(RUN, "#!/usr/bin/env python3\n", "#!/bin/sh\n"), "does not start with"),
    ("scripts", replacing(RUN, "import sys\n", "import sys, time; time.sleep(1.1)\n"), "takes"),
    ("scripts", replacing(RUN, "import sys\n", "import syss\n"), "syss"),
    ("options",
     replacing("src/orchestration/pipeline/command.py", '"--skip-generation"', '"--skip-gen"'),
     "has no --skip-generation"),
    ("options", replacing(CLI, "| `--iam-role", "| `--role"), "--iam-role is not doc"),
    ("options", removing(CLI), "cli.md is missing"),
    ("interfaces",
     replacing("src/orchestration/pipeline/demo_pipeline_orchestrator.py", "def ensure_s3_buckets",
               "def make_buckets"), "ensure_s3_buckets is missing"),
    ("interfaces",
     replacing("src/services/model_evaluation_service.py", "random_state: int = 42",
               "random_state: int = 43"), "random_state: int=43"),
    ("interfaces", replacing(PYTHON, "run_pipeline() -> ", "run_pipeline() => "), "run_pipeline"),
    ("interfaces", removing("src/infrastructure/glue_job_manager.py"), "no class GlueJobManager"),
    ("env_example", replacing(".env.example", "# DEMO_SEED=42\n", ""), "DEMO_SEED is missing"),
    ("env_example", replacing(".env.example", "DEMO_SEED=42", "DEMO_SEED=41"), "'41'"),
    ("env_example", replacing(".env.example", "DEMO_SEED=", "DEMO_SED="), "DEMO_SED is no setting"),
    ("settings_page",
     replacing("docs/reference/settings.md", "| `DEMO_SEED`", "| DEMO_SEED"), "DEMO_SEED is not"),
    ("settings_page", replacing("docs/reference/settings.md", "`1000`", "`999`"), "999"),
    ("settings_page",
     replacing("docs/reference/settings.md", "<!-- end -->", "| `DEMO_X` | | | x |\n"), "DEMO_X"),
    ("guide", replacing(GUIDE, "## Troubleshooting", "## Trouble"), "'Troubleshooting'"),
    ("guide", twice(replacing(GUIDE, "## Reset", "## Temporary"),
                    replacing(GUIDE, "## Overview", "## Reset"),
                    replacing(GUIDE, "## Temporary", "## Overview")), "another order"),
    ("guide", lambda root: (root / GUIDE).write_text(
        re.sub(r"## Reset.*?(?=## Next)", "## Reset\n\nSoon.\n\n", (root / GUIDE).read_text(),
               flags=re.DOTALL)), "'Reset' is empty"),
    ("links", replacing("README.md", "](docs/ARCHITECTURE.md)", "](docs/ARCHITEC.md)"), "ARCHITEC"),
    ("links", replacing(GUIDE, "(#validation-queries)", "(#queries)"), "no such heading"),
    ("commands", replacing("README.md", "--concerts 500", "--konzerte 500"), "--konzerte"),
    ("commands", replacing(GUIDE, "--raw-format parquet", "--raw-format xml"), "xml"),
    ("commands", replacing(GUIDE, "reset    # all", "restart  # all"), "invalid choice"),
    ("commands", replacing("README.md", "```sh", "```"), "no language"),
    ("commands", replacing("README.md", "concert-demo train", "concert-demo learn"), "learn"),
    ("commands", replacing("README.md", "concert-demo run --artists", "concert-demo run --bands"),
     "--bands"),
    ("commands", replacing("README.md", "--json | jq .steps", "--json | jq '.steps"), "quotation"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "breaking", "words"), BROKEN,
    ids=[f"{name}-{getattr(edit, '__name__', '')}" for name, edit, _ in BROKEN],
)  # fmt: skip
def test_a_check_sees_what_was_broken(validate, checkout, name, breaking, words):
    breaking(checkout)
    entry = validate(name)
    assert entry["verdict"] == "failed"
    assert words in " ".join([entry["found"], *entry["details"]])


@pytest.mark.parametrize(
    "name", sorted({name for name, *_ in BROKEN} | {"python"}), ids=lambda name: name
)
def test_a_check_passes_where_nothing_was_broken(validate, name):
    entry = validate(name)
    assert entry["verdict"] == "passed", entry


def test_every_check_has_a_test_that_makes_it_fail():
    text = Path(__file__).read_text()
    for target in ("local", "aws"):
        for check in all_checks(target):
            assert f'("{check.name}"' in text, check.name


# -- checks that look beyond the checkout ----------------------------------------------------


def test_an_old_python_is_seen(validate, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    entry = validate("python")
    assert entry["verdict"] == "failed" and "3.10" in entry["found"]


def test_reports_that_break_their_schema_are_seen(validate, tmp_path):
    assert validate("newest_reports", report_dir=str(tmp_path / "none"))["verdict"] == "skipped"
    folder = tmp_path / "r2/20260101T000000Z-0000"
    folder.mkdir(parents=True)
    (folder / "training_report.json").write_text('{"report": "training"}')
    entry = validate("newest_reports", report_dir=str(tmp_path / "r2"))
    assert entry["verdict"] == "failed" and "is a required property" in entry["found"]
    (folder / "training_report.json").write_text("{")
    assert "not JSON" in validate("newest_reports", report_dir=str(tmp_path / "r2"))["found"]


def test_servers_that_cannot_start_are_seen(validate, monkeypatch):
    assert validate("local_servers")["verdict"] == "passed"
    from src.local_cloud.servers import s3_server

    monkeypatch.setattr(s3_server, "_rclone", lambda: "/bin/false")
    entry = validate("local_servers")
    assert entry["verdict"] == "failed" and "S3 server did not start" in entry["found"]
    assert "pip install" in entry["hint"]


def test_a_state_folder_that_cannot_be_used_is_seen(validate, tmp_path):
    assert validate("local_state", state_dir=str(tmp_path / "new/deep"))["verdict"] == "passed"
    entry = validate("local_state", state_dir="/proc/demo")
    assert entry["verdict"] == "failed" and "DEMO_STATE_DIR" in entry["hint"]
    entry = validate("local_state", sales=10**13)
    assert entry["verdict"] == "failed" and "of disk" in entry["found"]


def test_a_smoke_run_that_fails_is_seen(validate, checkout, monkeypatch):
    monkeypatch.setitem(smoke.RUNS, RUN, ("--concerts", "10", "--sales", "50"))
    entry = validate("smoke")  # ten concerts are too few to learn from
    assert entry["verdict"] == "failed" and "train_demo_models.py" in entry["found"]
    replacing("src/reporting/schemas/pipeline_report.schema.json", '"dataset", "rows"', '"datum"')(
        checkout
    )
    assert "'datum' is a required property" in validate("smoke")["found"]


# -- the aws target, against moto and players of Redshift ------------------------------------

ROLE = "arn:aws:iam::123456789012:role/concert-demo"
TRUST = {
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                   "Principal": {"Service": ["glue.amazonaws.com", "redshift.amazonaws.com"]}}]
}  # fmt: skip
AWS = {
    "target": "aws", "iam_role": ROLE, "redshift_host": "127.0.0.1", "redshift_port": 1,
    "redshift_user": "demo", "redshift_password": "hush",
}  # fmt: skip


@pytest.fixture
def aws(monkeypatch):
    """A played account with credentials and the role."""
    import boto3

    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"),
                        ("AWS_DEFAULT_REGION", "us-east-1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        iam = boto3.client("iam")
        iam.create_role(RoleName="concert-demo", AssumeRolePolicyDocument=json.dumps(TRUST))
        yield boto3


def played_redshift(monkeypatch, connect):
    monkeypatch.setattr(WarehouseAccess, "connect", lambda self: connect())


class Answering:
    """A connection to a warehouse that says one thing."""

    closed = 0

    def __init__(self, answer):
        self.answer = answer

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def execute(self, *_):
        pass

    def fetchone(self):
        return (self.answer,)

    def close(self):
        pass


@pytest.mark.parametrize(
    "name", ["aws_settings", "aws_credentials", "aws_buckets", "aws_role", "aws_glue"]
)
def test_a_good_account_passes(validate, aws, name):
    assert validate(name, **AWS)["verdict"] == "passed"


def test_missing_aws_settings_are_named_and_what_needs_them_is_skipped(validate, aws):
    lacking = {**AWS, "redshift_host": "", "iam_role": ""}
    entry = validate("aws_settings", **lacking)
    assert entry["verdict"] == "failed"
    assert entry["details"] == ["DEMO_IAM_ROLE is not set", "REDSHIFT_WORKGROUP is not set"]
    for name in ("aws_role", "aws_warehouse"):
        assert validate(name, **lacking)["verdict"] == "skipped"


def test_no_credentials_are_seen(validate, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for name, hint in (("aws_credentials", "AWS_PROFILE"), ("aws_glue", "glue:GetJob")):
        entry = validate(name, **AWS)
        assert entry["verdict"] == "failed" and hint in entry["hint"]
        assert "NoCredentials" in entry["found"]


def playing(service, operation, answer, monkeypatch):
    """Let one operation of a service do what the test says."""
    real = AwsAccount.client

    def client(self, name):
        made = real(self, name)
        if name == service:
            setattr(made, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower(), answer)
        return made

    monkeypatch.setattr(AwsAccount, "client", client)


def denying(service, operation, code, monkeypatch):
    """Let one operation of a service fail with a code."""

    def refuse(**_):
        raise refusal(code, operation)

    playing(service, operation, refuse, monkeypatch)


@pytest.mark.parametrize(
    ("name", "service", "operation", "code", "words"),
    [
        ("aws_credentials", "sts", "GetCallerIdentity", "ExpiredToken", "ExpiredToken"),
        ("aws_buckets", "s3", "HeadBucket", "403", "belongs to another AWS account"),
        ("aws_buckets", "s3", "HeadBucket", "SlowDown", "HeadBucket: SlowDown"),
        ("aws_role", "iam", "GetRole", "NoSuchEntity", "NoSuchEntity"),
        ("aws_role", "iam", "GetRole", "AccessDenied", "AccessDenied"),
        ("aws_glue", "glue", "GetJob", "AccessDeniedException", "AccessDenied"),
    ],
)
def test_what_aws_refuses_is_named_with_a_hint(
    validate, aws, monkeypatch, name, service, operation, code, words
):
    denying(service, operation, code, monkeypatch)
    entry = validate(name, **AWS)
    assert entry["verdict"] == "failed" and entry["hint"]
    assert words in " ".join([entry["found"], *entry["details"]])


def test_buckets_of_ours_and_free_ones_are_told_apart(validate, aws):
    aws.client("s3").create_bucket(Bucket="concert-demo-raw")
    found = validate("aws_buckets", **AWS)["found"]
    assert "concert-demo-raw is in us-east-1" in found
    assert "concert-demo-processed is free" in found


def test_a_bucket_in_another_region_is_seen(validate, aws):
    aws.client("s3", region_name="eu-west-1").create_bucket(
        Bucket="concert-demo-raw", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    entry = validate("aws_buckets", **AWS)
    assert entry["verdict"] == "failed" and "concert-demo-raw is in eu-west-1" in entry["found"]


def simulated(monkeypatch, denied=(), asked=None):
    """Let IAM allow everything but some actions; what it is asked is checked by its model."""

    class Iam(Played):
        service = "iam"

        def simulate_principal_policy(self, *, PolicySourceArn, ActionNames, ResourceArns, **_):
            if asked is not None:
                asked.append((PolicySourceArn, ResourceArns))
            decisions = {a: "implicitDeny" if a in denied else "allowed" for a in ActionNames}
            return {
                "EvaluationResults": [
                    {"EvalActionName": a, "EvalDecision": d} for a, d in decisions.items()
                ]
            }

    playing("iam", "SimulatePrincipalPolicy", Iam().simulate_principal_policy, monkeypatch)


def as_operator(monkeypatch, policy):
    """Let IAM simulate a policy, as it does: by resource, condition and context."""
    caller = {"Account": "123456789012", "UserId": "AIDAOPERATOR",
              "Arn": "arn:aws:iam::123456789012:user/operator"}  # fmt: skip
    rights = Rights(caller["Arn"], policy, user_id=caller["UserId"])

    class Iam(Played):
        service = "iam"

        def simulate_principal_policy(self, **given):
            answer = rights.simulate(**given)
            lacking = [one["MissingContextValues"] for one in answer["EvaluationResults"]
                       if one["EvalDecision"] != "allowed"]  # fmt: skip
            assert not any(lacking), f"IAM cannot judge without {lacking}"
            return answer

    playing("sts", "GetCallerIdentity", lambda **_: caller, monkeypatch)
    playing("iam", "SimulatePrincipalPolicy", Iam().simulate_principal_policy, monkeypatch)


def policy_of(settings, account_id="123456789012"):
    """Return the policy of the list of permissions, as the template writes it."""
    names = names_of(settings, account_id)
    return {"Statement": [
        {"Effect": "Allow", "Action": [*p.actions], "Sid": p.name,
         "Resource": [r.format(**names) for r in p.resources],
         **({"Condition": {"StringEquals": dict(p.condition)}} if p.condition else {})}
        for p in OPERATOR
    ]}  # fmt: skip


WITHOUT = ["iam:PassRole", "redshift-serverless:GetCredentials", "redshift-data:ExecuteStatement",
           "redshift:GetClusterCredentials", "logs:CreateLogGroup"]  # fmt: skip
WAYS = [
    {"redshift_workgroup": "w"},
    {"redshift_workgroup": "w", "redshift_via": "data-api"},
    {"redshift_workgroup": "w", "redshift_via": "data-api", "redshift_secret": "of-mine"},
    {"redshift_cluster": "c"},
    {"redshift_cluster": "c", "redshift_via": "data-api", "redshift_user": "demo"},
]


@pytest.mark.parametrize("way", WAYS)
def test_the_operators_own_policy_passes(validate, aws, monkeypatch, way):
    settings = {"target": "aws", "iam_role": ROLE, **way}
    as_operator(monkeypatch, policy_of(Settings(**settings)))
    entry = validate("aws_permissions", **settings)
    assert entry["verdict"] == "passed", entry


def test_each_right_on_the_one_resource_that_aws_has_for_it_suffices(validate, aws, monkeypatch):
    """By the Service Authorization Reference: a cluster is looked at, a database is entered."""
    settings = {"target": "aws", "iam_role": ROLE, "redshift_cluster": "c"}
    place = "arn:aws:redshift:us-east-1:123456789012:"
    policy = policy_of(Settings(**settings))
    others = [one for one in policy["Statement"] if not one["Sid"].startswith("Cluster")]
    policy["Statement"] = [*others, *(
        {"Effect": "Allow", "Action": [action], "Resource": [place + resource]}
        for action, resource in (("redshift:DescribeClusters", "cluster:c"),
                                 ("redshift:GetClusterCredentialsWithIAM", "dbname:c/dev"))
    )]  # fmt: skip
    as_operator(monkeypatch, policy)
    entry = validate("aws_permissions", **settings)
    assert entry["verdict"] == "passed", entry


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("without", WITHOUT)
def test_a_grant_that_lacks_is_seen(validate, aws, monkeypatch, way, without):
    settings = {"target": "aws", "iam_role": ROLE, **way}
    policy = policy_of(Settings(**settings))
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    as_operator(monkeypatch, policy)
    entry = validate("aws_permissions", **settings)
    needed = {action for p in needed_by(Settings(**settings)) for action in p.actions}
    assert (entry["verdict"] == "failed") == (without in needed)
    assert without not in needed or f"{without} is denied" in " ".join(entry["details"])


def test_the_rights_to_deploy_are_looked_at_where_an_image_is_named(validate, aws, monkeypatch):
    settings = {"target": "aws", "iam_role": ROLE, **WAYS[0]}
    as_operator(monkeypatch, policy_of(Settings(**settings)))
    entry = validate("aws_permissions", **settings, serving_image="1.dkr.ecr.x/i:1")
    assert "sagemaker:CreateEndpoint is denied" in " ".join(entry["details"])


def test_a_federated_user_is_not_simulated(validate, aws, monkeypatch):
    caller = {"Account": "123456789012", "UserId": "123456789012:x",
              "Arn": "arn:aws:sts::123456789012:federated-user/x"}  # fmt: skip
    playing("sts", "GetCallerIdentity", lambda **_: caller, monkeypatch)
    assert validate("aws_permissions", **AWS)["verdict"] == "skipped"


def test_the_callers_permissions_are_asked_of_iam(validate, aws, monkeypatch):
    asked = []
    simulated(monkeypatch, asked=asked)
    entry = validate("aws_permissions", **{**AWS, "redshift_workgroup": "w", "redshift_host": ""})
    assert entry["verdict"] == "passed" and re.match(r"2\d actions", entry["found"])
    resources = {resource for _, found in asked for resource in found}
    assert "arn:aws:s3:::concert-demo-raw/*" in resources and ROLE in resources
    assert "arn:aws:glue:us-east-1:123456789012:job/concert-etl" in resources


def test_a_denied_action_is_named_with_what_it_is_for(validate, aws, monkeypatch):
    simulated(monkeypatch, denied=("glue:StartJobRun", "iam:PassRole"))
    entry = validate("aws_permissions", **AWS)
    assert entry["verdict"] == "failed" and "OperatorPolicy" in entry["hint"]
    assert entry["details"][0].startswith("glue:StartJobRun is denied, needed to keep the job")
    assert entry["details"][1] == "iam:PassRole is denied, needed to give the job its role"


def test_a_caller_that_may_not_ask_iam_is_no_failure(validate, aws, monkeypatch):
    denying("iam", "SimulatePrincipalPolicy", "AccessDenied", monkeypatch)
    entry = validate("aws_permissions", **AWS)
    assert entry["verdict"] == "skipped" and "iam:SimulatePrincipalPolicy" in entry["found"]


def test_a_role_that_somebody_assumed_counts_as_the_role(validate, aws, monkeypatch):
    asked = []
    simulated(monkeypatch, asked=asked)
    caller = {"Account": "123456789012", "UserId": "AROA:session",
              "Arn": "arn:aws:sts::123456789012:assumed-role/concert-demo/session"}  # fmt: skip
    playing("sts", "GetCallerIdentity", lambda **_: caller, monkeypatch)
    validate("aws_permissions", **AWS)
    assert {source for source, _ in asked} == {ROLE}


def test_a_role_that_redshift_may_not_assume_is_seen(validate, aws):
    trust = {
        "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "glue.amazonaws.com"}}]
    }
    aws.client("iam").create_role(RoleName="half", AssumeRolePolicyDocument=json.dumps(trust))
    entry = validate("aws_role", **{**AWS, "iam_role": ROLE.replace("concert-demo", "half")})
    assert entry["verdict"] == "failed" and "redshift.amazonaws.com may not" in entry["found"]
    other = ROLE.replace("123456789012", "999999999999")
    assert validate("aws_role", **{**AWS, "iam_role": other})["verdict"] == "failed"


def test_a_glue_job_that_is_there_already(validate, aws):
    aws.client("glue").create_job(Name="concert-etl", Role=ROLE, Command={"Name": "glueetl"})
    assert "exists" in validate("aws_glue", **AWS)["found"]


def test_the_warehouse(validate, monkeypatch, closed_port):
    closed = {**AWS, "redshift_port": closed_port}
    assert validate("aws_warehouse", **closed)["verdict"] == "failed"
    redshift = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.77467"
    played_redshift(monkeypatch, lambda: Answering(redshift))
    assert validate("aws_warehouse", **AWS)["verdict"] == "passed"
    played_redshift(monkeypatch, lambda: Answering("PostgreSQL 16.1"))
    entry = validate("aws_warehouse", **AWS)
    assert entry["verdict"] == "failed" and "PostgreSQL 16" in entry["found"]

    def refuse():
        raise psycopg2.OperationalError('password authentication failed for user "demo"')

    played_redshift(monkeypatch, refuse)
    entry = validate("aws_warehouse", **AWS)
    assert "hush" not in json.dumps(entry) and "REDSHIFT_" in entry["hint"]


# -- the script ------------------------------------------------------------------------------


class Checks:
    """A validator whose checks find what the test says."""

    def __init__(self, monkeypatch, tmp_path, *findings):
        from src.orchestration.validation import demo_pipeline_validator as module

        def look(finding):
            def run(_):
                if isinstance(finding, Exception):
                    raise finding
                return finding

            return run

        checks = tuple(Check(f"c{i}", "it", look(f)) for i, f in enumerate(findings))
        monkeypatch.setattr(module, "EVERYWHERE", checks)
        monkeypatch.setattr(module, "BY_TARGET", {"local": ()})
        self.settings = Settings(report_dir=str(tmp_path))

    def run(self, **options):
        validator = DemoPipelineValidator(self.settings, **options)
        report = validator.run_validation()
        written = json.loads(validator.report_path.read_text())
        jsonschema.validate(
            {**written, "checks": [{**c, "name": "x"} for c in written["checks"]]}, SCHEMA
        )
        return validator.exit_code, report["tally"]


PASSED, FAILED, SKIPPED = (Finding(word, "a", "b") for word in ("passed", "failed", "skipped"))


@pytest.mark.parametrize(
    ("findings", "strict", "code"),
    [
        ((PASSED, PASSED), False, 0),
        ((FAILED, PASSED), False, 1),
        ((PASSED, SKIPPED), False, 0),
        ((PASSED, SKIPPED), True, 1),
        ((OSError("disk"), PASSED), False, 1),
        ((ModuleNotFoundError("No module named 'x'", name="x"), PASSED), False, 1),
        ((RuntimeError("bug"), FAILED), False, 2),
    ],
)
def test_every_check_runs_and_the_exit_code_says_how_it_went(
    monkeypatch, tmp_path, findings, strict, code
):
    found, tally = Checks(monkeypatch, tmp_path, *findings).run(strict=strict)
    assert found == code
    assert sum(tally.values()) == len(findings)
    assert tally["passed"] == sum(f is PASSED for f in findings), "skipped is never passed"


def test_each_check_prints_expected_and_found(script):
    done = script.run_command(
        script.command(
            "--only", "links,env_example,newest_reports", name="validate_demo_pipeline.py"
        )
    )
    assert done.returncode == 0
    assert "passed   all relative links resolve: " in done.stderr
    assert "skipped  " in done.stderr and "found     no report in" in done.stderr
    assert Path(done.stdout.strip()).name == "validation_report.json"
    assert done.stderr.splitlines()[-1] == "next:  python run_demo_pipeline.py"


def test_a_failed_validation_ends_with_what_to_type(script):
    command = script.command(
        "--only", "newest_reports", "--strict", name="validate_demo_pipeline.py"
    )
    done = script.run_command(command)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "next:  python run_demo_pipeline.py"


def test_json_and_strict_and_a_failed_check(script):
    command = script.command("--only", "newest_reports", "--strict", "--json", "-q",
                             name="validate_demo_pipeline.py")  # fmt: skip
    done = script.run_command(command)
    assert done.returncode == 1 and done.stderr == ""
    assert json.loads(done.stdout)["tally"] == {"passed": 0, "failed": 0, "skipped": 1}


def test_an_unknown_check_is_refused_with_the_known_ones(script):
    done = script.run_command(script.command("--only", "bogus", name="validate_demo_pipeline.py"))
    assert done.returncode == 2
    assert "no check 'bogus'" in done.stderr and "file_structure" in done.stderr


@pytest.mark.parametrize("target", ["local", "aws"])
def test_the_list_names_every_check_and_runs_none(capsys, target, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert validate_demo_pipeline.main(["--list", "--target", target]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [check.name for check in all_checks(target)]
    assert list(tmp_path.iterdir()) == []


def test_smoke_runs_only_where_it_is_asked_for():
    names = [check.name for check in DemoPipelineValidator(Settings()).checks]
    assert "smoke" not in names
    asked = DemoPipelineValidator(replace(Settings()), run_smoke=True).checks
    assert [check.name for check in asked] == [*names, "smoke"]
