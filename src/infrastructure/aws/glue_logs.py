"""The log groups of the Glue job: made with a tag and an end, and read when a run fails."""

from __future__ import annotations

from src.errors import EtlError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount
from src.infrastructure.aws.answers import AWS_ERRORS, AwsRefusal, asking, unless_missing
from src.infrastructure.aws.glue_job import LOG_DAYS, log_groups

_READ_EVENTS, _SHOWN_LINES = 100, 20
_EXISTING = frozenset(["ResourceAlreadyExistsException", "OperationAbortedException"])


class GlueLogs:
    """CloudWatch's log groups of one job."""

    def __init__(self, account: AwsAccount, job_name: str) -> None:
        self._client = account.client("logs")
        self._groups = log_groups(job_name)
        self.error_group = self._groups[0]

    def ensure(self) -> None:
        """Create the groups that are missing: one that Glue creates keeps its events for ever.

        Raises EtlError where AWS refuses.
        """
        logs, tags = self._client, dict([DEMO_TAG])
        for group in self._groups:
            with asking("CloudWatch Logs", where=f"log group {group}", refused=_refused):
                create = logs.create_log_group
                if unless_missing(create, _EXISTING, logGroupName=group, tags=tags) is not None:
                    logs.put_retention_policy(logGroupName=group, retentionInDays=LOG_DAYS)

    def tail(self, run_id: str) -> list[str]:
        """Return the last lines that a run's driver wrote; none where they cannot be read."""
        try:
            answer = self._client.get_log_events(
                logGroupName=self.error_group,
                logStreamName=run_id,
                limit=_READ_EVENTS,
                startFromHead=False,
            )
        except AWS_ERRORS:
            return []
        lines = [line for event in answer["events"] for line in event["message"].splitlines()]
        return [line.rstrip() for line in lines if line.strip()][-_SHOWN_LINES:]


def _refused(refusal: AwsRefusal) -> EtlError:
    return EtlError(
        f"AWS refused {refusal.operation} for the job's log groups",
        where="CloudWatch Logs",
        cause=refusal.text,
        hint="attach OperatorPolicy of src/infrastructure/cloudformation/concert-demo.yaml",
    )
