"""The part of the operations' template that the schedule needs: its roles, policy and log."""

from __future__ import annotations

from collections.abc import Sequence

from src.infrastructure.aws.cycle_definition import LOG_GROUP, NAME, ROLES
from src.infrastructure.aws.cycle_permissions import (
    BUILD,
    SCHEDULER,
    SCHEDULING,
    STATES,
    cycle_names,
)
from src.infrastructure.aws.permissions import Permission
from src.infrastructure.aws.run_logs import KEPT_DAYS
from src.json_object import JsonObject
from src.settings import Settings

_REGION, _ACCOUNT = "us-east-1", "000000000000"
_SERVICES = {"build": "codebuild", "states": "states", "scheduler": "scheduler"}
_GRANTS = {"build": BUILD, "states": STATES, "scheduler": SCHEDULER}
_POLICIES = ("OperatorPolicyArn", "ServingPolicyArn")

PARAMETERS: JsonObject = {
    name: {
        "Type": "String",
        "Default": "",
        "Description": f"{name.removesuffix('Arn')} of the stack of concert-demo.yaml, "
        "for cycles on AWS; empty makes no role for them",
    }
    for name in _POLICIES
}
CONDITIONS: JsonObject = {
    "HasCycle": {"Fn::Not": [{"Fn::Equals": [{"Ref": _POLICIES[0]}, ""]}]},
    "HasServing": {"Fn::Not": [{"Fn::Equals": [{"Ref": _POLICIES[1]}, ""]}]},
}
OUTPUTS: JsonObject = {
    "SchedulePolicyArn": {"Condition": "HasCycle", "Value": {"Ref": "SchedulePolicy"}}
}


def cycle_resources() -> JsonObject:
    """Return the roles that a cycle on AWS assumes, the policy of who schedules it, and its log."""
    resources: JsonObject = {
        "CycleLogs": {
            "Type": "AWS::Logs::LogGroup",
            "Condition": "HasCycle",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": LOG_GROUP, "RetentionInDays": KEPT_DAYS},
        },
        "SchedulePolicy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Condition": "HasCycle",
            "Properties": {
                "Description": "For who keeps the schedule of the demo on AWS",
                "PolicyDocument": _document(SCHEDULING),
            },
        },
    }
    for of in ROLES:
        resources[f"Cycle{of.title()}Role"] = _role(of)
    serving = {"Fn::If": ["HasServing", {"Ref": _POLICIES[1]}, {"Ref": "AWS::NoValue"}]}
    of_build = resources["CycleBuildRole"]["Properties"]
    of_build["ManagedPolicyArns"] = [{"Ref": _POLICIES[0]}, serving, {"Ref": "RunMetrics"}]
    return resources


def _role(of: str) -> JsonObject:
    """Return a role that only one service of this account may assume; its name is fixed."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{_SERVICES[of]}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    return {
        "Type": "AWS::IAM::Role",
        "Condition": "HasCycle",
        "Properties": {
            "RoleName": {"Fn::Sub": f"{NAME}-{of}-${{AWS::Region}}"},
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "concert-demo", "PolicyDocument": _document(_GRANTS[of])}],
        },
    }


def _document(permissions: Sequence[Permission]) -> JsonObject:
    names = {
        name: arn.replace("arn:aws:", "arn:${AWS::Partition}:")
        .replace(_REGION, "${AWS::Region}")
        .replace(_ACCOUNT, "${AWS::AccountId}")
        for name, arn in cycle_names(Settings(aws_region=_REGION), _ACCOUNT).items()
    }
    statements: list[JsonObject] = []
    for permission in permissions:
        statement: JsonObject = {
            "Sid": permission.name,
            "Effect": "Allow",
            "Action": list(permission.actions),
            "Resource": [{"Fn::Sub": each.format(**names)} for each in permission.resources],
        }
        if permission.condition:
            statement["Condition"] = {"StringEquals": dict(permission.condition)}
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}
