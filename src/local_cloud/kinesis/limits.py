"""What a shard takes and gives in a second: Kinesis's limits as token buckets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1 << 20
RECORD_BYTES = MIB  # of data and partition key; the limit of Redshift's streaming ingestion too
# A request's and an answer's: botocore's documentation of PutRecords and GetRecords (2026).
REQUEST_BYTES = 10 * MIB
ANSWER_BYTES = 10 * MIB
RECORDS_PER_GET = 10_000
SHARDS_PER_ACCOUNT = 500
RETENTION_HOURS = (24, 8_760)


@dataclass
class Bucket:
    """Tokens that flow in at a rate, at most one second's worth of them."""

    tokens: float
    at: float  # when they were counted


class Limits:
    """The buckets of every shard; a clock that goes back does not reach them.

    The log's locks keep its callers apart.
    """

    WRITES, WRITE_BYTES, READS, READ_BYTES = 1_000.0, float(MIB), 5.0, 2.0 * MIB

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[int, int, str], Bucket] = {}

    def writer(self, stream: int) -> Callable[[int, int], bool]:
        """Return what tells, within one request, whether a shard takes a record of some bytes.

        A shard that has refused one refuses the rest of the request: its records keep their order.
        """
        buckets: dict[int, tuple[Bucket, Bucket]] = {}
        refused: set[int] = set()

        def takes(shard: int, size: int) -> bool:
            if shard not in buckets:
                buckets[shard] = (
                    self._filled(stream, shard, "writes", self.WRITES),
                    self._filled(stream, shard, "write bytes", self.WRITE_BYTES),
                )
            count, volume = buckets[shard]
            if count.tokens < 1 or volume.tokens < size or shard in refused:
                refused.add(shard)
                return False
            count.tokens -= 1
            volume.tokens -= size
            return True

        return takes

    def may_read(self, stream: int, shard: int) -> bool:
        """Tell whether a shard may be read again, and count that it is."""
        count = self._filled(stream, shard, "reads", self.READS)
        volume = self._filled(stream, shard, "read bytes", self.READ_BYTES)
        if count.tokens < 1 or volume.tokens <= 0:
            return False
        count.tokens -= 1
        return True

    def was_read(self, stream: int, shard: int, size: int) -> None:
        """Count what an answer held: more than a second's worth is paid off by later calls."""
        self._filled(stream, shard, "read bytes", self.READ_BYTES).tokens -= size

    def _filled(self, stream: int, shard: int, what: str, rate: float) -> Bucket:
        """Return a bucket with what has flowed in until now."""
        now = self._clock()
        bucket = self._buckets.setdefault((stream, shard, what), Bucket(rate, now))
        bucket.tokens = min(rate, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        return bucket
