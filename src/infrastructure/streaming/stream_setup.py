"""The demo's stream: made with its tag where it is missing, and ready when this returns."""

from __future__ import annotations

from functools import partial
from typing import Any

from src.errors import StreamError
from src.infrastructure.aws.account import DEMO_TAG
from src.infrastructure.aws.answers import AwsRefusal, asking, unless_missing
from src.waiting import Sleep, every, poll_until, real_sleep

READY_TIMEOUT_S = 180.0
_POLL_S = 0.1
_READY = ("ACTIVE", "UPDATING")


def ensure_stream(client: Any, name: str, shards: int, *, sleep: Sleep = real_sleep) -> int:
    """Make the stream where it is missing, wait until it is active; returns its open shards.

    One that a cleanup is still deleting is waited for, and made anew.
    """

    def summary() -> Any:
        answer = unless_missing(client.describe_stream_summary, StreamName=name)
        return answer["StreamDescriptionSummary"] if answer else None

    with asking("Kinesis", where=name, refused=_refused(name)):
        wait = partial(poll_until, pauses_s=every(_POLL_S), timeout_s=READY_TIMEOUT_S, sleep=sleep)
        found = wait(summary, lambda s: s is None or s["StreamStatus"] != "DELETING")
        if found is None:
            tags = dict([DEMO_TAG])
            client.create_stream(StreamName=name, ShardCount=shards, Tags=tags)
        found = wait(summary, lambda s: s is not None and s["StreamStatus"] in _READY)
    if found is None or found["StreamStatus"] not in _READY:
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
