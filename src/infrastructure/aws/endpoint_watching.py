"""What watches an endpoint on AWS: alarms that take a new version back, and its log.

Both have names that others may have used: the demo's are those with its tag. SageMaker gives no
tag to the log group that it makes, and keeps its events for ever, so the demo makes it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from src.errors import ServingError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount, partition
from src.infrastructure.aws.answers import AwsRefusal, asking, unless_missing
from src.infrastructure.aws.glue_job import LOG_DAYS

RIGHTS_HINT = "attach ServingPolicy of src/infrastructure/cloudformation/concert-demo.yaml"
# What of AWS/SageMaker is watched: the metric, its statistic, and the value that is too much.
_WATCHED = (("Invocation5XXErrors", "Sum", 1.0), ("ModelLatency", "Average", 1_000_000.0))
_EXISTING = frozenset(["ResourceAlreadyExistsException", "OperationAbortedException"])
_TAGS = [{"Key": DEMO_TAG[0], "Value": DEMO_TAG[1]}]


@dataclass(frozen=True)
class Resource:
    """One thing of the endpoint's in the account, and its removal."""

    name: str
    remove: Callable[[], None]


class EndpointWatching:
    """The alarms and the log group of one endpoint.

    There are none without an `account`: locally the server itself takes back a version that
    answers with server errors.
    """

    def __init__(self, endpoint: str, variant: str, account: AwsAccount | None) -> None:
        self._endpoint, self._variant, self._account = endpoint, variant, account
        self._group = log_group(endpoint)
        self._cloudwatch: Any = account.client("cloudwatch") if account else None
        self._logs: Any = account.client("logs") if account else None

    def ensure_log(self) -> None:
        """Create the log group with a tag and an end; one that is there stays as it is."""
        if self._logs is None:
            return
        with self._asking():
            create, tags = self._logs.create_log_group, dict([DEMO_TAG])
            made = unless_missing(create, _EXISTING, logGroupName=self._group, tags=tags)
            if made is not None:
                self._logs.put_retention_policy(logGroupName=self._group, retentionInDays=LOG_DAYS)

    def ensure_alarms(self) -> list[str]:
        """Create or correct the alarms; returns their names, none where there are no alarms.

        Raises ServingError where an alarm of that name was made by others.
        """
        if self._cloudwatch is None:
            return []
        present = self._alarms()
        for metric, statistic, limit in _WATCHED:
            name = self._name(metric)
            if name in present and not self._is_own_alarm(present[name]):
                raise ServingError(
                    f"the alarm {name} was not created by the demo",
                    where=present[name],
                    cause=f"it has no tag {DEMO_TAG[0]}={DEMO_TAG[1]}",
                    hint="set DEMO_ENDPOINT to another name",
                )
            with self._asking():
                self._cloudwatch.put_metric_alarm(
                    AlarmName=name,
                    AlarmDescription="Rolls back a deployment of the concert demo.",
                    Namespace="AWS/SageMaker", MetricName=metric, Statistic=statistic, Period=60,
                    EvaluationPeriods=1, Threshold=limit,
                    ComparisonOperator="GreaterThanOrEqualToThreshold",
                    TreatMissingData="notBreaching",
                    Dimensions=[{"Name": "EndpointName", "Value": self._endpoint},
                                {"Name": "VariantName", "Value": self._variant}], Tags=_TAGS,
                )  # fmt: skip
        return [self._name(metric) for metric, _, _ in _WATCHED]

    def resources(self) -> Iterator[Resource]:
        """Yield the log group and the alarms that have the demo's tag."""
        if self._account is None:
            return
        if self._is_own_log(self._account):
            delete = partial(self._logs.delete_log_group, logGroupName=self._group)
            yield Resource(f"log group {self._group}", partial(self._remove, delete))
        for name, arn in self._alarms().items():
            if self._is_own_alarm(arn):
                delete = partial(self._cloudwatch.delete_alarms, AlarmNames=[name])
                yield Resource(f"alarm {name}", partial(self._remove, delete))

    def _name(self, metric: str) -> str:
        return f"{self._endpoint}-{metric}"

    def _alarms(self) -> dict[str, str]:
        names = [self._name(metric) for metric, _, _ in _WATCHED]
        with self._asking():
            found = self._cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["AlarmArn"] for alarm in found}

    def _is_own_alarm(self, arn: str) -> bool:
        with self._asking():
            call = self._cloudwatch.list_tags_for_resource
            answer = unless_missing(call, ResourceARN=arn) or {}
        return _TAGS[0] in answer.get("Tags", [])

    def _is_own_log(self, account: AwsAccount) -> bool:
        place = f"{account.region}:{account.account_id}"
        arn = f"arn:{partition(account.region)}:logs:{place}:log-group:{self._group}"
        with self._asking():
            answer = unless_missing(self._logs.list_tags_for_resource, resourceArn=arn) or {}
        return bool(answer.get("tags", {}).get(DEMO_TAG[0]) == DEMO_TAG[1])

    def _remove(self, delete: Callable[[], Any]) -> None:
        with self._asking():
            unless_missing(delete)

    def _asking(self) -> Any:
        where = f"endpoint {self._endpoint}"
        return asking("CloudWatch", where=where, refused=partial(_refused, where))


def _refused(where: str, refusal: AwsRefusal) -> ServingError:
    return ServingError(
        f"CloudWatch refused {refusal.operation}", where=where, cause=refusal.text,
        hint=RIGHTS_HINT,
    )  # fmt: skip


def log_group(endpoint: str) -> str:
    """Return the log group that SageMaker writes an endpoint's logs to."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"
