"""The scripts as the template's own operator: every call is granted, and every grant is called.

S3, STS, IAM, CloudWatch Logs and Secrets Manager are moto's server; Glue, Redshift and its Data
API are the local cloud's. Glue reads and writes S3 as its role, COPY and UNLOAD as theirs, and
IAM's rules stand before all of them. The account is the template's.
"""

import ast
import json
import os
from contextlib import closing
from urllib.parse import unquote

import boto3
import pytest

from src.infrastructure.aws.glue_job import log_groups
from src.local_cloud.endpoint import local_services
from src.local_cloud.endpoint.warehouse_access import NAME, TemporaryUsers, workgroup_arn
from src.local_cloud.redshift.front.certificate import server_context
from src.local_cloud.redshift.front.server import Front
from src.local_cloud.servers.postgres_server import USER, connect_arguments
from src.local_cloud.servers.server_set import REGION, shared_loader
from src.orchestration.validation.aws_target import CHECKS as CHECKS_OF_AWS
from tests.aws.calls import method_of
from tests.aws.gate import Gate, guarded_dispatcher
from tests.aws.rights import Rights
from tests.conftest import ROOT, Trainer
from tests.unit.infrastructure.test_cloudformation import known_to_moto

pytest.importorskip("flask", reason="moto's server needs flask and flask-cors")
pytestmark = pytest.mark.filterwarnings("ignore:.*(Tried to parse|No Moto).*")
ADMIN = {"aws_access_key_id": "AKIAADMIN", "aws_secret_access_key": "secret"}
MOTO = ("S3", "STS", "IAM", "CLOUDWATCH_LOGS", "CLOUDWATCH", "SECRETS_MANAGER",
        "SCHEDULER", "SFN", "CODEBUILD")  # fmt: skip
LOCAL = ("GLUE", "REDSHIFT_DATA", "REDSHIFT", "REDSHIFT_SERVERLESS", "SAGEMAKER",
         "KINESIS")  # fmt: skip
OPERATIONS = ROOT / "src/infrastructure/cloudformation/operations.json"
SECRET = "redshift!concert-demo-concert_admin"
CHECKS = ",".join(check.name for check in CHECKS_OF_AWS)
WORLD = ["--artists", "60", "--venues", "30", "--concerts", "700", "--sales", "3000"]


def read(document):
    """Return a policy, which moto's server sends in two ways."""
    if not isinstance(document, str):
        return document
    text = unquote(document)
    return json.loads(text) if text.startswith('{"') else ast.literal_eval(text)


@pytest.fixture(scope="module")
def gate():
    return Gate()


@pytest.fixture(scope="module")
def moto_url(gate):
    from moto.moto_server import threaded_moto_server
    from moto.s3.models import FakeBucket

    make = threaded_moto_server.DomainDispatcherApplication
    with pytest.MonkeyPatch.context() as patch:
        # moto denies what a policy denies under a condition, whatever the condition.
        patch.setattr(FakeBucket, "get_permission", lambda *_: None)
        patch.setattr(threaded_moto_server, "DomainDispatcherApplication",
                      lambda create: gate.in_front_of(make(create)))  # fmt: skip
        server = threaded_moto_server.ThreadedMotoServer(port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="module")
def account(gate, moto_url, cloud):
    """An account with the template's stack: its environment file, and the keys of three."""

    def client(service, **key):
        return boto3.client(service, endpoint_url=moto_url, region_name=REGION, **(key or ADMIN))

    gate.workgroup_arn = workgroup_arn(REGION)
    iam, stacks = client("iam"), client("cloudformation")
    iam.create_user(UserName="operator")
    given = {"RawBucketName": "op-raw", "ProcessedBucketName": "op-processed",
             "OperatorUserName": "operator"}  # fmt: skip
    stacks.create_stack(
        StackName="demo", TemplateBody=known_to_moto(gate.workgroup_arn),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )  # fmt: skip
    (stack,) = stacks.describe_stacks(StackName="demo")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    for bucket in ("op-raw", "op-processed"):  # so that a run creates them
        client("s3").delete_bucket(Bucket=bucket)
    client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(
        {"username": USER, "password": cloud.redshift_address()["password"]}))  # fmt: skip
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    operator = key["AccessKeyId"], key["SecretAccessKey"]
    outputs |= stack_of_operations(stacks, outputs)
    policies = [
        read(iam.get_policy_version(PolicyArn=outputs[name], VersionId="v1")["PolicyVersion"][
            "Document"])
        for name in ("OperatorPolicy", "SchedulePolicyArn", "ServingPolicy", "LakePolicyArn")
    ]  # fmt: skip
    own = dict(zip(("aws_access_key_id", "aws_secret_access_key"), operator, strict=True))
    caller = client("sts", **own).get_caller_identity()
    gate.identities[operator[0]] = Rights(caller["Arn"], *policies, user_id=caller["UserId"])
    env = dict(line.split("=", 1) for line in outputs["EnvFile"].splitlines())
    clients = {}
    for name in ("GLUE_ROLE", "REDSHIFT_ROLE"):
        assumed = client("sts").assume_role(RoleArn=env[name], RoleSessionName="session")[
            "Credentials"
        ]
        role = env[name].split("/")[-1]
        document = iam.get_role_policy(RoleName=role, PolicyName="concert-demo")
        gate.identities[assumed["AccessKeyId"]] = Rights(
            env[name], read(document["PolicyDocument"])
        )
        clients[name] = client(
            "s3", aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )  # fmt: skip
    return env, operator, clients, sum(len(policy["Statement"]) for policy in policies[:2])


def stack_of_operations(stacks, outputs):
    """Create the stack of operations.json; returns its outputs."""
    given = {"OperatorPolicyArn": outputs["OperatorPolicy"],
             "ServingPolicyArn": outputs["ServingPolicy"],
             "MakesLakePolicy": "true"}  # fmt: skip
    stacks.create_stack(
        StackName="operations", TemplateBody=OPERATIONS.read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )  # fmt: skip
    (stack,) = stacks.describe_stacks(StackName="operations")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture(scope="module")
def environment(cloud, gate, moto_url, account, tmp_path_factory):
    """The variables by which the operator's scripts find everything."""
    env, operator, clients, _ = account
    folder = tmp_path_factory.mktemp("operator")
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS concert_dw CASCADE")
        connection.commit()
    address, users = cloud.redshift_address(), TemporaryUsers(USER)
    front = Front(address, lambda: clients["REDSHIFT_ROLE"], tls=server_context(folder / "tls"),
                  temporary=users.login)  # fmt: skip
    front.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_services, "Dispatcher", guarded_dispatcher(gate, operator[0]))
        services = local_services.LocalServices(
            operator, connect_arguments(front.port, address["password"]), users,
            lambda: clients["GLUE_ROLE"], folder / "glue", cancel=front.cancel, region=REGION,
            loader=shared_loader(),
        )  # fmt: skip
    services.server.start()
    url = f"http://127.0.0.1:{services.server.port}"
    moto = dict.fromkeys(MOTO, moto_url)
    local = dict.fromkeys(LOCAL, url)
    yield {
        **{f"AWS_ENDPOINT_URL_{name}": value for name, value in {**moto, **local}.items()},
        "AWS_ACCESS_KEY_ID": operator[0], "AWS_SECRET_ACCESS_KEY": operator[1],
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "REDSHIFT_CA_FILE": str(folder / "tls" / "ca.pem"), **env,
    }  # fmt: skip
    services.stop()
    front.stop()


# What only a failure calls; the program's text has the call.
ON_FAILURE = {"s3:AbortMultipartUpload", "glue:BatchStopJobRun", "redshift-data:CancelStatement",
              "logs:GetLogEvents"}  # fmt: skip
BY_BOTO3 = {"s3:AbortMultipartUpload"}  # its own managed transfer calls it
# What Glue's and Redshift's own connectors to S3 and CloudWatch call.
OF_SERVICES = {"s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload",
               "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
               "s3:ListBucket", "s3:DeleteObject", "s3:GetObject"}  # fmt: skip

OF_SPARK = {"WriteRaw"}  # generation on Glue needs Spark: test_remote_parts plays its writes


def test_everything_runs_as_the_operator_and_every_grant_is_called(
    gate, account, environment, tmp_path_factory
):
    script, aws = Trainer(tmp_path_factory.mktemp("on-aws")), ("--target", "aws")

    def done(command, **more):
        result = script.run_command(command, **{**environment, **more})
        assert not gate.denied, gate.denied
        assert result.returncode == 0, result.stderr
        return result

    def python(*arguments):
        return [script.command()[0], *arguments]

    validate = script.command("--only", CHECKS,
        *aws, name="validate_demo_pipeline.py")  # fmt: skip
    done(validate)
    done(script.command(*aws, *WORLD))
    merged = script.command(*aws, "--skip-generation", "--load-mode", "merge")
    done(merged, GLUE_WORKERS="3", REDSHIFT_VIA="driver")
    models = ["--output-dir", str(script.folder / "models")]
    train = script.command(*aws, *models, name="train_demo_models.py")
    done(train, REDSHIFT_VIA="driver", REDSHIFT_SECRET=SECRET)
    operations = python("-m", "src.operations")
    for expression in ("rate(1 day)", "cron(0 6 * * ? *)"):  # it is made, and updated
        done([*operations, "schedule", expression, *aws])
    assert "cron(0 6 * * ? *)  UTC" in done([*operations, "list", *aws]).stdout
    text = done(python("-m", "src.operations", "cleanup", "--yes")).stderr
    for what in (
        "bucket op-raw",
        "Glue job concert-etl",
        "state machine concert-demo-cycle",
        f"log group {log_groups('concert-etl')[0]}",
    ):
        assert f"removed  {what}" in text
    _, operator, _, own = account  # the policy of serving has tests of its own
    for key, rights in gate.identities.items():
        is_operator = key == operator[0]
        unused = {
            action for number, action in rights.grants()
            if (number, action) not in rights.used and (number < own or not is_operator)
            and not action.startswith("kinesis:")  # of the live layer, whose tests call it
            and rights.statements[number].get("Sid") not in OF_SPARK
        }  # fmt: skip
        assert unused <= (ON_FAILURE if is_operator else OF_SERVICES), rights.arn


def test_what_only_a_failure_calls_is_in_the_program():
    sources = [p.read_text() for p in (ROOT / "src/infrastructure").rglob("*.py")]
    for action in ON_FAILURE - BY_BOTO3:
        assert any(f".{method_of(action)}" in text for text in sources), action


def test_the_workgroup_is_the_one_that_the_environment_file_names(account):
    assert account[0]["REDSHIFT_WORKGROUP"] == NAME
