"""The demo's stream: made with its tag where it is missing, and ready when this returns."""

from __future__ import annotations

from typing import Any

from src.errors import StreamError
from src.infrastructure.aws.account import DEMO_TAG
from src.infrastructure.aws.answers import AwsRefusal, asking, unless_missing
from src.waiting import Sleep, every, poll_until, real_sleep

READY_TIMEOUT_S = 180.0
_POLL_S = 0.1


def ensure_stream(client: Any, name: str, shards: int, *, sleep: Sleep = real_sleep) -> int:
    """Make the stream where it is missing, wait until it is active; returns its open shards."""

    def summary() -> Any:
        answer = unless_missing(client.describe_stream_summary, StreamName=name)
        return answer["StreamDescriptionSummary"] if answer else None

    with asking("Kinesis", where=name, refused=_refused(name)):
        if summary() is None:
            tags = dict([DEMO_TAG])
            client.create_stream(StreamName=name, ShardCount=shards, Tags=tags)
        found = poll_until(
            summary,
            lambda s: s is not None and s["StreamStatus"] in ("ACTIVE", "UPDATING"),
            pauses_s=every(_POLL_S), timeout_s=READY_TIMEOUT_S, sleep=sleep,
        )  # fmt: skip
    if found is None or found["StreamStatus"] not in ("ACTIVE", "UPDATING"):
        raise StreamError(
            f"the stream is not active after {READY_TIMEOUT_S:.0f} s",
            where=name,
            hint="python -m src.streaming produce, once it is",
        )
    return int(found["OpenShardCount"])


def _refused(name: str) -> Any:
    def error(refusal: AwsRefusal) -> StreamError:
        return StreamError(
            f"Kinesis refused {refusal.operation}",
            where=name,
            cause=refusal.text,
            hint="attach OperatorPolicy of src/infrastructure/cloudformation/concert-demo.yaml",
        )

    return error
