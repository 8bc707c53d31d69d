"""The one list of metrics and alarms: what is emitted, shown on dashboards and watched is in it.

A run's id is never a dimension: CloudWatch would keep, and bill, a metric for each run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE, SAGEMAKER = "ConcertDemo", "AWS/SageMaker"
Unit = Literal["Count", "Seconds", "None"]
Comparison = Literal["GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold"]
Missing = Literal["breaching", "notBreaching", "ignore", "missing"]


@dataclass(frozen=True)
class Metric:
    """One metric: its unit, its dimensions besides Script and Target, and what it means."""

    name: str
    unit: Unit
    meaning: str
    dimension: str = ""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return the names of all its dimensions."""
        return ("Script", "Target", *([self.dimension] if self.dimension else []))


METRICS = (
    Metric("RunSucceeded", "Count", "1 for a run that succeeded, else 0"),
    Metric("RunFailed", "Count", "1 for a run that failed, else 0"),
    Metric("DurationSeconds", "Seconds", "a run from start to end"),
    Metric("StageSeconds", "Seconds", "one stage of a run", "Stage"),
    Metric("RowsLoaded", "Count", "rows that a load took into a table", "Table"),
    Metric("RejectedShare", "None", "rejected rows of a table, 0 to 1", "Table"),
    Metric("ChecksFailed", "Count", "data-quality checks that failed"),
    Metric("DataAgeHours", "Count", "hours from the data's as-of date to the end of the run"),
    Metric("ModelR2", "None", "R2 on the test rows", "Model"),
    Metric("ModelMae", "None", "mean absolute error on the test rows", "Model"),
    Metric("IntervalCoverage", "None", "test rows that their interval holds, 0 to 1", "Model"),
    Metric("ShareOfCeiling", "None", "R2 as a share of what the columns can explain", "Model"),
    Metric("DriftedFeatures", "Count", "features that moved since training"),
    Metric("Promoted", "Count", "1 where a training made a new champion, else 0"),
)
METRIC_BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Alarm:
    """A rule over one metric: `to_alarm` of the newest `periods` periods break the threshold."""

    name: str
    metric: str
    why: str
    statistic: Literal["Sum", "Average", "Minimum", "Maximum", "p99"]
    comparison: Comparison
    threshold: float
    missing: Missing
    dimensions: tuple[tuple[str, str], ...]
    period_s: int = 60
    periods: int = 1
    to_alarm: int = 1
    only_with_schedule: bool = False
    namespace: str = NAMESPACE

    def breaks(self, value: float) -> bool:
        """Tell whether a period's value is on the wrong side of the threshold."""
        if self.comparison == "LessThanThreshold":
            return value < self.threshold
        if self.comparison == "GreaterThanThreshold":
            return value > self.threshold
        return value >= self.threshold


def alarms(target: str, *, max_rejected_share: float = 0.1) -> tuple[Alarm, ...]:
    """Return the alarms over the runs of a target; every one states what missing data means.

    A batch job's metrics are sparse: a judgement stands until there is a newer value.
    """
    pipeline, training = (
        (("Script", script), ("Target", target)) for script in ("pipeline", "training")
    )
    sales = (*training, ("Model", "ticket_sales_prediction"))
    reach: Comparison = "GreaterThanOrEqualToThreshold"
    above: Comparison = "GreaterThanThreshold"
    below: Comparison = "LessThanThreshold"
    return (
        Alarm("pipeline-failed", "RunFailed", "the newest pipeline run failed", "Sum", reach, 1,
              "ignore", pipeline),
        Alarm("training-failed", "RunFailed", "the newest training run failed", "Sum", reach, 1,
              "ignore", training),
        Alarm("no-success", "RunSucceeded", "no pipeline run succeeded within 26 hours", "Sum",
              below, 1, "breaching", pipeline, 3_600, 26, 26, only_with_schedule=True),
        Alarm("rejected-share", "RejectedShare", "too many sales are rejected", "Maximum", above,
              max_rejected_share, "ignore", (*pipeline, ("Table", "ticket_sales"))),
        Alarm("checks-failed", "ChecksFailed", "a data-quality check failed", "Maximum", reach, 1,
              "ignore", pipeline),
        Alarm("coverage-low", "IntervalCoverage", "intervals hold too few outcomes", "Minimum",
              below, 0.85, "ignore", sales),
        Alarm("model-worse", "ShareOfCeiling", "the model explains too little of what it could",
              "Minimum", below, 0.8, "ignore", sales),
    )  # fmt: skip


def endpoint_alarms(endpoint: str) -> tuple[Alarm, ...]:
    """Return the alarms over a model's endpoint on AWS, by the metrics that SageMaker keeps."""
    where = (("EndpointName", endpoint), ("VariantName", "AllTraffic"))
    return (
        Alarm("endpoint-errors", "Invocation5XXErrors", "the endpoint answers with errors", "Sum",
              "GreaterThanOrEqualToThreshold", 1, "notBreaching", where, 300, 1, 1,
              namespace=SAGEMAKER),
        Alarm("endpoint-latency", "ModelLatency", "1 of 100 predictions takes over a second",
              "p99", "GreaterThanThreshold", 1_000_000, "notBreaching", where, 300, 3, 3,
              namespace=SAGEMAKER),  # microseconds
    )  # fmt: skip
