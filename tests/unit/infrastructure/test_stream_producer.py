"""The producer against a stream that refuses entries, answers nothing, and a process that dies."""

import json
from itertools import count

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain.live_sales import LiveSale
from src.errors import StreamError
from src.infrastructure.streaming import stream_producer
from src.infrastructure.streaming.producer_ledger import NAME, ProducerLedger
from src.infrastructure.streaming.stream_producer import StreamProducer


class KilledError(Exception):
    """The process ends here."""


class Stream:
    """A stream of three shards; `fates` say what becomes of each call, then all goes well."""

    def __init__(self, fates=()):
        self.fates = iter(fates)
        self.stored = []
        self.calls = []

    def put_records(self, StreamName, Records):
        assert 1 <= len(Records) <= 500
        assert sum(len(r["Data"]) + len(r["PartitionKey"]) for r in Records) <= 5 * 2**20
        self.calls.append(len(Records))
        fate = next(self.fates, ("good", 0))
        kept, refused = [], set()
        for place, record in enumerate(Records):
            shard = ord(record["PartitionKey"][0]) % 3
            if fate[0] == "throttled" and (fate[1] >> shard) & 1 and place >= fate[1]:
                refused.add(shard)
            kept.append(shard not in refused)
        if fate[0] not in ("lost", "killed before"):
            self.stored += [json.loads(r["Data"]) for r, k in zip(Records, kept, strict=True) if k]
        if fate[0].startswith("killed"):
            raise KilledError
        if fate[0] in ("lost", "no answer"):
            raise ReadTimeoutError(endpoint_url="http://x")
        if fate[0] == "error 500":
            response = {"Error": {"Code": "InternalFailure"},
                        "ResponseMetadata": {"HTTPStatusCode": 500}}  # fmt: skip
            raise ClientError(response, "PutRecords")
        refusal = {"ErrorCode": "ProvisionedThroughputExceededException"}
        answers = [{"ShardId": "s"} if is_kept else refusal for is_kept in kept]
        return {"FailedRecordCount": kept.count(False), "Records": answers}


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 100.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """No test here cuts the power; a shared disk may take 50 ms for each line."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def events(rate=200.0, start=0):
    for n in count(start):
        data = json.dumps({"n": n}).encode()
        yield LiveSale(n, n / rate, "abcdefg"[n * n % 7], data, "late" if n % 50 == 0 else "")


def producer(stream, folder, time, jitter=lambda: 1.0):
    ledger = ProducerLedger(folder)
    return ledger, StreamProducer(lambda: stream, "s", ledger, clock=time.clock, sleep=time.sleep,
                                  jitter=jitter)  # fmt: skip


_FATES = st.lists(
    st.tuples(
        st.sampled_from(["good", "throttled", "throttled", "lost", "no answer", "error 500",
                         "killed before", "killed after"]),
        st.integers(0, 7),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=40)
@given(fates=_FATES, jitter=st.floats(0, 1))
def test_no_event_is_lost_and_keys_keep_their_order(tmp_path_factory, fates, jitter):
    """Through throttles, silence, errors, deaths: each event at least once, in its key's order."""
    folder, stream, time = tmp_path_factory.mktemp("ledger"), Stream(fates), Time()
    while True:
        ledger, sending = producer(stream, folder, time, lambda: jitter)
        acknowledged = ledger.acknowledged
        stored = {event["n"] for event in stream.stored}
        assert stored >= set(range(acknowledged))
        left = 2.9975 - acknowledged / 200
        try:
            with ledger:
                produced = sending.run(events(start=acknowledged), for_s=left, drain_s=60)
        except KilledError:
            continue
        break
    assert sending.is_complete and ledger.acknowledged == 600
    numbers = [event["n"] for event in stream.stored]
    assert set(numbers) == set(range(600))
    firsts = list(dict.fromkeys(numbers))
    for key in "abcdefg":
        of_key = [n for n in firsts if "abcdefg"[n * n % 7] == key]
        assert of_key == sorted(of_key)
    assert produced.acknowledged + acknowledged == 600
    assert ProducerLedger(folder).defects == dict.fromkeys(range(0, 600, 50), "late")


def test_a_refused_key_does_not_hold_back_the_others(tmp_path):
    """One shard is refused for seconds; the events of the other shards go out at their time."""
    time, latest = Time(), {}

    class OneShardFull(Stream):
        def put_records(self, StreamName, Records):
            full = time.now < 103
            for record in Records:
                n = json.loads(record["Data"])["n"]
                if record["PartitionKey"] != "a" or not full:
                    latest.setdefault(n, time.now - 100 - n / 200)
            answers = [{"ErrorCode": "ProvisionedThroughputExceededException"}
                       if r["PartitionKey"] == "a" and full
                       else {"ShardId": "s"} for r in Records]  # fmt: skip
            return {"FailedRecordCount": 0, "Records": answers}

    ledger, sending = producer(OneShardFull(), tmp_path, time)
    with ledger:
        produced = sending.run(events(), for_s=4)
    others = [late for n, late in latest.items() if n * n % 7]
    assert max(others) < 0.2 and len(others) > 600
    assert max(latest.values()) > 2 and produced.throttled > 3


def test_the_schedule_is_absolute_and_a_call_gathers(tmp_path):
    stream, time = Stream(), Time()
    ledger, sending = producer(stream, tmp_path, time)
    with ledger:
        sending.run(events(rate=1_000), for_s=10)
    assert sum(stream.calls) == 10_000
    assert time.now == pytest.approx(110, abs=0.3)
    assert 100 <= len(stream.calls) <= 220


def test_a_producer_that_is_asked_to_stop_sends_what_it_has_taken(tmp_path):
    stream, time = Stream([("throttled", 7)] * 12), Time()
    ledger, sending = producer(stream, tmp_path, time)
    with ledger:
        produced = sending.run(events(), should_stop=lambda: time.now > 101)
    assert sending.is_complete
    assert produced.acknowledged == ledger.acknowledged == len(stream.stored)


def test_what_can_never_be_stored_is_an_error(tmp_path):
    class Gone(Stream):
        def put_records(self, StreamName, Records):
            response = {"Error": {"Code": "ResourceNotFoundException", "Message": "not found"},
                        "ResponseMetadata": {"HTTPStatusCode": 400}}  # fmt: skip
            raise ClientError(response, "PutRecords")

    ledger, sending = producer(Gone(), tmp_path, Time())
    with ledger, pytest.raises(StreamError, match="takes no events"):
        sending.run(events())


@given(cut=st.integers(0, 200))
def test_a_ledger_that_was_cut_counts_whole_lines(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("ledger")
    with ProducerLedger(folder) as ledger:
        ledger.begin({"seed": 1})
        for below in (3, 5, 9):
            ledger.acknowledge(below, [(below - 1, "late")])
    whole = (folder / NAME).read_bytes()
    kept = whole[: max(len(whole) - cut, 0)]
    (folder / NAME).write_bytes(kept)
    with ProducerLedger(folder) as again:
        lines = kept.count(b"\n")
        assert again.acknowledged == [0, 0, 3, 5, 9][lines]
        assert again.plans == [{"seed": 1}][: lines and 1]
        again.acknowledge(20, [])
    assert ProducerLedger(folder).acknowledged == 20


def test_a_call_is_cut_at_its_size():
    large = [LiveSale(n, 0, "k", bytes(1_000_000)) for n in range(9)]
    assert len(stream_producer._one_call(large)) == 5
