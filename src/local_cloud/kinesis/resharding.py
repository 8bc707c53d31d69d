"""Splitting and merging shards: parents close, children open, and no record moves."""

from __future__ import annotations

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.kinesis.log import Stream, Transaction
from src.local_cloud.kinesis.shards import Shard, even_ranges
from src.local_cloud.kinesis.stream_control import (
    ACCOUNT,
    CHANGE_MS,
    StreamControl,
    invalid,
    open_shards,
)


class Resharding(StreamControl):
    """SplitShard, MergeShards and UpdateShardCount."""

    def split_shard(self, *, ShardToSplit: str, NewStartingHashKey: str, **names: str) -> None:
        """Replace a shard by two; the second begins at a hash key."""
        with self._log.write() as log:
            stream = self._active(log, names)
            shard, at = self._open_shard(log, stream, ShardToSplit), int(NewStartingHashKey)
            if not shard.first_key < at <= shard.last_key:
                invalid(
                    f"NewStartingHashKey {at} used in SplitShard() on shard {shard.id} in stream "
                    f"{stream.name} under account {ACCOUNT} is not greater than the shard's "
                    f"StartingHashKey {shard.first_key} and at most its EndingHashKey "
                    f"{shard.last_key}."
                )
            self._check_shard_limit(log, 1)
            self._split(log, stream, shard, at)

    def merge_shards(self, *, ShardToMerge: str, AdjacentShardToMerge: str, **names: str) -> None:
        """Replace two shards by one; their hash keys must adjoin."""
        with self._log.write() as log:
            stream = self._active(log, names)
            one = self._open_shard(log, stream, ShardToMerge)
            other = self._open_shard(log, stream, AdjacentShardToMerge)
            if one.last_key + 1 != other.first_key and other.last_key + 1 != one.first_key:
                invalid(
                    f"Shards {one.id} and {other.id} in stream {stream.name} under account "
                    f"{ACCOUNT} are not an adjacent pair of shards eligible for merging."
                )
            self._merge(log, stream, one, other)

    def update_shard_count(
        self, *, TargetShardCount: int, ScalingType: str, **names: str
    ) -> JsonObject:
        """Cut the hash keys evenly anew, by splits and merges as AWS does it.

        That leaves short-lived shards without records; each child has the parents it came from.
        """
        with self._log.write() as log:
            stream = self._active(log, names)
            if stream.mode != "PROVISIONED":
                raise AwsError("ValidationException",
                               "UpdateShardCount needs a stream of mode PROVISIONED")  # fmt: skip
            current = len(open_shards(log, stream))
            if not current <= 2 * TargetShardCount <= 4 * current:
                text = (
                    f"UpdateShardCount cannot scale {stream.name} from {current} to "
                    f"{TargetShardCount} shards: at most double and at least half of them at once."
                )
                raise AwsError("LimitExceededException", text)
            self._check_shard_limit(log, max(TargetShardCount - current, 0))
            self._make_even(log, stream, even_ranges(TargetShardCount))
        return {"StreamName": stream.name, "StreamARN": self._arn(stream.name),
                "CurrentShardCount": current, "TargetShardCount": TargetShardCount}  # fmt: skip

    def _make_even(self, log: Transaction, stream: Stream, ranges: list[tuple[int, int]]) -> None:
        for low, _ in ranges:
            at_edge = next(s for s in open_shards(log, stream) if s.first_key <= low <= s.last_key)
            if at_edge.first_key < low:
                self._split(log, stream, at_edge, low)
        for low, high in ranges:
            while (
                len(inside := [s for s in open_shards(log, stream) if low <= s.first_key <= high])
                > 1
            ):
                self._merge(log, stream, inside[0], inside[1])

    def _split(self, log: Transaction, stream: Stream, shard: Shard, at: int) -> None:
        self._replace(log, stream, [shard], [(shard.first_key, at - 1), (at, shard.last_key)])

    def _merge(self, log: Transaction, stream: Stream, one: Shard, other: Shard) -> None:
        keys = min(one.first_key, other.first_key), max(one.last_key, other.last_key)
        self._replace(log, stream, [one, other], [keys])

    def _replace(
        self, log: Transaction, stream: Stream, parents: list[Shard], ranges: list[tuple[int, int]]
    ) -> None:
        now_ms = self._now_ms()
        number = log.shards(stream)[-1].number
        for parent in parents:
            log.close_shard(parent, now_ms)
        for keys in ranges:
            number += 1
            log.add_shard(stream.id, number, keys, now_ms, *(p.number for p in parents))
        log.update_stream(stream, until_ms=now_ms + CHANGE_MS)

    def _open_shard(self, log: Transaction, stream: Stream, name: str) -> Shard:
        shard = self._shard(log, stream, name)
        if shard.closed_ms is not None:
            invalid(
                f"Shard {name} in stream {stream.name} under account {ACCOUNT} has already been "
                "merged or split, and thus is not eligible for merging or splitting."
            )
        return shard

    def _shard(self, log: Transaction, stream: Stream, name: str) -> Shard:
        for shard in self._kept(log, stream):
            if shard.id == name:
                return shard
        text = (f"Could not find shard {name} in stream {stream.name} under account "
                f"{ACCOUNT}.")  # fmt: skip
        raise AwsError("ResourceNotFoundException", text)
