"""The dashboard and the alarms on AWS, made from the one list of metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence

from src.domain.metrics import METRIC_BY_NAME, METRICS, NAMESPACE, Alarm, endpoint_alarms
from src.domain.tables import TABLES
from src.infrastructure.watching.operations_template import (
    CONDITIONS,
    OUTPUTS,
    PARAMETERS,
    operations_resources,
)
from src.infrastructure.watching.run_logs import ACTIONS, GROUP, KEPT_DAYS
from src.json_object import JsonObject

DASHBOARD = "concert-demo"
RUNBOOK = "docs/guides/OPERATIONS.md#alarms"
_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 24
_MODELS = ("ticket_sales_prediction", "venue_popularity")
_VALUES = {"Table": tuple(table.name for table in TABLES), "Model": _MODELS}
_USER, _ROLE = "OperatorUserName", "OperatorRoleName"
_SUMS = ("RunSucceeded", "RunFailed", "Promoted")


def dashboard_body(region: str, alarms: Sequence[Alarm]) -> JsonObject:
    """Return a dashboard: a line of text, the alarms' states, and a widget for each metric."""
    widgets: list[JsonObject] = [
        {
            "type": "text", "x": 0, "y": 0, "width": _COLUMNS, "height": 2,
            "properties": {"markdown": f"# Concert demo\nWhat an alarm means: {RUNBOOK}"},
        },
        {
            "type": "metric", "x": 0, "y": 2, "width": _COLUMNS, "height": _HEIGHT,
            "properties": {
                "title": "Alarms: failed runs", "region": region, "view": "timeSeries",
                "stat": "Sum", "period": 3_600,
                "metrics": [[a.namespace, a.metric, *_flat(a.dimensions)] for a in alarms
                            if a.metric in ("RunFailed", "RunSucceeded")],
            },
        },
    ]  # fmt: skip
    for number, metric in enumerate(METRICS):
        column, row = number % 3, number // 3
        widgets.append(
            {
                "type": "metric",
                "x": column * _WIDTH,
                "y": 2 + _HEIGHT + row * _HEIGHT,
                "width": _WIDTH,
                "height": _HEIGHT,
                "properties": {
                    "title": metric.name,
                    "region": region,
                    "view": "timeSeries",
                    "stat": "Sum" if metric.name in _SUMS else "Average",
                    "period": 3_600,
                    "metrics": _series(metric.name),
                },
            }
        )
    return {"widgets": widgets}


def _series(name: str) -> list[list[object]]:
    """Return the series of a metric: one for each value of its dimension that is known."""
    dimension = METRIC_BY_NAME[name].dimension
    scripts = {"Table": ("pipeline",), "Model": ("training",)}.get(
        dimension, ("pipeline", "training")
    )
    if dimension == "Stage":  # the stages are many: CloudWatch looks them up
        search = f"SEARCH('{{{NAMESPACE},Script,Target,Stage}} {name}', 'Average', 3600)"
        return [[{"expression": search, "id": "stages"}]]
    found: list[list[object]] = []
    for script in scripts:
        common = ["Script", script, "Target", "aws"]
        for value in _VALUES.get(dimension, ("",)):
            found.append([NAMESPACE, name, *common, *([dimension, value] if value else [])])
    return found


def _flat(dimensions: Sequence[tuple[str, str]]) -> list[str]:
    return [word for pair in dimensions for word in pair]


def alarm_parameters(alarm: Alarm, topic: str) -> JsonObject:
    """Return the parameters of PutMetricAlarm, which are a template's properties as well."""
    return {
        "AlarmName": f"concert-demo-{alarm.name}",
        "AlarmDescription": f"{alarm.why}. {RUNBOOK}",
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions],
        ("ExtendedStatistic" if alarm.statistic == "p99" else "Statistic"): alarm.statistic,
        "Period": alarm.period_s,
        "EvaluationPeriods": alarm.periods,
        "DatapointsToAlarm": alarm.to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": alarm.missing,
        "AlarmActions": [topic],
        "OKActions": [topic],
    }


def _rights() -> JsonObject:
    """Return the policy that lets a run write its events, and nothing else."""
    place = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"
    statement = {
        "Sid": "WriteRunMetrics",
        "Effect": "Allow",
        "Action": list(ACTIONS),
        "Resource": [{"Fn::Sub": f"{place}:{GROUP}{end}"} for end in ("", ":log-stream:*")],
    }
    attached = {
        kind: {"Fn::If": [f"Names{who}", [{"Ref": who}], {"Ref": "AWS::NoValue"}]}
        for kind, who in (("Users", _USER), ("Roles", _ROLE))
    }
    return {
        **attached,
        "Description": "For the operator of the demo, with DEMO_CLOUDWATCH=on",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }


def _alarm_resource(alarm: Alarm, topic: JsonObject) -> JsonObject:
    """Return an alarm of the template; one on missing runs only where runs are scheduled."""
    properties = alarm_parameters(alarm, "") | {"AlarmActions": [topic], "OKActions": [topic]}
    properties["Dimensions"] = [
        {"Name": name, "Value": {"Fn::Sub": value} if "${" in value else value}
        for name, value in alarm.dimensions
    ]
    found: JsonObject = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    return {**found, "Condition": "HasCycle"} if alarm.only_with_schedule else found


def _any_of(alarms: Sequence[Alarm]) -> JsonObject:
    """Return the rule of a composite alarm; it refers to the alarms, so that they come first."""
    return {"Fn::Sub": " OR ".join(f'ALARM("${{{_resource_name(a)}}}")' for a in alarms)}


def _resource_name(alarm: Alarm) -> str:
    return "".join(word.capitalize() for word in alarm.name.split("-")) + "Alarm"


def _parameters() -> JsonObject:
    """Return what the template is given: the endpoint, and who the scripts are run by."""
    endpoint = "Name of the model's endpoint (DEMO_ENDPOINT)"
    # The stack detaches what it attached: a policy that is attached cannot be deleted.
    of_operator = "that runs the scripts; the stack attaches RunMetrics, and detaches it"
    given = {
        "EndpointName": ("concert-demo", endpoint),
        _USER: ("", f"IAM user {of_operator}"),
        _ROLE: ("", f"IAM role {of_operator}"),
    }
    return {
        name: {"Type": "String", "Default": default, "Description": text}
        for name, (default, text) in given.items()
    }


def template(alarms: Sequence[Alarm]) -> JsonObject:
    """Return the CloudFormation template of topic, log group, alarms and dashboard."""
    topic: JsonObject = {"Ref": "AlertTopic"}
    resources: JsonObject = {
        "AlertTopic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": DASHBOARD}},
        "RunLogs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": GROUP, "RetentionInDays": KEPT_DAYS},
        },
        "RunMetrics": {"Type": "AWS::IAM::ManagedPolicy", "Properties": _rights()},
    }
    watched = (*alarms, *endpoint_alarms("${EndpointName}"))
    for alarm in watched:
        resources[_resource_name(alarm)] = _alarm_resource(alarm, topic)
    resources["AnyAlarm"] = {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "Properties": {
            "AlarmName": DASHBOARD,
            "AlarmRule": {"Fn::If": ["HasCycle", _any_of(watched), _any_of(
                [alarm for alarm in watched if not alarm.only_with_schedule])]},
        },
    }  # fmt: skip
    body = json.dumps(dashboard_body("${AWS::Region}", alarms), separators=(",", ":"))
    resources["Dashboard"] = {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": DASHBOARD, "DashboardBody": {"Fn::Sub": body}},
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Alarms and a dashboard over the runs of the Concert Data Platform demo; "
        "made by python -m src.operations dashboards --write",
        "Parameters": PARAMETERS | _parameters(),
        "Conditions": CONDITIONS
        | {
            f"Names{who}": {"Fn::Not": [{"Fn::Equals": [{"Ref": who}, ""]}]}
            for who in (_USER, _ROLE)
        },
        "Resources": resources | operations_resources(),
        "Outputs": {
            **OUTPUTS,
            "AlertTopicArn": {"Value": topic},
            "RunMetricsArn": {"Value": {"Ref": "RunMetrics"}},
        },
    }
