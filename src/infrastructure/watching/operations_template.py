"""The part of the operations' template with roles and policies: schedule, data lake, lineage."""

from __future__ import annotations

from collections.abc import Sequence

from src.infrastructure.aws.cycle_definition import LOG_GROUP, NAME, ROLES
from src.infrastructure.aws.permissions import Permission
from src.infrastructure.watching.operations_permissions import (
    BUILD,
    LAKE,
    LINEAGE,
    SCHEDULER,
    SCHEDULING,
    STATES,
    operations_names,
)
from src.infrastructure.watching.run_logs import KEPT_DAYS
from src.json_object import JsonObject
from src.settings import Settings

_REGION, _ACCOUNT = "us-east-1", "000000000000"
_SETTINGS = Settings(aws_region=_REGION, datazone_domain="${DataZoneDomainId}")
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
PARAMETERS |= {
    "DataZoneDomainId": {
        "Type": "String",
        "Default": "",
        "Description": "Domain that gets each run's lineage (DEMO_DATAZONE_DOMAIN)",
    },
    "MakesLakePolicy": {
        "Type": "String",
        "Default": "false",
        "AllowedValues": ["true", "false"],
        "Description": "true makes LakePolicy, for who keeps tables and grants of Lake Formation",
    },
}
CONDITIONS: JsonObject = {
    "HasCycle": {"Fn::Not": [{"Fn::Equals": [{"Ref": _POLICIES[0]}, ""]}]},
    "HasServing": {"Fn::Not": [{"Fn::Equals": [{"Ref": _POLICIES[1]}, ""]}]},
}
CONDITIONS |= {
    "HasDomain": {"Fn::Not": [{"Fn::Equals": [{"Ref": "DataZoneDomainId"}, ""]}]},
    "HasLake": {"Fn::Equals": [{"Ref": "MakesLakePolicy"}, "true"]},
}
# Policies for who runs what: the name, when there is one, for whom, and what it grants.
_MANAGED = (
    ("SchedulePolicy", "HasCycle", "For who keeps the schedule of the demo on AWS", SCHEDULING),
    ("LakePolicy", "HasLake", "For who keeps the demo's tables and grants", LAKE),
    ("LineagePolicy", "HasDomain", "For the operator of the demo, to send lineage", LINEAGE),
)
OUTPUTS: JsonObject = {
    f"{name}Arn": {"Condition": condition, "Value": {"Ref": name}}
    for name, condition, _, _ in _MANAGED
}


def operations_resources() -> JsonObject:
    """Return the roles that a cycle on AWS assumes, its log, and the policies of operators."""
    resources: JsonObject = {
        "CycleLogs": {
            "Type": "AWS::Logs::LogGroup",
            "Condition": "HasCycle",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": LOG_GROUP, "RetentionInDays": KEPT_DAYS},
        },
    }
    for name, condition, text, permissions in _MANAGED:
        resources[name] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Condition": condition,
            "Properties": {"Description": text, "PolicyDocument": _document(permissions)},
        }
    for of in ROLES:
        resources[f"Cycle{of.title()}Role"] = _role(of)
    serving = {"Fn::If": ["HasServing", {"Ref": _POLICIES[1]}, {"Ref": "AWS::NoValue"}]}
    of_build = resources["CycleBuildRole"]["Properties"]
    lineage = {"Fn::If": ["HasDomain", {"Ref": "LineagePolicy"}, {"Ref": "AWS::NoValue"}]}
    of_build["ManagedPolicyArns"] = [
        {"Ref": _POLICIES[0]},
        serving,
        lineage,
        {"Ref": "RunMetrics"},
    ]
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
        for name, arn in operations_names(_SETTINGS, _ACCOUNT).items()
    }
    statements: list[JsonObject] = []
    for permission in permissions:
        statement: JsonObject = {
            "Sid": permission.name,
            "Effect": "Allow",
            "Action": list(permission.actions),
            "Resource": [each if each == "*" else {"Fn::Sub": each.format(**names)}
                         for each in permission.resources],
        }  # fmt: skip
        if permission.condition:
            statement["Condition"] = {"StringEquals": dict(permission.condition)}
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}
