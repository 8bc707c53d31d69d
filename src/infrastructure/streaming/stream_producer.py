"""Puts events on a Kinesis stream: each at its time, each at least once, a key's in their order.

PutRecords may store a part of a request: the refused entries are sent again, in their order, after
a pause with full jitter, and later events of their keys wait for them; those of other keys do
not. Where no answer comes, the outcome is unknown, and all of it is sent again. boto's own
attempts are off, because they are not counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from src.domain.live_sales import LiveSale
from src.errors import StreamError
from src.infrastructure.aws.answers import code_of, in_short
from src.infrastructure.streaming.producer_ledger import ProducerLedger
from src.waiting import Clock, Sleep, real_clock, real_sleep

MAX_RECORDS, MAX_BYTES = 500, 5 * 1024 * 1024  # of one call
MAX_WAITING = 20_000  # refused events and those behind them; at more no new ones are taken
_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5
_LOOK_S = 0.2  # between looks at whether to stop
_LEAST_S = 0.001
_GATHER_S = 0.05  # at a low rate, events go together: a call has its price
_THROTTLED = frozenset(
    ["ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException",
     "KMSThrottlingException"]
)  # fmt: skip


@dataclass
class Produced:
    """What a producer has done so far."""

    acknowledged: int = 0
    calls: int = 0
    throttled: int = 0  # entries that were refused, each time
    sent_again: int = 0  # entries of calls whose outcome is unknown
    behind_s: float = 0.0  # of the schedule
    shards: dict[str, int] = field(default_factory=dict)  # acknowledged, by shard
    defects: dict[str, int] = field(default_factory=dict)


class StreamProducer:
    """Sends events by an absolute schedule; `connect` gives a client whose retries are off."""

    def __init__(
        self, connect: Callable[[], Any], stream: str, ledger: ProducerLedger, *,
        clock: Clock = real_clock, sleep: Sleep = real_sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._connect, self._stream, self._ledger = connect, stream, ledger
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._client = connect()
        self._waiting: list[LiveSale] = []  # by number: refused ones, and those behind them
        self._keys: set[str] = set()  # of what waits
        self._done: dict[int, str] = {}  # acknowledged, above the ledger's number
        self._refusals, self._again_at = 0, 0.0
        self.produced = Produced()

    def run(
        self, events: Iterator[LiveSale], *, for_s: float = float("inf"), drain_s: float = 10.0,
        should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[Produced], None] = lambda produced: None,
    ) -> Produced:  # fmt: skip
        """Send events until a time or until asked to stop; what waits then is sent for a while."""
        upcoming = next(events, None)
        due_s = upcoming.due_s if upcoming else 0.0
        started, stopped = self._clock() - due_s, due_s + for_s
        while True:
            now = self._clock() - started
            if now < stopped and (upcoming is None or should_stop()):
                stopped = now
            fresh: list[LiveSale] = []
            size = 0
            while upcoming and upcoming.due_s < min(now, stopped) and self._has_room(fresh, size):
                if upcoming.concert_id in self._keys:
                    self._waiting.append(upcoming)
                else:
                    fresh.append(upcoming)
                    size += len(upcoming.data) + len(upcoming.concert_id.encode())
                upcoming = next(events, None)
            if self._waiting and now >= self._again_at:
                self._put(_one_call(self._waiting), now)
            if fresh:
                self._put(fresh, now)
            due_s = upcoming.due_s if upcoming else stopped
            self.produced.behind_s = max(min(now, stopped) - due_s, 0.0)
            report(self.produced)
            is_sent = not self._waiting and due_s >= stopped
            if now >= stopped and (is_sent or now >= stopped + drain_s):
                return self.produced
            has_more = due_s < min(now, stopped) and len(self._waiting) < MAX_WAITING
            if not has_more:
                self._rest(max(due_s, now + _GATHER_S), self._clock() - started)

    def _rest(self, until: float, now: float) -> None:
        """Wait for the next events, or for what was refused."""
        if self._waiting:
            until = min(until, self._again_at)
        if until > now:
            self._sleep(min(max(until - now, _LEAST_S), _LOOK_S))

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing that was taken is still to be sent."""
        return not self._waiting

    def _has_room(self, fresh: list[LiveSale], size: int) -> bool:
        is_full = len(fresh) >= MAX_RECORDS or size >= MAX_BYTES // 2
        return not is_full and len(self._waiting) < MAX_WAITING

    def _put(self, batch: list[LiveSale], now: float) -> None:
        records = [{"Data": event.data, "PartitionKey": event.concert_id} for event in batch]
        produced = self.produced
        produced.calls += 1
        try:
            answer = self._client.put_records(StreamName=self._stream, Records=records)
            results = answer["Records"]
        except (ClientError, BotoCoreError) as error:
            results = [{"ErrorCode": self._reason(error, len(batch))}] * len(batch)
        failed = []
        for event, result in zip(batch, results, strict=True):
            if result.get("ErrorCode"):
                failed.append(event)
                produced.throttled += result["ErrorCode"] in _THROTTLED
                continue
            produced.acknowledged += 1
            shard = result["ShardId"]
            produced.shards[shard] = produced.shards.get(shard, 0) + 1
            if event.defect:
                produced.defects[event.defect] = produced.defects.get(event.defect, 0) + 1
            self._done[event.number] = event.defect
        sent = {event.number for event in batch}
        kept = [event for event in self._waiting if event.number not in sent]
        self._waiting = sorted([*failed, *kept], key=lambda event: event.number)
        self._keys = {event.concert_id for event in self._waiting}
        self._refusals = self._refusals + 1 if len(failed) == len(batch) else 0
        if failed:
            longest = min(_PAUSE_S * 2.0 ** min(self._refusals, 10), _LONGEST_PAUSE_S)
            self._again_at = now + longest * self._jitter()
        self._note()

    def _reason(self, error: Exception, count: int) -> str:
        """Return why no entry is known to be stored; raises StreamError where none ever will be."""
        code = code_of(error)
        if code in _THROTTLED:
            return code
        status = 0
        if isinstance(error, ClientError):
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if isinstance(error, ClientError) and status < 500:
            raise StreamError(
                "the stream takes no events",
                where=self._stream,
                cause=in_short(error),
                hint="python -m src.streaming produce; it makes a stream that is missing",
            ) from error
        self.produced.sent_again += count
        self._client = self._connect()  # the local stream may be elsewhere since its restart
        return "Unknown"

    def _note(self) -> None:
        """Write to the ledger how far all events are on the stream."""
        ledger = self._ledger
        below = self._waiting[0].number if self._waiting else max(self._done, default=-1) + 1
        if below > ledger.acknowledged:
            done = sorted(number for number in self._done if number < below)
            defects = [(number, self._done[number]) for number in done if self._done[number]]
            for number in done:
                del self._done[number]
            ledger.acknowledge(below, defects)


def _one_call(events: list[LiveSale]) -> list[LiveSale]:
    """Return the first events, as many as one call takes."""
    size, count = 0, 0
    for event in events[:MAX_RECORDS]:
        size += len(event.data) + len(event.concert_id.encode())
        if size > MAX_BYTES and count:
            break
        count += 1
    return events[:count]
