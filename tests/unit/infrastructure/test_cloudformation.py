"""The template: clean, least privilege, and creatable, as far as moto knows its resources."""

import ast
import json
import re
import warnings
from urllib.parse import urlsplit

import boto3
import cfnlint.api
import pytest
from botocore.config import Config
from cfnlint.decode import cfn_yaml
from moto import mock_aws

from src.domain.bucket_layout import EXPIRING
from src.infrastructure.aws.bucket_setup import BucketSetup, tls_only
from src.infrastructure.aws.glue_job import GlueJob, definition
from src.infrastructure.aws.permissions import GLUE, OPERATOR, REDSHIFT, names_of
from src.infrastructure.aws.sagemaker_permissions import SAGEMAKER, SERVING, serving_names
from src.settings import Settings, load_settings
from tests.conftest import ROOT

FILE = ROOT / "src/infrastructure/cloudformation/concert-demo.yaml"
PARAMETERS = {"RawBucketName": "my-raw", "ProcessedBucketName": "my-processed"}
ACCOUNT = "123456789012"
EVERY = (*GLUE, *REDSHIFT, *OPERATOR, *SAGEMAKER, *SERVING)
NEW_WORKGROUP = f"arn:aws:redshift-serverless:us-east-1:{ACCOUNT}:workgroup/new"


@pytest.fixture(scope="module")
def template():
    return cfn_yaml.load(str(FILE))


def known_to_moto(workgroup=NEW_WORKGROUP):
    """Return the template with an address for the workgroup, which moto cannot create."""
    text, attribute = FILE.read_text(), "Workgroup.Workgroup.WorkgroupArn"
    return text.replace(f"!GetAtt {attribute}", workgroup).replace(f"${{{attribute}}}", workgroup)


def create(**parameters):
    given = [
        {"ParameterKey": k, "ParameterValue": v} for k, v in {**PARAMETERS, **parameters}.items()
    ]
    client = boto3.client("cloudformation")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Tried to parse|No Moto)")  # what moto does not know
        client.create_stack(
            StackName="demo", TemplateBody=known_to_moto(), Parameters=given,
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


def expected(permissions, roles):
    settings = Settings(
        raw_bucket="my-raw", processed_bucket="my-processed", redshift_workgroup="mine",
        glue_role=roles["GLUE_ROLE"], redshift_role=roles["REDSHIFT_ROLE"],
        redshift_secret="of-mine", sagemaker_role=roles["SAGEMAKER_ROLE"],
    )  # fmt: skip
    names = names_of(settings, ACCOUNT, WORKGROUP) | serving_names(settings, ACCOUNT)
    return {
        p.name: ({*p.actions}, {r.format(**names) for r in p.resources}, "Allow",
                 {"StringEquals": dict(p.condition)} if p.condition else None)
        for p in permissions
    }  # fmt: skip


SECRETS = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
WORKGROUP = f"arn:aws:redshift-serverless:us-east-1:{ACCOUNT}:workgroup/0f0f"
EXISTING = {"ExistingWorkgroup": "mine", "ExistingWorkgroupId": "0f0f",
            "ExistingSecretName": "of-mine"}  # fmt: skip
OPERATORS = [p for p in OPERATOR if not p.needed.startswith("cluster")]  # it makes a workgroup


def granted_to_operator(account, outputs, policy="OperatorPolicy"):
    iam = account.client("iam")
    version = iam.get_policy_version(PolicyArn=outputs[policy], VersionId="v1")
    return statements(version["PolicyVersion"]["Document"])


def env_of(outputs):
    return dict(line.split("=", 1) for line in outputs["EnvFile"].splitlines())


def test_the_policies_grant_what_the_list_says_and_nothing_else(account):
    outputs = create(**EXISTING)
    env = env_of(outputs)
    iam = account.client("iam")
    for variable, permissions in (("GLUE_ROLE", GLUE), ("REDSHIFT_ROLE", REDSHIFT),
                                  ("SAGEMAKER_ROLE", SAGEMAKER)):  # fmt: skip
        name = env[variable].split("/")[-1]
        policy = iam.get_role_policy(RoleName=name, PolicyName="concert-demo")["PolicyDocument"]
        assert statements(policy) == expected(permissions, env)
        assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["concert-demo"]
        assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert granted_to_operator(account, outputs) == expected(OPERATORS, env)
    assert granted_to_operator(account, outputs, "ServingPolicy") == expected(SERVING, env)


def test_the_secret_is_the_new_namespaces_own(account):
    resources = granted_to_operator(account, create())["Secret"][1]
    assert resources == {f"{SECRETS}redshift!concert-demo-concert_admin-??????"}


# Actions that IAM knows no resource for, or whose resource cannot be known beforehand.
UNNAMED = {"FindStreams", "OwnSessions", "OwnStatements", "Simulate", "Lists", "EnterRegistry"}

READ_ONLY = {"FindStreams", "Simulate", "Lists", "EnterRegistry"}


def test_no_resource_is_a_wildcard_where_a_name_is_possible():
    for permission in EVERY:
        for resource in permission.resources:
            is_named = resource.startswith("{")
            assert is_named or permission.name in UNNAMED, permission.name
        if permission.resources == ("*",) and permission.name not in READ_ONLY:
            assert permission.condition, f"{permission.name} holds for everyone's"


def test_a_stack_attaches_its_policy_and_is_deleted_whole(account):
    iam, stacks = account.client("iam"), account.client("cloudformation")
    iam.create_user(UserName="operator")
    outputs = create(OperatorUserName="operator")
    arns = {outputs["OperatorPolicy"], outputs["ServingPolicy"]}
    attached = iam.list_attached_user_policies(UserName="operator")["AttachedPolicies"]
    assert {policy["PolicyArn"] for policy in attached} == arns
    for arn in arns:  # CloudFormation detaches and deletes them, moto does not
        iam.detach_user_policy(UserName="operator", PolicyArn=arn)
        iam.delete_policy(PolicyArn=arn)
    stacks.delete_stack(StackName="demo")
    assert iam.list_roles()["Roles"] == []
    assert account.client("s3").list_buckets()["Buckets"] == []
    create(OperatorUserName="operator")  # the same names again


def test_the_network_and_the_most_capacity_are_parameters(template):
    properties = template["Resources"]["Workgroup"]["Properties"]
    for name, condition in (("SubnetIds", "NamesSubnets"),
                            ("SecurityGroupIds", "NamesSecurityGroups")):  # fmt: skip
        given = {"Fn::If": [condition, {"Ref": name}, {"Ref": "AWS::NoValue"}]}
        assert json.loads(json.dumps(properties[name])) == given
    assert properties["MaxCapacity"] == {"Ref": "MaxCapacity"}
    assert "create-usage-limit" in str(template["Outputs"]["UsageLimit"]["Value"])


def test_an_existing_workgroup_needs_its_id(template):
    (assertion,) = template["Rules"]["ExistingWorkgroupHasId"]["Assertions"]
    assert "ExistingWorkgroupId" in str(assertion["Assert"])


@pytest.mark.parametrize("required", ["true", "false"])
def test_roles_may_be_assumed_for_this_account_only(account, required):
    env = env_of(create(RequireSourceAccount=required))
    for variable in ("GLUE_ROLE", "REDSHIFT_ROLE", "SAGEMAKER_ROLE"):
        role = account.client("iam").get_role(RoleName=env[variable].split("/")[-1])["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        wanted = {"StringEquals": {"aws:SourceAccount": ACCOUNT}} if required == "true" else None
        assert statement.get("Condition") == wanted


def test_each_grant_has_its_reason_beside_it():
    text = FILE.read_text()
    for permission in EVERY:
        if not permission.needed.startswith("cluster"):
            assert f"# To {permission.reason}.\n" in text, permission.name


def test_no_action_is_a_wildcard():
    for permission in EVERY:
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
            if name == "DefaultArguments":
                prefix = found[name].pop("--custom-logGroup-prefix")["Fn::Sub"]
                own = value.pop("--custom-logGroup-prefix")
                assert prefix.replace("${GlueJobName}", "concert-etl") == own
            assert found[name] == value, name


# Arguments of Glue's own by the versions that take them: the others are passed over in silence.
GLUE_ARGUMENTS = {
    "--job-language": ("5.0", "5.1"),
    "--job-bookmark-option": ("5.0", "5.1"),
    "--custom-logGroup-prefix": ("5.0", "5.1"),
    "--enable-continuous-cloudwatch-log": (),  # up to 4.0
    "--continuous-log-logGroup": (),  # up to 4.0
    "--enable-metrics": (),  # metrics begin with a GlueContext, which the script does not make
}


@pytest.mark.parametrize("version", ["5.0", "5.1"])
def test_every_argument_of_the_job_has_an_effect(tmp_path, version):
    job = GlueJob("concert-etl", "role", tmp_path / "x.py", glue_version=version)
    for argument in definition(job, "s3://x")["DefaultArguments"]:
        assert version in GLUE_ARGUMENTS[argument], argument


def test_the_outputs_are_settings_that_suffice(account, tmp_path):
    outputs = create(**EXISTING)
    file = tmp_path / ".env"
    file.write_text(outputs["EnvFile"] + "\n")
    assert load_settings(environ={}, env_file=file).target == "local"  # AWS only when selected
    settings = load_settings({"target": "aws"}, environ={}, env_file=file)
    assert settings.redshift_workgroup == "mine" and settings.aws_region == "us-east-1"
    assert settings.raw_bucket == "my-raw" and settings.redshift_via == "data-api"


def test_an_existing_workgroup_is_not_created_again(template):
    for name in ("Namespace", "Workgroup"):
        assert template["Resources"][name]["Condition"] == "CreatesWorkgroup"


def test_the_template_holds_no_account_and_no_secret():
    text = FILE.read_text()
    assert not re.search(
        r"\b\d{12}\b|AKIA|^\s*\w*password:(?! true)", text, re.IGNORECASE | re.MULTILINE
    )


def test_glues_role_may_make_the_calls_of_its_connectors_to_s3(account):
    """Those of EMRFS and S3A, in which a task that failed ends its uploads; of outputs only."""
    from tests.aws.calls import s3_call, s3_needs
    from tests.aws.rights import Rights

    names = names_of(Settings(raw_bucket="raw", processed_bucket="done"), ACCOUNT)
    granted = [{"Effect": "Allow", "Action": [*p.actions],
                "Resource": [r.format(**names) for r in p.resources]} for p in GLUE]  # fmt: skip
    rights = Rights("glue", {"Statement": granted})
    s3 = account.client("s3", region_name="us-east-1",
                        config=Config(s3={"addressing_style": "path"}))  # fmt: skip
    denied = []

    def note(request, **_):
        url = urlsplit(request.url)
        call = s3_call(request.method, f"{url.path}?{url.query}", request.body)
        denied.extend(need for need in s3_needs(*call) if not rights.allows(need))

    s3.create_bucket(Bucket="done")
    s3.meta.events.register_first("before-send.s3.*", note)
    for key in ("processed/run/part-0", "processed_$folder$", "models/m"):
        place = {"Bucket": "done", "Key": key}
        s3.put_object(**place, Body=b"x")
        upload = s3.create_multipart_upload(**place)["UploadId"]
        s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")
        s3.list_multipart_uploads(Bucket="done", Prefix=key)
        s3.abort_multipart_upload(**place, UploadId=upload)
        s3.head_object(**place)
        s3.delete_objects(Bucket="done", Delete={"Objects": [{"Key": key}]})
        s3.list_objects_v2(Bucket="done")
        s3.get_bucket_location(Bucket="done")
    assert {need.resource for need in denied} == {"arn:aws:s3:::done/models/m"}


def test_the_streams_grants_are_what_its_calls_need(account):
    """The producer's and the cleanup's calls, as boto3 makes them, behind the policy."""
    from src.infrastructure.streaming.stream_setup import ensure_stream
    from tests.aws.calls import needs

    settings = Settings()
    names = names_of(settings, ACCOUNT)
    granted = {(action, resource.format(**names)) for p in (*OPERATOR, *REDSHIFT)
               for action in p.actions for resource in p.resources}  # fmt: skip
    kinesis, asked = account.client("kinesis", region_name="us-east-1"), set()

    def note(params, model, **_):
        given = json.loads(params["body"])
        asked.update((n.action, n.resource) for n in needs("kinesis", model.name, given, ""))

    kinesis.meta.events.register("before-call.kinesis.*", note)
    assert ensure_stream(kinesis, settings.stream, 2) == 2
    kinesis.put_records(StreamName=settings.stream,
                        Records=[{"Data": b"x", "PartitionKey": "p"}])  # fmt: skip
    kinesis.list_tags_for_stream(StreamName=settings.stream)
    kinesis.delete_stream(StreamName=settings.stream)
    assert asked <= granted
    assert asked == {(action, names["stream"]) for p in OPERATOR if "Stream" in p.name
                     for action in p.actions}  # fmt: skip
