"""Reads the shards of a stream from where a refresh has ended to what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from src.json_object import JsonObject
from src.sql.refusal import INTERNAL, Refusal

STEP_RECORDS = 20_000  # of one shard, then the refresh commits, and continues
PAGE = 10_000  # the most that one call of GetRecords takes
MAX_BYTES = 1_048_576  # a longer record is skipped, as on Redshift
OVERSIZE = 1  # this layer's own code of sys_stream_scan_errors: AWS documents none
Positions = Mapping[str, tuple[str | None, bool]]  # by shard: the last number, read to its end


@dataclass
class Scan:
    """What was read of one shard: its records, and how far."""

    shard: str
    position: str | None
    records: list[JsonObject] = field(default_factory=list)
    errors: list[JsonObject] = field(default_factory=list)
    is_finished: bool = False  # the shard was closed, and nothing is left in it
    is_at_tip: bool = False  # as it was when the refresh began


def open_stream(connection: Any, stream: str) -> Any:
    """Return the client of Kinesis; refuses a stream that is not there."""
    if connection.streams is None:
        raise Refusal.not_emulated("streaming ingestion in this session")
    client = connection.streams()
    try:
        client.describe_stream_summary(StreamName=stream)
    except (BotoCoreError, ClientError) as error:
        raise stream_error(error, stream) from error
    return client


class ShardReader:
    """Reads a stream's shards; `iterators` are kept from one refresh to the next.

    An iterator is good for the position that it was made for, and for five minutes.
    """

    def __init__(self, client: Any, stream: str, iterators: dict[str, tuple[str | None, str]]):
        self._client, self._stream, self._iterators = client, stream, iterators
        self._parents = {s["ShardId"]: _parents(s) for s in self._shards()}

    def _shards(self) -> Iterator[JsonObject]:
        wanted: JsonObject = {"StreamName": self._stream}
        while wanted:
            answer = self._call("list_shards", wanted)
            yield from answer["Shards"]
            wanted = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}

    def read(self, positions: Positions, until: datetime) -> tuple[list[Scan], bool]:
        """Return what is new in each shard, and whether all of it that was there at `until`.

        The children of a shard are read once nothing is left in it, so that the records of a key
        keep their order.
        """
        finished = {name for name, (_, is_finished) in positions.items() if is_finished}
        scans: dict[str, Scan] = {}
        while ready := [
            name for name, parents in self._parents.items()
            if name not in scans and name not in finished
            and (parents & self._parents.keys()) <= finished
        ]:  # fmt: skip
            for name in ready:
                scan = self._scan(name, positions.get(name, (None, False))[0], until)
                scans[name] = scan
                if scan.is_finished:
                    finished.add(name)
        is_complete = all(
            name in finished or (name in scans and scans[name].is_at_tip) for name in self._parents
        )
        return list(scans.values()), is_complete

    def _scan(self, shard: str, position: str | None, until: datetime) -> Scan:
        scan = Scan(shard, position)
        held, iterator = self._iterators.pop(shard, (None, ""))
        if held != position or not iterator:
            iterator = self._iterator(shard, position)
        read = 0
        while not (scan.is_finished or scan.is_at_tip) and read < STEP_RECORDS:
            wanted = min(PAGE, STEP_RECORDS - read)
            try:
                answer = self._call(
                    "get_records", {"ShardIterator": iterator, "Limit": wanted},
                    passes="ExpiredIteratorException",
                )  # fmt: skip
            except ClientError:
                iterator = self._iterator(shard, scan.position)
                continue
            records = answer["Records"]
            read += len(records)
            scan.records += _fitting(records, scan)
            if records:
                scan.position = records[-1]["SequenceNumber"]
                scan.is_at_tip = records[-1]["ApproximateArrivalTimestamp"] > until
            scan.is_at_tip |= answer.get("MillisBehindLatest") == 0
            iterator = answer.get("NextShardIterator") or ""
            scan.is_finished = not iterator
        if iterator:
            self._iterators[shard] = (scan.position, iterator)
        return scan

    def _iterator(self, shard: str, position: str | None) -> str:
        start: JsonObject = {"ShardIteratorType": "TRIM_HORIZON"}
        if position is not None:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                     "StartingSequenceNumber": position}  # fmt: skip
        wanted = {"StreamName": self._stream, "ShardId": shard, **start}
        return str(self._call("get_shard_iterator", wanted)["ShardIterator"])

    def _call(self, operation: str, arguments: JsonObject, passes: str = "") -> JsonObject:
        try:
            answer: JsonObject = getattr(self._client, operation)(**arguments)
        except ClientError as error:
            if passes and error.response.get("Error", {}).get("Code") == passes:
                raise
            raise stream_error(error, self._stream) from error
        except BotoCoreError as error:
            raise stream_error(error, self._stream) from error
        return answer


def _parents(shard: JsonObject) -> frozenset[str]:
    names = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    return frozenset(str(name) for name in names if name)


def _fitting(records: Iterable[JsonObject], scan: Scan) -> list[JsonObject]:
    """Return the records that a VARBYTE takes; the others are noted."""
    kept = []
    for record in records:
        if len(record["Data"]) <= MAX_BYTES:
            kept.append(record)
        else:
            text = f"The record has {len(record['Data'])} bytes; at most {MAX_BYTES} are read."
            scan.errors.append({
                "arrived": record["ApproximateArrivalTimestamp"].isoformat(), "code": OVERSIZE,
                "shard": scan.shard, "position": record["SequenceNumber"], "reason": text,
            })  # fmt: skip
    return kept


def stream_error(error: Exception, stream: str) -> Refusal:
    """Return the warehouse's error for one of Kinesis's."""
    answer = getattr(error, "response", None) or {}
    code = answer.get("Error", {}).get("Code", type(error).__name__)
    detail = f"Kinesis: {answer.get('Error', {}).get('Message') or error}"
    if code == "ResourceNotFoundException":
        return Refusal(f'stream "{stream}" does not exist', "42P01", detail)
    return Refusal(f'stream "{stream}" cannot be read: {code}', INTERNAL, detail)
