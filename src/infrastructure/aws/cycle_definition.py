"""The cycle on AWS, as documents: the state machine, the project that runs its steps, the schedule.

Each step is one build of one CodeBuild project, which runs the step's own command. Documents are
made from the one list of steps, so that AWS runs what a laptop runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.domain.cycle import Step
from src.infrastructure.aws.account import DEMO_TAG, partition
from src.json_object import JsonObject

NAME = "concert-demo-cycle"  # of the schedule, the state machine and the project
TOPIC, LOG_GROUP = "concert-demo", "/concert-demo/cycle"
ROLES = ("build", "states", "scheduler")  # who assumes each: CodeBuild, Step Functions, Scheduler
_BUILD_MINUTES = 120
_IMAGE, _SIZE = "aws/codebuild/amazonlinux-x86_64-standard:5.0", "BUILD_GENERAL1_MEDIUM"
_PROGRAM = " ".join(("python", "-m", "src"))  # in a shell of AWS: never renamed
_OUTCOME = "import json, sys; from src.orchestration.operations.cycle import outcome_in; " \
           "print(outcome_in(json.load(sys.stdin)))"  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where the cycle's things are: one account and one region."""

    region: str
    account_id: str

    def arn(self, service: str, rest: str, *, region: bool = True) -> str:
        """Return the ARN of something of a service."""
        place = self.region if region else ""
        return f"arn:{partition(self.region)}:{service}:{place}:{self.account_id}:{rest}"

    @property
    def machine(self) -> str:
        """Return the ARN of the state machine."""
        return self.arn("states", f"stateMachine:{NAME}")

    @property
    def topic(self) -> str:
        """Return the ARN of the topic that alerts go to."""
        return self.arn("sns", TOPIC)

    def role(self, of: str) -> str:
        """Return the ARN of a role that the template of operations makes."""
        return self.arn("iam", f"role/{NAME}-{of}-{self.region}", region=False)


def state_machine(steps: Sequence[Step], places: Places) -> JsonObject:
    """Return the state machine of the steps; a second execution at the same time does nothing."""
    head = f"arn:{partition(places.region)}:states:::"
    states: JsonObject = {
        "Others": {
            "Type": "Task", "Resource": f"{head}aws-sdk:sfn:listExecutions",
            "Parameters": {"StateMachineArn.$": "$$.StateMachine.Id", "StatusFilter": "RUNNING",
                           "MaxResults": 2},
            "Next": "IsAlone",
        },
        "IsAlone": {
            "Type": "Choice", "Default": _entry(steps[0]),
            "Choices": [{"Variable": "$.Executions[1]", "IsPresent": True, "Next": "Skipped"}],
        },
        "Skipped": {"Type": "Succeed"},
    }  # fmt: skip
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        then = _entry(following) if following else "Done"
        if step.after:
            rule = {"Variable": "$.outcome", "StringEquals": step.after, "Next": step.name}
            states[_entry(step)] = {"Type": "Choice", "Choices": [rule], "Default": then}
        states[step.name] = _task(step, head) | {"Next": then}
    message = "States.Format('ALARM: cycle: {}: {}', $.Error, $.Cause)"
    return {
        "Comment": "The daily cycle of the Concert Data Platform demo",
        "StartAt": "Others",
        "States": states | {
            "Done": {"Type": "Succeed"},
            "Alert": {
                "Type": "Task", "Resource": f"{head}sns:publish", "Next": "Failed",
                "Parameters": {"TopicArn": places.topic, "Subject": "ALARM: cycle",
                               "Message.$": message},
            },
            "Failed": {"Type": "Fail", "Error": "CycleFailed"},
        },
    }  # fmt: skip


def _entry(step: Step) -> str:
    """Return the state by which a step is entered: a choice where it depends on the outcome."""
    return f"Is{step.after.title().replace(' ', '')}" if step.after else step.name


def _task(step: Step, head: str) -> JsonObject:
    command = {"Name": "STEP", "Value": " ".join(step.command), "Type": "PLAINTEXT"}
    task: JsonObject = {
        "Type": "Task", "Comment": step.title, "Resource": f"{head}codebuild:startBuild.sync",
        "Parameters": {"ProjectName": NAME, "EnvironmentVariablesOverride": [command]},
        "ResultSelector": {"outcome.$": "$.Build.ExportedEnvironmentVariables[0].Value"},
        "TimeoutSeconds": (_BUILD_MINUTES + 30) * 60,  # a build may wait for its turn
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Alert"}],
    }  # fmt: skip
    if step.attempts > 1:
        again = {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": step.attempts - 1,
                 "IntervalSeconds": 1}  # fmt: skip
        task["Retry"] = [again]
    return task


def buildspec() -> JsonObject:
    """Return what a build does: the step's command; OUTCOME is what a training decided."""
    return {
        "version": 0.2,
        "env": {"exported-variables": ["OUTCOME"]},
        "phases": {
            "install": {
                "on-failure": "ABORT",
                "runtime-versions": {"python": "3.12"},
                "commands": ["python -m pip install --quiet -r requirements.txt"],
            },
            "build": {
                "on-failure": "ABORT",
                "commands": [
                    f"{_PROGRAM} $STEP --target aws --json > report.json",
                    f'export OUTCOME="$(python -c "{_OUTCOME}" < report.json)"',
                ],
            },
        },
    }


def project(places: Places, source: str, environment: Mapping[str, str]) -> JsonObject:
    """Return the parameters of CreateProject; `source` is the program's archive, BUCKET/KEY."""
    variables = [
        {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in environment.items()
    ]
    return {
        "name": NAME,
        "description": "Runs the steps of the Concert Data Platform demo's daily cycle",
        "source": {"type": "S3", "location": source, "buildspec": json.dumps(buildspec())},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {"type": "LINUX_CONTAINER", "image": _IMAGE, "computeType": _SIZE,
                        "environmentVariables": variables},
        "serviceRole": places.role("build"),
        "timeoutInMinutes": _BUILD_MINUTES,
        "concurrentBuildLimit": 1,
        "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": LOG_GROUP}},
        "tags": [{"key": DEMO_TAG[0], "value": DEMO_TAG[1]}],
    }  # fmt: skip


def schedule(places: Places, expression: str, timezone: str) -> JsonObject:
    """Return the parameters of CreateSchedule; UpdateSchedule forgets what it is not given."""
    return {
        "Name": NAME,
        "GroupName": "default",
        "Description": "The daily cycle of the Concert Data Platform demo",
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": places.machine,
            "RoleArn": places.role("scheduler"),
            "Input": "{}",
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
        },
    }
