"""The log group of all runs: CloudWatch reads the metrics out of its events.

The group is one of the stack of operations.json, so that removing the stack leaves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from src.errors import DemoError
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.aws.answers import AwsRefusal, asking, unless_missing
from src.json_object import JsonView

GROUP, KEPT_DAYS = "/concert-demo/runs", 90
ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
_EXISTING = frozenset(["ResourceAlreadyExistsException"])


class RunLogs:
    """Writes events in CloudWatch's embedded metric format."""

    def __init__(self, account: AwsAccount) -> None:
        self._client = account.client("logs")

    def put(self, run_id: str, events: Sequence[JsonView]) -> None:
        """Write a run's events to a stream of its own; raises DemoError where AWS refuses."""
        logs = self._client
        with asking("CloudWatch Logs", where=f"log group {GROUP}", refused=_refused):
            unless_missing(
                logs.create_log_stream, _EXISTING, logGroupName=GROUP, logStreamName=run_id
            )
            logs.put_log_events(
                logGroupName=GROUP,
                logStreamName=run_id,
                logEvents=[
                    {"timestamp": event["_aws"]["Timestamp"], "message": json.dumps(event)}
                    for event in events
                ],
            )


def _refused(refusal: AwsRefusal) -> DemoError:
    return DemoError(
        f"the run's metrics are not in CloudWatch: {refusal.code}",
        where=f"log group {GROUP}",
        cause=refusal.text,
        hint="deploy src/infrastructure/cloudformation/operations.json, and attach its RunMetrics",
    )
