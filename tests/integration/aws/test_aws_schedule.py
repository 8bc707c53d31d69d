"""The schedule on AWS: what is made, that it runs the cycle's steps, and that all of it goes."""

import io
import json
import os
import subprocess
import sys
import zipfile

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket

from src.domain.bucket_layout import is_own_key
from src.domain.cycle import CYCLE
from src.errors import CannotRunError, SettingsError
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.aws.cycle_definition import NAME, Places, buildspec, state_machine
from src.infrastructure.aws.cycle_schedule import CycleSchedule
from src.infrastructure.aws.inventory import AwsInventory
from src.operations.__main__ import main
from src.orchestration.operations.aws_schedule import archive_of_program, variables_of
from src.orchestration.operations.cycle import outcome_in, run_cycle
from src.reporting.terminal.console import Console
from src.settings import Settings
from tests.aws.validating import valid
from tests.conftest import ROOT
from tests.waiting import wait_until

REGION, DAILY = "us-east-1", "cron(0 6 * * ? *)"
PLACES = Places(REGION, DEFAULT_ACCOUNT_ID)
ENV = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION,
    "DEMO_IAM_ROLE": "arn:aws:iam::123456789012:role/demo", "REDSHIFT_WORKGROUP": "demo",
    "REDSHIFT_VIA": "data-api", "DEMO_RAW_BUCKET": "my-raw", "DEMO_PROCESSED_BUCKET": "my-p",
}  # fmt: skip


@pytest.fixture
def account(monkeypatch):
    for name in [name for name in os.environ if name.startswith("DEMO_")]:
        monkeypatch.delenv(name)
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    # moto denies what a policy denies under a condition, whatever the condition.
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: None)
    with mock_aws():
        yield AwsAccount(REGION)


def operations(*arguments):
    return main([*arguments, "--target", "aws"])


def client(service):
    return boto3.client(service, region_name=REGION)


def with_update_project(call, updates):
    """Return botocore's call with UpdateProject answered here, its parameters checked."""

    def answered(self, operation, parameters):
        if operation != "UpdateProject":
            return call(self, operation, parameters)
        valid(parameters, self.meta.service_model.operation_model(operation).input_shape)
        updates.append(parameters)
        return {}

    return answered


def test_it_makes_all_parts_and_a_second_time_brings_them_up_to_date(account, capsys, monkeypatch):
    assert operations("schedule", DAILY, "--timezone", "Europe/Berlin") == 0
    found = client("scheduler").get_schedule(Name=NAME)
    assert found["ScheduleExpression"] == DAILY
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert found["Target"]["Arn"] == PLACES.machine
    (project,) = client("codebuild").batch_get_projects(names=[NAME])["projects"]
    variables = {v["name"]: v["value"] for v in project["environment"]["environmentVariables"]}
    given = {name: value for name, value in ENV.items() if not name.startswith("AWS_")}
    assert variables == given | {"AWS_REGION": REGION}
    bucket, _, key = project["source"]["location"].partition("/")
    assert client("s3").head_object(Bucket=bucket, Key=key) and is_own_key(key)
    definition = client("stepfunctions").describe_state_machine(stateMachineArn=PLACES.machine)
    assert "Deployment" not in json.loads(definition["definition"])["States"]  # without an image

    monkeypatch.setenv("DEMO_SERVING_IMAGE", "1.dkr.ecr.us-east-1.amazonaws.com/i:1")
    updates = []  # moto has no UpdateProject
    monkeypatch.setattr(
        BaseClient, "_make_api_call", with_update_project(BaseClient._make_api_call, updates)
    )
    assert operations("schedule", "rate(12 hours)") == 0
    (update,) = updates
    assert update["source"] == {**project["source"], "buildspec": update["source"]["buildspec"]}
    assert client("scheduler").get_schedule(Name=NAME)["ScheduleExpression"] == "rate(12 hours)"
    definition = client("stepfunctions").describe_state_machine(stateMachineArn=PLACES.machine)
    assert "Deployment" in json.loads(definition["definition"])["States"]
    capsys.readouterr()
    client("stepfunctions").start_execution(stateMachineArn=PLACES.machine)
    assert operations("list") == 0 and operations("next") == 0
    text = capsys.readouterr().out
    assert text.startswith("rate(12 hours)  UTC\n") and "running" in text

    assert operations("remove") == 0
    assert list(CycleSchedule(account).parts()) == []
    with pytest.raises(CannotRunError, match="there is no schedule"):
        operations("remove")


def test_cleanup_finds_and_removes_it(account):
    operations("schedule", DAILY)
    settings = Settings(target="aws", raw_bucket="my-raw", processed_bucket="my-p")
    found = AwsInventory(account, settings).find()
    assert [one.name.rpartition(" ")[0] for one in found[:3]] == [
        "schedule", "state machine", "build project"]  # fmt: skip
    for one in found:
        one.remove()
    assert AwsInventory(account, settings).find() == []


def test_what_others_made_stays(account):
    client("codebuild").create_project(
        name=NAME, source={"type": "S3", "location": "theirs/a.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "i",
                     "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole="arn:aws:iam::123456789012:role/service-role/theirs",
    )  # fmt: skip
    with pytest.raises(CannotRunError, match="that the demo did not make"):
        operations("schedule", DAILY)
    assert client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert client("s3").list_buckets()["Buckets"] == []
    inventory = AwsInventory(account, Settings(target="aws"))
    assert inventory.find() == [] and "did not make" in inventory.not_looked_at[0]


def test_neither_passwords_nor_folders_of_this_machine_go_to_aws():
    with pytest.raises(SettingsError, match="no password"):
        variables_of(Settings(target="aws", redshift_password="secret"))
    with pytest.raises(SettingsError, match="a folder of this machine"):
        variables_of(Settings(target="aws", input_dir="/data"))
    settings = Settings(
        target="aws", alert_webhook="https://x/secret", openlineage_api_key="secret"
    )
    assert "secret" not in json.dumps(variables_of(settings))


def test_the_archive_is_the_program_and_the_same_each_time(tmp_path):
    archive = archive_of_program()
    assert archive == archive_of_program()
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    assert (tmp_path / "requirements.txt").read_text().splitlines() == (
        ROOT / "requirements.txt").read_text().splitlines()  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "src", "--version"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def training(role):
    model = {"role": role, "decision": "better"}
    return {"report": "training", "models": {"ticket_sales_prediction": model}, "steps": {}}


GOOD = {"report": "pipeline"}
S3 = "arn:aws:states:::aws-sdk:s3"
SCENES = {  # of each step its reports, None for one that fails
    "better": {"Pipeline": [GOOD], "Training": [training("champion")], "Deployment": [{}]},
    "worse": {"Pipeline": [GOOD], "Training": [training("candidate")]},
    "pipeline fails": {"Pipeline": [None, None]},
    "training fails": {"Pipeline": [GOOD], "Training": [None]},
}


def steps_here(answers):
    """Return the steps that a cycle in this process runs, and whether it succeeds."""
    left, ran = {name: list(found) for name, found in answers.items()}, []

    def execute(step):
        ran.append(step.name)
        report = left[step.name].pop(0)
        return (1, {}) if report is None else (0, report)

    return ran, run_cycle(execute, Console(quiet=True)).exit_code == 0


def played(definition, answers, others=0):
    """Return a definition whose builds look at an object instead: moto runs no builds.

    Its type is the outcome; an object that is not there is a build that fails. Executions are
    the folders.
    """
    s3 = client("s3")
    s3.create_bucket(Bucket="builds")
    for number in range(others + 1):
        s3.put_object(Bucket="builds", Key=f"running-{number}/x", Body=b"")
    for name, (report, *_) in answers.items():
        if report is not None:
            s3.put_object(Bucket="builds", Key=name, ContentType=outcome_in(report))
    for name, state in definition["States"].items():
        if name == "Others":
            assert state["Parameters"]["StateMachineArn.$"] == "$$.StateMachine.Id"
            state |= {"Resource": f"{S3}:listObjectsV2",
                      "Parameters": {"Bucket": "builds", "Delimiter": "/"},
                      "ResultSelector": {"Executions.$": "$.CommonPrefixes"}}  # fmt: skip
        elif state["Type"] == "Task" and name != "Alert":
            state |= {"Resource": f"{S3}:headObject",
                      "Parameters": {"Bucket": "builds", "Key": name},
                      "ResultSelector": {"outcome.$": "$.ContentType"}}  # fmt: skip
    return definition


def execute(definition):
    """Run a state machine in moto; returns its status and its events."""
    role = client("iam").create_role(RoleName="states", AssumeRolePolicyDocument="{}")
    states = client("stepfunctions")
    machine = states.create_state_machine(
        name=NAME, definition=json.dumps(definition), roleArn=role["Role"]["Arn"]
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    wait_until(
        lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "its end"
    )
    events = states.get_execution_history(executionArn=arn)["events"]
    return states.describe_execution(executionArn=arn)["status"], events


def tasks(events):
    """Return the tasks that an execution tried, again where one was tried again."""
    tried, name = [], ""
    for event in events:
        name = event.get("stateEnteredEventDetails", {}).get("name", name)
        if event["type"] == "TaskScheduled":
            tried.append(name)
    return tried


@pytest.fixture
def executing(monkeypatch):
    for name, value in (ENV | {"AWS_DEFAULT_REGION": REGION}).items():
        monkeypatch.setenv(name, value)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield


@pytest.mark.parametrize("scene", SCENES)
def test_the_state_machine_runs_the_steps_that_a_cycle_here_runs(executing, scene):
    received = alerts()
    status, events = execute(played(state_machine(CYCLE, PLACES), SCENES[scene]))
    steps, is_good = steps_here(SCENES[scene])
    assert tasks(events) == ["Others", *steps, *([] if is_good else ["Alert"])]
    assert status == ("SUCCEEDED" if is_good else "FAILED")
    assert [one["Subject"] for one in received()] == ([] if is_good else ["ALARM: cycle"])
    assert all("404" in one["Message"] for one in received())  # the build's own words


def alerts():
    """Subscribe to the topic of alerts; returns what reads those that have come."""
    topic = client("sns").create_topic(Name="concert-demo")["TopicArn"]
    queue = client("sqs").create_queue(QueueName="alerts")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])

    def received():
        found = client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]

    assert topic == PLACES.topic
    return received


def test_a_second_cycle_at_the_same_time_does_nothing(executing):
    machine = played(state_machine(CYCLE, PLACES), SCENES["better"], others=1)
    status, events = execute(machine)
    assert (status, tasks(events)) == ("SUCCEEDED", ["Others"])


def test_every_state_leads_to_one_that_there_is_and_can_be_reached():
    for steps in (CYCLE, CYCLE[:2], CYCLE[:1]):
        machine = state_machine(steps, PLACES)
        states, seen, left = machine["States"], set(), [machine["StartAt"]]
        while left:
            name = left.pop()
            seen.add(name)
            state = states[name]
            rules = state.get("Choices", []) + state.get("Catch", [])
            targets = [state.get("Next"), state.get("Default"), *(one["Next"] for one in rules)]
            left += [target for target in targets if target and target not in seen]
        assert seen == set(states)


@pytest.mark.parametrize(
    ("report", "outcome"),
    [(training("champion"), "promoted"), (training("candidate"), "kept"), (GOOD, "done")],
)
def test_a_build_runs_the_step_and_hands_on_its_outcome(tmp_path, report, outcome):
    """The build's own commands in a shell; a program in place of Python answers for the step."""
    (tmp_path / "answer.json").write_text(json.dumps(report))
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f'#!/bin/sh\nif [ "$1" != -m ]; then exec {sys.executable} "$@"; fi\n'
        f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/answer.json\n'
    )
    stand_in.chmod(0o755)
    commands = buildspec()["phases"]["build"]["commands"]
    first, *others = [command.replace("report.json", f"{tmp_path}/r.json") for command in commands]
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", "\n".join([first, *others, 'echo "$OUTCOME"'])], text=True,
        cwd=ROOT, env={"PATH": f"{tmp_path}:/usr/bin:/bin", "STEP": "train --if-needed"},
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{outcome}\n"
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["-m", "src", "train", "--if-needed", "--target", "aws", "--json"]
