"""Streams as Kinesis's control operations show and change them, but for resharding."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.kinesis.iterators import LIFE_MS, decoded, encoded
from src.local_cloud.kinesis.limits import RETENTION_HOURS, SHARDS_PER_ACCOUNT
from src.local_cloud.kinesis.log import Stream, StreamLog, Transaction
from src.local_cloud.kinesis.shards import Shard, even_ranges, shard_number

ACCOUNT = "000000000000"
CHANGE_MS = 100  # a stream is CREATING or UPDATING for as long
ON_DEMAND_SHARDS = 4
_HOUR_MS = 3_600_000
_MAX_TAGS = 50
Answer = JsonObject


def invalid(text: str) -> NoReturn:
    """Refuse an argument."""
    raise AwsError("InvalidArgumentException", text)


def moment_of(ms: int) -> datetime:
    """Return a time of the log as answers show it."""
    return datetime.fromtimestamp(ms / 1000, UTC)


class StreamControl:
    """The control operations with boto3's arguments, answers and errors.

    `names` are StreamName and StreamARN, one of which each operation on a stream needs.
    """

    def __init__(
        self, log: StreamLog, *, region: str, now: Callable[[], float] = time.time
    ) -> None:
        self._log, self._region, self._now = log, region, now

    def create_stream(
        self, *, StreamName: str, ShardCount: int | None = None,
        StreamModeDetails: dict[str, str] | None = None, Tags: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Make a stream; it is ACTIVE after a short time."""
        mode = (StreamModeDetails or {}).get("StreamMode", "PROVISIONED")
        if (ShardCount is None) == (mode == "PROVISIONED"):
            wanted = "needs" if ShardCount is None else "takes no"
            raise AwsError("ValidationException", f"a stream of mode {mode} {wanted} ShardCount")
        count, now_ms = ShardCount or ON_DEMAND_SHARDS, self._now_ms()
        with self._log.write() as log:
            if log.stream(StreamName) is not None:
                text = f"Stream {StreamName} under account {ACCOUNT} already exists."
                raise AwsError("ResourceInUseException", text)
            self._check_shard_limit(log, count)
            tags = _checked_tags(Tags or {})
            made = log.add_stream(StreamName, mode, 24, now_ms, now_ms + CHANGE_MS, tags)
            for number, keys in enumerate(even_ranges(count)):
                log.add_shard(made, number, keys, now_ms)

    def delete_stream(self, *, EnforceConsumerDeletion: bool = False, **names: str) -> None:
        """Delete a stream with all its records."""
        with self._log.write() as log:
            log.delete_stream(self._stream(log, names))
        self._log.delete_unreachable()

    def list_streams(
        self, *, Limit: int = 100, ExclusiveStartStreamName: str = "", NextToken: str = ""
    ) -> Answer:
        """Return the streams' names, a page at a time."""
        after = self._page(NextToken)[0] if NextToken else ExclusiveStartStreamName
        with self._log.read() as log:
            found = [stream for stream in log.streams() if stream.name > after]
        page, more = found[:Limit], len(found) > Limit
        shown = ("StreamName", "StreamARN", "StreamStatus", "StreamModeDetails",
                 "StreamCreationTimestamp")  # fmt: skip
        described = [self._described(stream) for stream in page]
        return {
            "StreamNames": [stream.name for stream in page],
            "StreamSummaries": [{name: of[name] for name in shown} for of in described],
            "HasMoreStreams": more,
            **({"NextToken": self._token(page[-1].name)} if more else {}),
        }

    def describe_stream_summary(self, **names: str) -> Answer:
        """Return a stream's facts."""
        with self._log.read() as log:
            stream = self._stream(log, names)
            more = {"OpenShardCount": len(open_shards(log, stream)), "ConsumerCount": 0}
        return {"StreamDescriptionSummary": {**self._described(stream), **more}}

    def describe_stream(
        self, *, Limit: int = 100, ExclusiveStartShardId: str = "", **names: str
    ) -> Answer:
        """Return a stream's facts and its shards, a page at a time."""
        after = _number(ExclusiveStartShardId)
        with self._log.read() as log:
            stream = self._stream(log, names)
            found = [shard for shard in self._kept(log, stream) if shard.number > after]
        shards = [shard.described() for shard in found[:Limit]]
        more = {"Shards": shards, "HasMoreShards": len(found) > Limit}
        return {"StreamDescription": {**self._described(stream), **more}}

    def list_shards(
        self, *, NextToken: str = "", ExclusiveStartShardId: str = "", MaxResults: int = 1_000,
        ShardFilter: JsonObject | None = None, **names: str,
    ) -> Answer:  # fmt: skip
        """Return the shards, a page at a time; a filter goes with the first page."""
        wanted, after = ShardFilter or {}, ExclusiveStartShardId
        if NextToken:
            if names or after or wanted:
                invalid("NextToken and StreamName cannot be provided together.")
            name, after, kind, of_shard, at = self._page(NextToken)
            names = {"StreamName": name}
            wanted = {"Type": kind or None, "ShardId": of_shard, "Timestamp": at}
        with self._log.read() as log:
            stream = self._stream(log, names)
            kept = self._kept(log, stream)
        found = _filtered(kept, wanted, self._horizon_ms(stream))
        found = [shard for shard in found if shard.number > _number(after)]
        page = found[:MaxResults]
        answer: Answer = {"Shards": [shard.described() for shard in page]}
        if len(found) > MaxResults:
            of = wanted.get("Type") or "", wanted.get("ShardId", ""), _ms(wanted.get("Timestamp"))
            answer["NextToken"] = self._token(stream.name, page[-1].id, *of)
        return answer

    def increase_stream_retention_period(self, *, RetentionPeriodHours: int, **names: str) -> None:
        """Keep records longer."""
        self._retain(RetentionPeriodHours, names, sign=1)

    def decrease_stream_retention_period(self, *, RetentionPeriodHours: int, **names: str) -> None:
        """Keep records for a shorter time: older ones are gone at once."""
        self._retain(RetentionPeriodHours, names, sign=-1)

    def _retain(self, hours: int, names: dict[str, str], *, sign: int) -> None:
        low, high = RETENTION_HOURS
        if not low <= hours <= high:
            invalid(f"Requested retention period ({hours} hours) is not allowed: it is at least "
                    f"{low} and at most {high} hours.")  # fmt: skip
        with self._log.write() as log:
            stream = self._active(log, names)
            if sign * hours < sign * stream.retention_hours:
                invalid(f"Requested retention period ({hours} hours) for stream {stream.name} can "
                        f"not be {'shorter' if sign > 0 else 'longer'} than existing retention "
                        f"period ({stream.retention_hours} hours).")  # fmt: skip
            log.update_stream(stream, hours=hours)

    def add_tags_to_stream(self, *, Tags: dict[str, str], **names: str) -> None:
        """Set tags."""
        with self._log.write() as log:
            stream = self._stream(log, names)
            log.update_stream(stream, tags=_checked_tags({**stream.tags, **Tags}))

    def remove_tags_from_stream(self, *, TagKeys: list[str], **names: str) -> None:
        """Remove tags."""
        with self._log.write() as log:
            stream = self._stream(log, names)
            kept = {name: value for name, value in stream.tags.items() if name not in TagKeys}
            log.update_stream(stream, tags=kept)

    def list_tags_for_stream(
        self, *, ExclusiveStartTagKey: str = "", Limit: int = _MAX_TAGS, **names: str
    ) -> Answer:
        """Return tags by name, a page at a time."""
        with self._log.read() as log:
            tags = sorted(self._stream(log, names).tags.items())
        found = [{"Key": k, "Value": v} for k, v in tags if k > ExclusiveStartTagKey]
        return {"Tags": found[:Limit], "HasMoreTags": len(found) > Limit}

    # -- shared --------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    def _horizon_ms(self, stream: Stream) -> int:
        """Return since when records are kept."""
        return self._now_ms() - stream.retention_hours * _HOUR_MS

    def _kept(self, log: Transaction, stream: Stream) -> list[Shard]:
        """Return the shards but those that closed before the first record that is kept."""
        horizon_ms = self._horizon_ms(stream)
        return [s for s in log.shards(stream) if s.closed_ms is None or s.closed_ms >= horizon_ms]

    def _arn(self, name: str) -> str:
        return f"arn:aws:kinesis:{self._region}:{ACCOUNT}:stream/{name}"

    def _stream(self, log: Transaction, names: dict[str, str]) -> Stream:
        """Return the stream that a request names; ResourceNotFoundException where none is."""
        if others := names.keys() - {"StreamName", "StreamARN"}:
            text = f"not emulated by the local cloud: {', '.join(sorted(others))}"
            raise AwsError("ValidationException", text)
        if not names:
            invalid("Either StreamName or StreamARN must be provided.")
        name = names.get("StreamName") or names["StreamARN"].rpartition("/")[2]
        is_own = names.get("StreamARN") in (None, self._arn(name))
        found = log.stream(name) if is_own else None
        if found is None:
            text = f"Stream {name} under account {ACCOUNT} not found."
            raise AwsError("ResourceNotFoundException", text)
        return found

    def _active(self, log: Transaction, names: dict[str, str]) -> Stream:
        """Return the stream; ResourceInUseException while it changes."""
        stream = self._stream(log, names)
        if (status := self._status(stream)) != "ACTIVE":
            text = (f"Stream {stream.name} under account {ACCOUNT} not ACTIVE, instead in state "
                    f"{status}")  # fmt: skip
            raise AwsError("ResourceInUseException", text)
        return stream

    def _status(self, stream: Stream) -> str:
        until_ms = stream.changing_until_ms
        if not until_ms - CHANGE_MS <= self._now_ms() < until_ms:  # also where a clock went back
            return "ACTIVE"
        is_new = until_ms == stream.created_ms + CHANGE_MS
        return "CREATING" if is_new else "UPDATING"

    def _described(self, stream: Stream) -> Answer:
        return {
            "StreamName": stream.name, "StreamARN": self._arn(stream.name),
            "StreamStatus": self._status(stream), "StreamModeDetails": {"StreamMode": stream.mode},
            "RetentionPeriodHours": stream.retention_hours, "EncryptionType": "NONE",
            "StreamCreationTimestamp": moment_of(stream.created_ms),
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        }  # fmt: skip

    def _check_shard_limit(self, log: Transaction, added: int) -> None:
        count = sum(len(open_shards(log, stream)) for stream in log.streams())
        if count + added > SHARDS_PER_ACCOUNT:
            text = (
                f"This request would exceed the shard limit for the account {ACCOUNT} in "
                f"{self._region}. Current shard count for the account: {count}. Limit: "
                f"{SHARDS_PER_ACCOUNT}. Number of additional shards that would have resulted from "
                f"this request: {added}."
            )
            raise AwsError("LimitExceededException", text)

    def _token(self, *values: Any) -> str:
        return encoded(self._now_ms(), values)

    def _page(self, token: str) -> list[Any]:
        """Return what a page's token holds; raises AwsError for what is none, or too old."""
        match decoded(token):
            case [int(made_ms), list(values)] if values:
                if self._now_ms() - made_ms > LIFE_MS:
                    raise AwsError("ExpiredNextTokenException", "NextToken is expired.")
                return values
        invalid("NextToken is invalid.")


def open_shards(log: Transaction, stream: Stream) -> list[Shard]:
    """Return the open shards by their hash keys."""
    found = [shard for shard in log.shards(stream) if shard.closed_ms is None]
    return sorted(found, key=lambda shard: shard.first_key)


def _number(shard: str) -> int:
    """Return a shard's number; -1, before the first, for no name."""
    number = shard_number(shard) if shard else -1
    if number is None:
        invalid(f"{shard} is no name of a shard.")
    return number


def _ms(moment: Any) -> int:
    """Return a time of a request, or of a page's token, in milliseconds; 0 for none."""
    return int(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment or 0


def _filtered(shards: list[Shard], wanted: JsonObject, horizon_ms: int) -> list[Shard]:
    """Return the shards of a ShardFilter."""
    kind, at_ms = wanted.get("Type"), _ms(wanted.get("Timestamp"))
    if (kind == "AFTER_SHARD_ID" and not wanted.get("ShardId")) or (
        kind in ("AT_TIMESTAMP", "FROM_TIMESTAMP") and not at_ms
    ):
        invalid(f"a ShardFilter of type {kind} needs ShardId or Timestamp.")
    if kind == "AFTER_SHARD_ID":
        return [shard for shard in shards if shard.number > _number(wanted["ShardId"])]
    if kind == "AT_LATEST":
        return [shard for shard in shards if shard.closed_ms is None]
    if kind is None or kind == "FROM_TRIM_HORIZON":
        return shards
    at_ms = max(at_ms, horizon_ms)
    later = [shard for shard in shards if shard.closed_ms is None or shard.closed_ms >= at_ms]
    if kind == "FROM_TIMESTAMP":
        return later
    earliest = min((shard.opened_ms for shard in shards), default=0)
    return [shard for shard in later if shard.opened_ms <= max(at_ms, earliest)]


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MAX_TAGS:
        invalid(f"Failed to add tags: a resource cannot have more than {_MAX_TAGS} tags.")
    return tags
