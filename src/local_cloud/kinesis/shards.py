"""Shards: ranges of hash keys, who follows whom, and the numbers of their records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from src.json_object import JsonObject

HASH_KEYS = 1 << 128
# A sequence number has 56 digits: the stream's number, the shard's, and the record's in its shard.
_BASE, _PER_STREAM, _PER_SHARD = 49 * 10**54, 10**44, 10**30
_ID = "shardId-"


@dataclass(frozen=True)
class Shard:
    """One shard, and where its last record is."""

    stream: int
    number: int
    parent: int | None
    adjacent: int | None  # the other parent of a merged shard
    first_key: int
    last_key: int
    opened_ms: int
    closed_ms: int | None
    last: int  # the number of the last record; 0 before the first
    arrived_ms: int  # of the last record

    @cached_property
    def id(self) -> str:
        """Return the shard's name."""
        return shard_id(self.number)

    def sequence(self, n: int) -> str:
        """Return the sequence number of the shard's n-th record."""
        return str(self._before + n)

    @cached_property
    def _before(self) -> int:
        return _BASE + self.stream * _PER_STREAM + self.number * _PER_SHARD

    def position_of(self, sequence: str) -> int | None:
        """Return which record a sequence number is, or None where it is not of this shard."""
        n = int(sequence) - self._before
        return n if 0 <= n <= self.last + 1 else None

    def described(self) -> JsonObject:
        """Return what ListShards shows of the shard."""
        numbers = {"StartingSequenceNumber": self.sequence(0)}
        if self.closed_ms is not None:
            numbers["EndingSequenceNumber"] = self.sequence(self.last + 1)
        parents = {"ParentShardId": self.parent, "AdjacentParentShardId": self.adjacent}
        return {
            "ShardId": self.id,
            **{name: shard_id(number) for name, number in parents.items() if number is not None},
            "HashKeyRange": self.key_range(),
            "SequenceNumberRange": numbers,
        }

    def key_range(self) -> dict[str, str]:
        """Return the shard's hash keys as answers show them."""
        return {"StartingHashKey": str(self.first_key), "EndingHashKey": str(self.last_key)}

    def as_child(self) -> JsonObject:
        """Return what GetRecords shows of a shard that follows one read to its end."""
        parents = [shard_id(n) for n in (self.parent, self.adjacent) if n is not None]
        return {"ShardId": self.id, "ParentShards": parents, "HashKeyRange": self.key_range()}


def shard_id(number: int) -> str:
    """Return the name of a shard."""
    return f"{_ID}{number:012d}"


def shard_number(name: str) -> int | None:
    """Return which shard a name is; None for what is no shard's name."""
    digits = name.removeprefix(_ID)
    known = name.startswith(_ID) and len(digits) == 12 and digits.isascii() and digits.isdigit()
    return int(digits) if known else None


def hash_key(partition_key: str) -> int:
    """Return the hash key of a partition key."""
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest, "big")


def even_ranges(count: int) -> list[tuple[int, int]]:
    """Return all hash keys cut evenly: first and last key of each range."""
    edges = [i * HASH_KEYS // count for i in range(count + 1)]
    return [(low, high - 1) for low, high in zip(edges, edges[1:], strict=False)]
