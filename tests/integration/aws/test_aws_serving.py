"""Deploying the model on AWS: the same code, its calls within the rights that the template grants.

SageMaker is the local one, whose calls are checked by botocore's models; CloudWatch's and the
logs' calls are checked by them too, and answered here.
"""

import json
import sys
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from src.errors import ServingError
from src.infrastructure.aws.account import DEMO_TAG
from src.infrastructure.aws.permissions import names_of
from src.infrastructure.aws.sagemaker_endpoint import ModelEndpoint, Version
from src.infrastructure.aws.sagemaker_permissions import SAGEMAKER, SERVING, serving_names
from src.infrastructure.aws.sagemaker_transform import FORMATS, TransformJob
from src.infrastructure.storage.s3_storage import S3Storage
from src.local_cloud.sagemaker.local_sagemaker import LocalSageMaker
from src.settings import Settings
from tests.aws.calls import ACCOUNT, needs
from tests.aws.rights import Rights
from tests.aws.validating import Played, refusal, valid
from tests.conftest import ROOT
from tests.integration.local_cloud.test_local_sagemaker import package

import botocore.session  # isort: skip

BUCKET, ROLE = "aws-serving-tests", f"arn:aws:iam::{ACCOUNT}:role/model"
PROGRAM = (sys.executable, str(ROOT / "tests/aws/model_program.py"))
SETTINGS = Settings(processed_bucket=BUCKET, sagemaker_role=ROLE, endpoint_name="shows")


class SageMaker:
    """The local SageMaker in AWS's place: calls are valid, noted, and may be stopped at."""

    def __init__(self, local, calls):
        self.local, self.calls = local, calls
        self.model = botocore.session.get_session().get_service_model("sagemaker")
        self.names = {botocore.xform_name(name): name for name in self.model.operation_names}
        self.before = lambda name: None

    def __getattr__(self, method):
        name = self.names[method]
        shapes = self.model.operation_model(name)

        def call(**given):
            valid(given, shapes.input_shape)
            self.before(name)
            self.calls.append(("sagemaker", name, given))
            deployment = given.get("DeploymentConfig")
            if deployment:  # alarms and the time they watch are AWS's
                given = {**given, "DeploymentConfig": {}}
            try:
                return getattr(self.local, method)(**given)
            except ClientError as error:
                raise refusal(error.response["Error"]["Code"], name,
                              error.response["Error"]["Message"]) from None  # fmt: skip

        return call

    def get_paginator(self, method):
        return SimpleNamespace(paginate=lambda **given: [getattr(self, method)(**given)])


GROUP = "/aws/sagemaker/Endpoints/shows"
TAG = dict([DEMO_TAG])


class CloudWatch(Played):
    service = "cloudwatch"

    def __init__(self):
        super().__init__()
        self.alarms = {}

    def put_metric_alarm(self, **alarm):
        found = self.alarms.setdefault(alarm["AlarmName"], alarm)  # its tags are set once
        self.alarms[alarm["AlarmName"]] = {**alarm, "Tags": found["Tags"]}
        return {}

    def describe_alarms(self, *, AlarmNames):
        head = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:"
        found = [{"AlarmName": n, "AlarmArn": head + n} for n in AlarmNames if n in self.alarms]
        return {"MetricAlarms": found}

    def list_tags_for_resource(self, *, ResourceARN):
        name = ResourceARN.split(":")[-1]
        return {"Tags": self.alarms[name]["Tags"]}

    def delete_alarms(self, *, AlarmNames):
        for name in AlarmNames:
            del self.alarms[name]
        return {}


class Logs(Played):
    service = "logs"

    def __init__(self):
        super().__init__()
        self.groups = {}  # name -> tags
        self.days = {}

    def create_log_group(self, *, logGroupName, tags):
        if logGroupName in self.groups:
            raise refusal("ResourceAlreadyExistsException")
        self.groups[logGroupName] = tags
        return {}

    def put_retention_policy(self, *, logGroupName, retentionInDays):
        self.days[logGroupName] = retentionInDays
        return {}

    def list_tags_for_resource(self, *, resourceArn):
        name = resourceArn.removeprefix(f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:")
        if name not in self.groups:
            raise refusal("ResourceNotFoundException")
        return {"tags": self.groups[name]}

    def delete_log_group(self, *, logGroupName):
        del self.groups[logGroupName]
        return {}


class Account:
    """An account with the operator's rights to deploy; `calls` notes what was called."""

    def __init__(self, s3, folder):
        self.s3, self.noted = s3, []
        self.local = LocalSageMaker(s3, folder, region="us-east-1", program=PROGRAM)
        self.sagemaker = SageMaker(self.local, self.noted)
        self.cloudwatch, self.logs = CloudWatch(), Logs()
        clients = {"cloudwatch": self.cloudwatch, "logs": self.logs}
        aws = SimpleNamespace(client=clients.get, region="us-east-1", account_id=ACCOUNT)
        self.endpoint = ModelEndpoint(self.sagemaker, "shows", account=aws, poll_s=0.02)

    def version(self, number, **behaviour):
        key = f"models/ticket_sales/versions/{number}/model.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=package(version=number, **behaviour))
        return Version(number, f"s3://{BUCKET}/{key}", f"{number}{behaviour}", "image", ROLE)

    def answering(self):
        answer = self.local.invoke_endpoint(EndpointName="shows", Body=b"{}")
        return json.loads(answer["Body"])["version"]

    def calls(self):
        for service in (self.cloudwatch, self.logs):
            self.noted += [(service.service, name, given) for name, given in service.calls]
            service.calls.clear()
        return self.noted


@pytest.fixture
def account(cloud, tmp_path):
    S3Storage(cloud.s3_client(), BUCKET).ensure_bucket()
    account = Account(cloud.s3_client(), tmp_path / "sagemaker")
    yield account
    account.local.close()


def rights():
    names = names_of(SETTINGS, ACCOUNT) | serving_names(SETTINGS, ACCOUNT)
    statements = [
        {"Effect": "Allow", "Action": [*p.actions],
         "Resource": [resource.format(**names) for resource in p.resources],
         **({"Condition": {"StringEquals": dict(p.condition)}} if p.condition else {})}
        for p in SERVING
    ]  # fmt: skip
    return Rights(f"arn:aws:iam::{ACCOUNT}:user/operator", {"Statement": statements})


def test_every_call_is_granted_and_every_grant_is_used(account):
    endpoint = account.endpoint
    assert endpoint.deploy(account.version(1)) and endpoint.deploy(account.version(2))
    assert account.answering() == 2
    job = TransformJob(account.sagemaker, S3Storage(account.s3, BUCKET), "unload/transform-x/",
                       poll_s=0.02)  # fmt: skip
    model = endpoint.define(account.version(2))
    assert job.run("shows-x", model, b"a\nb\n", FORMATS[".jsonl"]) == b"A\nB\n"
    account.sagemaker.before = interrupt_once("DescribeTransformJob")
    with pytest.raises(KeyboardInterrupt):
        job.run("shows-y", model, b"a\n", FORMATS[".jsonl"])
    account.sagemaker.before = lambda name: None
    removed = [resource for resource in endpoint.resources() if resource.remove() or True]
    assert {one.name.split()[0] for one in removed} == {"endpoint", "model", "alarm", "log"}
    assert not account.cloudwatch.alarms and not account.logs.groups
    assert list(endpoint.resources()) == []
    operator = rights()
    for service, name, given in account.calls():
        for need in needs(service, name, given, ""):
            assert operator.allows(need), f"{name} needs {need}"
    unused = {grant for grant in operator.grants() if grant not in operator.used}
    assert {action for _, action in unused} <= {"sagemaker:InvokeEndpoint"}  # by any client


def interrupt_once(operation):
    """Return what raises KeyboardInterrupt at the first call of an operation."""
    done = []

    def before(name):
        if name == operation and not done:
            done.append(name)
            raise KeyboardInterrupt

    return before


def test_the_alarms_watch_the_endpoint_and_roll_back(account):
    account.endpoint.deploy(account.version(1))
    account.endpoint.deploy(account.version(2))
    (update,) = [given for _, name, given in account.noted if name == "UpdateEndpoint"]
    deployment = update["DeploymentConfig"]
    named = [one["AlarmName"] for one in deployment["AutoRollbackConfiguration"]["Alarms"]]
    assert named == list(account.cloudwatch.alarms)
    assert deployment["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] > 60
    for alarm in account.cloudwatch.alarms.values():
        assert alarm["TreatMissingData"] == "notBreaching"
        assert {"Name": "EndpointName", "Value": "shows"} in alarm["Dimensions"]


def test_a_deployment_that_was_stopped_at_any_call_is_continued_by_the_next(account):
    """The old version answers meanwhile, and in the end only the new one's definitions are left."""
    account.endpoint.deploy(account.version(1))
    number = 1
    for operation in ("CreateModel", "CreateEndpointConfig", "UpdateEndpoint", "DescribeEndpoint",
                      "DeleteEndpointConfig", "DeleteModel"):  # fmt: skip
        number += 1
        account.sagemaker.before = interrupt_once(operation)
        with pytest.raises(KeyboardInterrupt):
            account.endpoint.deploy(account.version(number))
        assert account.answering() in (number - 1, number), operation
        account.endpoint.deploy(account.version(number))
        assert account.answering() == number
        assert len(account.local.list_models()["Models"]) == 1
        assert len(account.local.list_endpoint_configs()["EndpointConfigs"]) == 1
    assert not account.endpoint.deploy(account.version(number))  # nothing to do


def test_a_version_that_does_not_start_is_an_error_and_the_old_one_answers(account):
    account.endpoint.deploy(account.version(1))
    with pytest.raises(ServingError, match="did not come into service; shows-v1-.* still answers"):
        account.endpoint.deploy(account.version(2, start="exit"))
    assert account.answering() == 1
    account.endpoint.deploy(account.version(3))
    assert account.answering() == 3


def test_a_first_version_that_does_not_start_is_replaced_by_the_next(account):
    with pytest.raises(ServingError, match="did not come into service") as caught:
        account.endpoint.deploy(account.version(1, start="exit"))
    assert "the model cannot be loaded" in caught.value.cause and caught.value.exit_code == 1
    account.endpoint.deploy(account.version(2))
    assert account.answering() == 2


def test_what_others_made_stays(account):
    container = {"Image": "theirs", "ModelDataUrl": "s3://theirs/model.tar.gz"}
    account.local.create_model(ModelName="shows-v1-theirs00", PrimaryContainer=container)
    account.local.create_model(ModelName="other-shows-v1", PrimaryContainer=container)
    account.endpoint.deploy(account.version(1))
    for resource in account.endpoint.resources():
        resource.remove()
    left = {one["ModelName"] for one in account.local.list_models()["Models"]}
    assert left == {"shows-v1-theirs00", "other-shows-v1"}


def test_an_endpoint_of_that_name_that_others_made_is_left_alone(account):
    container = {"Image": "theirs", "ModelDataUrl": account.version(1).package_uri}
    variant = {"VariantName": "v", "ModelName": "theirs",
               "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}  # fmt: skip
    account.local.create_model(ModelName="theirs", PrimaryContainer=container)
    account.local.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    account.local.create_endpoint(EndpointName="shows", EndpointConfigName="theirs")
    with pytest.raises(ServingError, match="was not created by the demo") as caught:
        account.endpoint.deploy(account.version(2))
    assert "DEMO_ENDPOINT" in caught.value.hint
    assert account.answering() == 1
    account.logs.groups = {GROUP: {}}
    for resource in account.endpoint.resources():
        resource.remove()
    assert account.answering() == 1 and account.logs.groups


def test_the_log_and_the_alarms_that_others_left_under_the_name_stay(account):
    """Theirs have no tag of ours, also where the demo has definitions and no endpoint."""
    theirs = {"AlarmName": "shows-ModelLatency", "Tags": []}
    account.logs.groups, account.cloudwatch.alarms = {GROUP: {}}, {"shows-ModelLatency": theirs}
    account.endpoint.define(account.version(1))  # as a transform job does
    account.endpoint.deploy(account.version(1))
    assert account.logs.days == {}  # how long they keep their log is theirs to say
    with pytest.raises(ServingError, match="alarm shows-ModelLatency was not created by the demo"):
        account.endpoint.deploy(account.version(2))
    assert account.answering() == 1 and account.cloudwatch.alarms["shows-ModelLatency"] is theirs
    for resource in account.endpoint.resources():
        resource.remove()
    assert list(account.cloudwatch.alarms) == ["shows-ModelLatency"]
    assert account.logs.groups == {GROUP: {}}


def test_the_endpoints_log_has_an_end_before_sagemaker_writes_to_it(account):
    def look(operation):
        if operation == "CreateEndpoint":
            assert account.logs.groups == {GROUP: TAG} and account.logs.days[GROUP] > 0

    account.sagemaker.before = look
    account.endpoint.deploy(account.version(1))


def test_a_removal_that_was_stopped_at_any_call_is_continued_by_the_next(account):
    for operation in ("DeleteEndpoint", "DescribeEndpoint", "DeleteEndpointConfig", "DeleteModel"):
        account.endpoint.deploy(account.version(1))
        account.endpoint._deployment_config()
        account.sagemaker.before = interrupt_once(operation)
        with pytest.raises(KeyboardInterrupt):
            for resource in list(account.endpoint.resources()):
                resource.remove()
        for resource in list(account.endpoint.resources()):
            resource.remove()
        assert not account.cloudwatch.alarms and not account.logs.groups
        assert account.endpoint.describe() is None
        assert not account.local.list_models()["Models"]


def test_a_conversion_to_instances_says_what_to_do(account):
    version = account.version(1)
    account.endpoint.deploy(version)
    instance = Version(1, version.package_uri, "x", "image", ROLE, "ml.m5.large")
    with pytest.raises(ServingError) as caught:
        account.endpoint.deploy(instance)
    assert "undeploy" in caught.value.hint


CSV = 'capacity,name\n800,"a ""b""\nc"\n900,plain\n'


@pytest.mark.parametrize(("suffix", "body"), [(".csv", CSV), (".jsonl", '{"a": 1}\n{"a": 2}')])
def test_records_are_cut_and_joined_without_loss(monkeypatch, suffix, body):
    monkeypatch.setattr("src.infrastructure.aws.sagemaker_transform.PART_BYTES", 15)
    form = FORMATS[suffix]
    parts = list(form.parts(body.encode()))
    assert len(parts) == 2
    assert form.joined(parts).decode() == body.rstrip("\n") + "\n"


def test_the_models_role_reads_models_and_writes_predictions_only():
    actions = {action for permission in SAGEMAKER for action in permission.actions}
    written = [p for p in SAGEMAKER if "s3:PutObject" in p.actions]
    assert [p.resources for p in written] == [("{processed}/unload/*",)]
    assert not any("Delete" in action for action in actions)


def test_the_models_role_sees_the_alarms_and_writes_no_log_of_others():
    """SageMaker looks at the alarms of an update as this role."""
    names = names_of(SETTINGS, ACCOUNT) | serving_names(SETTINGS, ACCOUNT)
    granted = {(action, resource.format(**names)) for permission in SAGEMAKER
               for action in permission.actions for resource in permission.resources}  # fmt: skip
    alarms = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:shows-*"
    assert ("cloudwatch:DescribeAlarms", alarms) in granted
    logs = {resource.split("log-group:")[1] for action, resource in granted
            if action.startswith("logs:")}  # fmt: skip
    jobs = "/aws/sagemaker/TransformJobs"
    assert logs == {GROUP, f"{GROUP}:*", jobs, f"{jobs}:*"}
