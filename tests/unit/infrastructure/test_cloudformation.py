"""The template: clean, least privilege, and creatable, as far as moto knows its resources."""

import ast
import json
import re
import warnings

import boto3
import cfnlint.api
import pytest
from cfnlint.decode import cfn_yaml
from moto import mock_aws

from src.domain.bucket_layout import EXPIRING
from src.infrastructure.aws.bucket_setup import BucketSetup, tls_only
from src.infrastructure.aws.glue_job import GlueJob, definition
from src.infrastructure.aws.permissions import GLUE, OPERATOR, REDSHIFT, names_of
from src.settings import Settings, load_settings
from tests.conftest import ROOT

FILE = ROOT / "src/infrastructure/cloudformation/concert-demo.yaml"
PARAMETERS = {"RawBucketName": "my-raw", "ProcessedBucketName": "my-processed"}
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def template():
    return cfn_yaml.load(str(FILE))


def create(**parameters):
    given = [
        {"ParameterKey": k, "ParameterValue": v} for k, v in {**PARAMETERS, **parameters}.items()
    ]
    client = boto3.client("cloudformation")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Tried to parse|No Moto)")  # what moto does not know
        client.create_stack(
            StackName="demo", TemplateBody=FILE.read_text(), Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )  # fmt: skip
        (stack,) = client.describe_stacks(StackName="demo")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture
def account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3


def test_cfn_lint_finds_nothing():
    found = cfnlint.api.lint_file(FILE)
    assert found == [], [str(match) for match in found]


def statements(policy):
    if isinstance(policy, str):  # as moto keeps a role's policy
        policy = ast.literal_eval(policy)
    return {
        s["Sid"]: ({*s["Action"]}, {*s["Resource"]}, s["Effect"], s.get("Condition"))
        for s in policy["Statement"]
    }


CONDITIONS = {
    "PassGlueRole": {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}},
    "WriteMetrics": {"StringEquals": {"cloudwatch:namespace": "Glue"}},
}


def expected(permissions, glue_role):
    settings = Settings(
        raw_bucket="my-raw", processed_bucket="my-processed", glue_role=glue_role,
        redshift_secret=f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:redshift!*",
    )  # fmt: skip
    names = names_of(settings, ACCOUNT)
    return {
        p.name: ({*p.actions}, {r.format(**names) for r in p.resources}, "Allow",
                 CONDITIONS.get(p.name))
        for p in permissions
    }  # fmt: skip


def test_the_policies_grant_what_the_list_says_and_nothing_else(account):
    outputs = create()
    env = dict(line.split("=", 1) for line in outputs["EnvFile"].splitlines())
    iam = account.client("iam")
    for variable, permissions in (("GLUE_ROLE", GLUE), ("REDSHIFT_ROLE", REDSHIFT)):
        name = env[variable].split("/")[-1]
        policy = iam.get_role_policy(RoleName=name, PolicyName="concert-demo")["PolicyDocument"]
        assert statements(policy) == expected(permissions, env["GLUE_ROLE"])
        assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["concert-demo"]
        assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    version = iam.get_policy_version(PolicyArn=outputs["OperatorPolicy"], VersionId="v1")
    operator = [p for p in OPERATOR if p.needed != "cluster"]  # a workgroup is what it creates
    granted = statements(version["PolicyVersion"]["Document"])
    assert granted == expected(operator, env["GLUE_ROLE"])


def test_each_grant_has_its_reason_beside_it():
    text = FILE.read_text()
    for permission in (*GLUE, *REDSHIFT, *OPERATOR):
        if permission.needed != "cluster":
            assert f"# To {permission.reason}.\n" in text, permission.name


def test_no_action_is_a_wildcard():
    for permission in (*GLUE, *REDSHIFT, *OPERATOR):
        assert permission.reason and not any("*" in action for action in permission.actions)


def test_the_buckets_are_what_a_run_would_have_made(account, template):
    create()
    names = {bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]}
    assert names == set(PARAMETERS.values())
    days = {}
    for name in ("RawBucket", "ProcessedBucket"):
        found = template["Resources"][name]["Properties"]
        assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
        assert "AES256" in str(found["BucketEncryption"])
        rules = found["LifecycleConfiguration"]["Rules"]
        days |= {r["Prefix"]: r["ExpirationInDays"] for r in rules if "Prefix" in r}
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
        assert found["Tags"] == BucketSetup("us-east-1", ACCOUNT).creation()["Tags"]
    assert days == dict.fromkeys(EXPIRING, {"Ref": "ExpireDays"})
    statement = tls_only("b", "us-east-1")["Statement"][0]
    for name in ("RawBucketPolicy", "ProcessedBucketPolicy"):
        (found,) = template["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
        assert {k: v for k, v in found.items() if k != "Resource"} == {
            k: v for k, v in statement.items() if k != "Resource"
        }


def test_the_job_is_what_a_run_would_have_made(template, tmp_path):
    script = tmp_path / "x.py"
    script.touch()
    wanted = definition(GlueJob("concert-etl", "role", script), "s3://x")
    found = json.loads(json.dumps(template["Resources"]["GlueJob"]["Properties"]))
    for name, value in wanted.items():
        if name not in ("Role", "Command"):
            found[name].pop("--continuous-log-logGroup") if name == "DefaultArguments" else None
            value.pop("--continuous-log-logGroup") if name == "DefaultArguments" else None
            assert found[name] == value, name


def test_the_outputs_are_settings_that_suffice(account, tmp_path):
    outputs = create(ExistingWorkgroup="of-mine")
    file = tmp_path / ".env"
    file.write_text(outputs["EnvFile"] + "\n")
    settings = load_settings(environ={}, env_file=file)
    assert settings.target == "aws" and settings.redshift_workgroup == "of-mine"
    assert settings.raw_bucket == "my-raw" and settings.redshift_via == "data-api"


def test_an_existing_workgroup_is_not_created_again(template):
    for name in ("Namespace", "Workgroup"):
        assert template["Resources"][name]["Condition"] == "CreatesWorkgroup"


def test_the_template_holds_no_account_and_no_secret():
    text = FILE.read_text()
    assert not re.search(
        r"\b\d{12}\b|AKIA|^\s*\w*password:(?! true)", text, re.IGNORECASE | re.MULTILINE
    )
