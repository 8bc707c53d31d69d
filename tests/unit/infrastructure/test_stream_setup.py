"""The stream is made with its tag where it is missing, also where one is still being deleted."""

import pytest

from src.errors import StreamError
from src.infrastructure.aws.account import DEMO_TAG
from src.infrastructure.streaming.stream_setup import ensure_stream
from tests.aws.validating import Played, refusal


class Kinesis(Played):
    service = "kinesis"

    def __init__(self, *statuses):
        super().__init__()
        self.statuses, self.made = list(statuses), []

    def describe_stream_summary(self, *, StreamName):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "gone":
            raise refusal("ResourceNotFoundException")
        return {"StreamDescriptionSummary": {
            "StreamName": StreamName, "StreamStatus": status, "StreamARN": "a", "OpenShardCount": 2,
            "RetentionPeriodHours": 24, "StreamCreationTimestamp": 0, "EnhancedMonitoring": [],
        }}  # fmt: skip

    def create_stream(self, **arguments):
        self.made.append(arguments)
        self.statuses = ["CREATING", "ACTIVE"]
        return {}


def test_a_stream_that_is_being_deleted_is_waited_for_and_made_anew():
    kinesis = Kinesis("DELETING", "DELETING", "gone")
    assert ensure_stream(kinesis, "sales", 2, sleep=lambda _: None) == 2
    (made,) = kinesis.made
    assert made == {"StreamName": "sales", "ShardCount": 2, "Tags": dict([DEMO_TAG])}


def test_one_that_is_there_is_used_as_it_is():
    kinesis = Kinesis("UPDATING")
    assert ensure_stream(kinesis, "sales", 4, sleep=lambda _: None) == 2
    assert kinesis.made == []


def test_one_that_is_never_ready_is_an_error(monkeypatch):
    monkeypatch.setattr("src.infrastructure.streaming.stream_setup.READY_TIMEOUT_S", 0.0)
    with pytest.raises(StreamError, match="not active"):
        ensure_stream(Kinesis("CREATING"), "sales", 1, sleep=lambda _: None)
