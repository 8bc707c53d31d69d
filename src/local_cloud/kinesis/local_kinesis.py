"""Kinesis Data Streams over one SQLite file, with boto3's methods, answers and errors.

The AWS endpoint serves one such object as `kinesis`; the file is in the state folder, and only the
process that serves the endpoint opens it, at the first request. Everything else, in that process
or another one, reads and writes through a boto3 client with the state folder's keys:
`LocalCloud.aws_client("kinesis")`, or any SDK with what `up` prints. Code of the serving process
may call `LocalServices.kinesis()`: this object has the same methods and answers as the client,
without HTTP. It may be used by many threads.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.kinesis.iterators import Position
from src.local_cloud.kinesis.limits import (
    ANSWER_BYTES,
    RECORD_BYTES,
    RECORDS_PER_GET,
    REQUEST_BYTES,
    Limits,
)
from src.local_cloud.kinesis.log import Record, Stream, StreamLog, Transaction
from src.local_cloud.kinesis.resharding import Resharding
from src.local_cloud.kinesis.shards import HASH_KEYS, Shard, hash_key
from src.local_cloud.kinesis.stream_control import ACCOUNT, Answer, invalid, moment_of

_THROTTLED = "ProvisionedThroughputExceededException"
_TRIM_EVERY_MS = 1_000
Entry = JsonObject  # of a request


class LocalKinesis(Resharding):
    """The data operations; control operations are inherited. `limits` None throttles nothing."""

    def __init__(
        self, file: Path, *, region: str = "us-east-1", limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        super().__init__(StreamLog(file), region=region, now=now)
        self._limits = limits
        self._trimmed_ms: dict[int, int] = {}

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    # -- writing -------------------------------------------------------------------------

    def put_record(
        self, *, Data: bytes, PartitionKey: str | None = None, ExplicitHashKey: str | None = None,
        SequenceNumberForOrdering: str | None = None, **names: str,
    ) -> Answer:  # fmt: skip
        """Store one record."""
        entry = {"Data": Data, "PartitionKey": PartitionKey, "ExplicitHashKey": ExplicitHashKey}
        (answer,) = self._put([entry], names)
        if "ErrorCode" in answer:
            raise AwsError(answer["ErrorCode"], answer["ErrorMessage"])
        return {**answer, "EncryptionType": "NONE"}

    def put_records(self, *, Records: list[Entry], **names: str) -> Answer:
        """Store records, as far as their shards take them; the answers are in their order."""
        answers = self._put(Records, names)
        failed = sum("ErrorCode" in answer for answer in answers)
        return {"FailedRecordCount": failed, "Records": answers, "EncryptionType": "NONE"}

    def _put(self, entries: Sequence[Entry], names: dict[str, str]) -> list[Answer]:
        sizes, keys = _sizes(entries), [_key(entry) for entry in entries]
        answers: list[Answer] = []
        with self._log.write() as log:
            stream = self._stream(log, names)
            if self._status(stream) == "CREATING":
                text = f"Stream {stream.name} under account {ACCOUNT} not found."
                raise AwsError("ResourceNotFoundException", text)
            takes = self._limits.writer(stream.id) if self._limits is not None else _takes_all
            now_ms, shards = self._now_ms(), log.shards(stream)
            self._trim(log, stream, shards, now_ms)
            targets = sorted((s for s in shards if s.closed_ms is None), key=lambda s: s.first_key)
            firsts = [shard.first_key for shard in targets]
            heads = {shard.number: shard.last for shard in targets}
            rows = []
            for entry, size, key in zip(entries, sizes, keys, strict=True):
                shard = targets[bisect_right(firsts, key) - 1]
                if not takes(shard.number, size):
                    answers.append(_refused(shard, stream))
                    continue
                n = heads[shard.number] = heads[shard.number] + 1
                # A clock that was set back does not reach the log: times never fall in a shard.
                arrived_ms = max(now_ms, shard.arrived_ms)
                rows.append((stream.id, shard.number, n, arrived_ms, entry["PartitionKey"],
                             entry["Data"]))  # fmt: skip
                answers.append({"SequenceNumber": shard.sequence(n), "ShardId": shard.id})
            log.append(rows, [
                (heads[s.number], max(now_ms, s.arrived_ms), stream.id, s.number)
                for s in targets if heads[s.number] > s.last
            ])  # fmt: skip
        return answers

    def _trim(self, log: Transaction, stream: Stream, shards: Sequence[Shard], now_ms: int) -> None:
        """Delete, once a second, records that are past retention; no read shows them anyway."""
        if abs(now_ms - self._trimmed_ms.get(stream.id, 0)) < _TRIM_EVERY_MS:
            return
        self._trimmed_ms[stream.id] = now_ms
        for shard in shards:
            log.trim(shard, self._horizon_ms(stream))

    # -- reading -------------------------------------------------------------------------

    def get_shard_iterator(
        self, *, ShardId: str, ShardIteratorType: str, StartingSequenceNumber: str = "",
        Timestamp: datetime | None = None, **names: str,
    ) -> Answer:  # fmt: skip
        """Return where a read of a shard begins."""
        with self._log.read() as log:
            stream = self._stream(log, names)
            shard = self._shard(log, stream, ShardId)
            if ShardIteratorType == "TRIM_HORIZON":
                after = 0
            elif ShardIteratorType == "LATEST":
                after = shard.last
            elif ShardIteratorType == "AT_TIMESTAMP":
                after = self._since(log, shard, Timestamp)
            else:
                is_at = ShardIteratorType == "AT_SEQUENCE_NUMBER"
                after = _position(shard, StartingSequenceNumber, stream) - is_at
        position = Position(stream.id, shard.number, max(after, 0), self._now_ms())
        return {"ShardIterator": position.token()}

    def _since(self, log: Transaction, shard: Shard, moment: datetime | None) -> int:
        if moment is None:
            invalid("an iterator of type AT_TIMESTAMP needs Timestamp.")
        at_ms = int(moment.timestamp() * 1000)
        if at_ms > self._now_ms():
            invalid(f"The timestampInMillis parameter cannot be greater than the "
                    f"currentTimestampInMillis. timestampInMillis: {at_ms}, "
                    f"currentTimestampInMillis: {self._now_ms()}")  # fmt: skip
        return log.first_since(shard, at_ms) - 1

    def get_records(
        self, *, ShardIterator: str, Limit: int = RECORDS_PER_GET, StreamARN: str = ""
    ) -> Answer:
        """Return records from a position on, as many as an answer holds."""
        at = Position.of(ShardIterator, self._now_ms())
        with self._log.read() as log:
            stream = log.stream_of_id(at.stream)
            shards = log.shards(stream) if stream is not None else []
            shard = next((s for s in shards if s.number == at.shard), None)
            if stream is None or shard is None:
                text = f"the iterator's shard is gone under account {ACCOUNT}."
                raise AwsError("ResourceNotFoundException", text)
            if self._limits is not None and not self._limits.may_read(stream.id, shard.number):
                raise AwsError(_THROTTLED, _rate_text(shard, stream))
            first = log.first_since(shard, self._horizon_ms(stream))
            after = max(at.after, first - 1)
            found, size = _as_many_as_fit(log, shard, after, Limit)
            if self._limits is not None:
                self._limits.was_read(stream.id, shard.number, size)
            last = found[-1].n if found else after
            behind_ms = 0
            if last < shard.last:
                behind_ms = max(1, self._now_ms() - log.arrived_ms(shard, last + 1))
        answer: Answer = {
            "Records": [_shown(shard, record) for record in found],
            "MillisBehindLatest": behind_ms,
        }
        if shard.closed_ms is not None and last >= shard.last:
            children = (s for s in shards if shard.number in (s.parent, s.adjacent))
            return {**answer, "ChildShards": [child.as_child() for child in children]}
        position = Position(stream.id, shard.number, last, self._now_ms())
        return {**answer, "NextShardIterator": position.token()}


def _sizes(entries: Sequence[Entry]) -> list[int]:
    """Return the bytes of each record with its key; raises AwsError above the limits."""
    sizes = []
    for entry in entries:
        if entry.get("PartitionKey") is None:
            text = ("1 validation error detected: Value null at 'partitionKey' failed to satisfy "
                    "constraint: Member must not be null")  # fmt: skip
            raise AwsError("ValidationException", text)
        sizes.append(len(entry["Data"]) + len(entry["PartitionKey"].encode()))
    if max(sizes) > RECORD_BYTES:
        invalid(f"a record of {max(sizes)} bytes with its partition key exceeds {RECORD_BYTES}.")
    if sum(sizes) > REQUEST_BYTES:
        invalid(f"Records size exceeds {REQUEST_BYTES} bytes: {sum(sizes)}.")
    return sizes


def _key(entry: Entry) -> int:
    """Return the hash key that decides an entry's shard."""
    explicit = entry.get("ExplicitHashKey")
    if explicit is None:
        return hash_key(entry["PartitionKey"])
    if int(explicit) >= HASH_KEYS:
        invalid(f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
                f"Specified value was {explicit}")  # fmt: skip
    return int(explicit)


def _position(shard: Shard, sequence: str, stream: Stream) -> int:
    n = shard.position_of(sequence) if sequence else None
    if n is None:
        invalid(
            f"StartingSequenceNumber {sequence} used in GetShardIterator on shard {shard.id} in "
            f"stream {stream.name} under account {ACCOUNT} is invalid."
        )
    return n


def _as_many_as_fit(
    log: Transaction, shard: Shard, after: int, limit: int
) -> tuple[list[Record], int]:
    found: list[Record] = []
    size = 0
    for record in log.records(shard, after, limit):
        more = len(record.data) + len(record.key.encode())
        if size + more > ANSWER_BYTES:
            break
        size += more
        found.append(record)
    return found, size


def _shown(shard: Shard, record: Record) -> Answer:
    return {
        "SequenceNumber": shard.sequence(record.n),
        "ApproximateArrivalTimestamp": moment_of(record.arrived_ms),
        "Data": record.data,
        "PartitionKey": record.key,
        "EncryptionType": "NONE",
    }


def _takes_all(shard: int, size: int) -> bool:
    return True


def _refused(shard: Shard, stream: Stream) -> Answer:
    return {"ErrorCode": _THROTTLED, "ErrorMessage": _rate_text(shard, stream)}


def _rate_text(shard: Shard, stream: Stream) -> str:
    return f"Rate exceeded for shard {shard.id} in stream {stream.name} under account {ACCOUNT}."
