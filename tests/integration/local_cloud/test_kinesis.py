"""The local stream over HTTP: Kinesis's documented behaviour as laws, some of them on moto too.

The laws are a reading of AWS's documentation; moto is a second reading of it.
"""

import hashlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from src.local_cloud.kinesis.limits import Limits
from src.local_cloud.kinesis.local_kinesis import LocalKinesis
from tests.conformance import conforms
from tests.conftest import ROOT
from tests.streaming.stream_server import client_of, served

MIB = 1 << 20
AREA = "Streams of Kinesis"
INVALID = ("ValidationException", "InvalidArgumentException")


class Clock:
    """A time that tests move."""

    def __init__(self):
        self.time = datetime.now(UTC).timestamp()

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def local(tmp_path_factory, clock):
    with served(tmp_path_factory.mktemp("kinesis") / "streams.sqlite", now=clock) as client:
        yield client


@pytest.fixture(scope="module")
def moto():
    with mock_aws():
        yield boto3.client("kinesis", region_name="us-east-1", aws_access_key_id="k",
                           aws_secret_access_key="s")  # fmt: skip


@pytest.fixture(params=["local", "moto"])
def kinesis(request):
    """Each of the two, for the laws that both keep."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def make(request, clock):
    """Return what makes an active stream named for the test."""
    made = []

    def new(client, shards=4, **more):
        name = f"{request.node.originalname}-{len(made)}"
        made.append((client, name))
        client.create_stream(StreamName=name, **{"ShardCount": shards, **more})
        clock.advance(0.2)
        return name

    yield new
    for client, name in made:
        client.delete_stream(StreamName=name)


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def shards_of(client, name, **more):
    return client.list_shards(StreamName=name, **more)["Shards"]


def put(client, name, *data, key="p", **more):
    records = [{"Data": str(d).encode(), "PartitionKey": key, **more} for d in data]
    answer = client.put_records(StreamName=name, Records=records)
    assert answer["FailedRecordCount"] == 0
    return [record["SequenceNumber"] for record in answer["Records"]]


def iterator(client, name, shard, kind="TRIM_HORIZON", **more):
    return client.get_shard_iterator(
        StreamName=name, ShardId=shard, ShardIteratorType=kind, **more
    )["ShardIterator"]


def read(client, name, shard, kind="TRIM_HORIZON", **more):
    """Read a shard to its tip, or to its end."""
    at, found, answer = iterator(client, name, shard, kind, **more), [], {}
    while at is not None and answer.get("MillisBehindLatest") != 0:
        answer = client.get_records(ShardIterator=at)
        found += answer["Records"]
        at = answer.get("NextShardIterator")
    return found


def read_all(client, name):
    return [record for shard in shards_of(client, name)
            for record in read(client, name, shard["ShardId"])]  # fmt: skip


def is_whole(shards):
    """Tell whether open shards take every hash key once."""
    ranges = sorted(
        [int(shard["HashKeyRange"][edge]) for edge in ("StartingHashKey", "EndingHashKey")]
        for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    )  # fmt: skip
    edges = [0, *(high + 1 for _, high in ranges)]
    return edges[-1] == 2**128 and [low for low, _ in ranges] == edges[:-1]


# -- streams ---------------------------------------------------------------------------------


@conforms(
    AREA, "a new stream is CREATING, then ACTIVE; until then it takes nothing", "API_CreateStream"
)
def test_a_stream_is_created_and_then_active(local, clock):
    local.create_stream(StreamName="new", ShardCount=1)
    assert code_of(local.put_record, StreamName="new", Data=b"x", PartitionKey="p") == (
        "ResourceNotFoundException"
    )
    assert code_of(local.split_shard, StreamName="new", ShardToSplit="shardId-000000000000",
                   NewStartingHashKey="9") == "ResourceInUseException"  # fmt: skip
    states = []
    for _ in range(2):
        summary = local.describe_stream_summary(StreamName="new")["StreamDescriptionSummary"]
        states.append(summary["StreamStatus"])
        clock.advance(0.2)
    local.delete_stream(StreamName="new")
    assert states == ["CREATING", "ACTIVE"]


@conforms(AREA, "the shards of a stream have each hash key once", "API_CreateStream")
@pytest.mark.parametrize("count", [1, 3, 4])
def test_shards_take_every_hash_key_once(kinesis, make, count):
    assert is_whole(shards_of(kinesis, make(kinesis, count)))


@conforms(
    AREA, "ResourceInUseException, ResourceNotFoundException", "API_CreateStream, API_DeleteStream"
)
def test_what_is_there_or_not_has_its_code(kinesis, make):
    name = make(kinesis)
    missing = {"StreamName": "missing"}
    record = {"Data": b"x", "PartitionKey": "p"}
    assert code_of(kinesis.create_stream, StreamName=name, ShardCount=1) == "ResourceInUseException"
    found = [
        code_of(kinesis.describe_stream_summary, **missing),
        code_of(kinesis.put_record, **missing, **record),
        code_of(kinesis.put_records, **missing, Records=[record]),
        code_of(kinesis.delete_stream, **missing),
        code_of(kinesis.get_shard_iterator, StreamName=name, ShardId="shardId-000000000099",
                ShardIteratorType="LATEST"),
    ]  # fmt: skip
    assert set(found) == {"ResourceNotFoundException"}


@conforms(
    AREA,
    "iterators of a deleted stream are not those of the next one with its name",
    "API_DeleteStream",
)
def test_a_new_stream_of_an_old_name_has_none_of_its_positions(local, make, clock):
    name = make(local, 1)
    (sequence,) = put(local, name, "old")
    assert len(sequence) == 56
    (shard,) = shards_of(local, name)
    at = iterator(local, name, shard["ShardId"])
    local.delete_stream(StreamName=name)
    local.create_stream(StreamName=name, ShardCount=1)
    clock.advance(0.2)
    assert read_all(local, name) == []
    assert code_of(local.get_records, ShardIterator=at) == "ResourceNotFoundException"
    assert code_of(local.get_shard_iterator, StreamName=name, ShardId=shard["ShardId"],
                   ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=sequence,
                   ) == "InvalidArgumentException"  # fmt: skip


@conforms(AREA, "ListStreams and ListShards come in pages", "API_ListStreams, API_ListShards")
def test_lists_come_in_pages(local, make):
    name = make(local, 7)
    others = [make(local, 1) for _ in range(3)]
    pages, wanted = [], {"StreamName": name}
    while wanted:
        answer = local.list_shards(**wanted, MaxResults=3)
        pages.append("".join(shard["ShardId"][-1] for shard in answer["Shards"]))
        wanted = {"NextToken": answer["NextToken"]} if "NextToken" in answer else {}
    assert pages == ["012", "345", "6"]
    pages = local.get_paginator("list_streams").paginate(Limit=2)
    assert sorted(n for page in pages for n in page["StreamNames"]) == sorted([name, *others])
    described = local.describe_stream(StreamName=name, Limit=5)["StreamDescription"]
    assert described["HasMoreShards"] and len(described["Shards"]) == 5
    assert code_of(local.list_shards, NextToken="AAAA") == "InvalidArgumentException"


@conforms(
    AREA,
    "ExpiredIteratorException, ExpiredNextTokenException after 300 s",
    "API_GetRecords, API_ListShards",
)
def test_a_page_and_an_iterator_expire(local, make, clock):
    name = make(local, 2)
    token = local.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    at = iterator(local, name, "shardId-000000000000")
    clock.advance(299)
    assert local.get_records(ShardIterator=at)["Records"] == []
    clock.advance(2)
    assert code_of(local.list_shards, NextToken=token) == "ExpiredNextTokenException"
    assert code_of(local.get_records, ShardIterator=at) == "ExpiredIteratorException"


@conforms(AREA, "tags are added, listed and removed", "API_AddTagsToStream")
def test_tags(local, make):
    name = make(local, 1, Tags={"a": "1"})
    local.add_tags_to_stream(StreamName=name, Tags={"b": "2", "c": "3"})
    local.remove_tags_from_stream(StreamName=name, TagKeys=["a"])
    answer = local.list_tags_for_stream(StreamName=name, Limit=1)
    assert answer["Tags"] == [{"Key": "b", "Value": "2"}] and answer["HasMoreTags"]
    many = {str(number): "" for number in range(49)}
    assert code_of(local.add_tags_to_stream, StreamName=name, Tags=many) in INVALID


@conforms(AREA, "a stream ON_DEMAND has four shards", "how-do-i-size-a-stream")
def test_an_on_demand_stream_has_four_shards(local, make):
    name = "on-demand"
    local.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = local.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    local.delete_stream(StreamName=name)
    mode = summary["StreamModeDetails"]["StreamMode"]
    assert (mode, summary["OpenShardCount"]) == ("ON_DEMAND", 4)


@conforms(AREA, "other operations", "this project", refused=True)
def test_what_is_not_emulated_is_refused_by_name(local, make):
    name = make(local, 1)
    with pytest.raises(ClientError, match="StartStreamEncryption is not emulated"):
        local.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="k")
    with pytest.raises(ClientError, match=r"not emulated by the local cloud: .*MaxRecordSizeInKiB"):
        local.create_stream(StreamName="large", ShardCount=1, MaxRecordSizeInKiB=2048)
    with pytest.raises(ClientError, match="Limit: 500"):
        local.create_stream(StreamName="large", ShardCount=600)


# -- writing ---------------------------------------------------------------------------------


@conforms(
    AREA,
    "records above 1 MiB, requests above 10 MiB, more than 500 entries: nothing is stored",
    "API_PutRecords",
)
@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([{"Data": b"", "PartitionKey": "p"}] * 501, "'records' failed .* equal to 500"),
        ([{"Data": b"x" * MIB, "PartitionKey": "p"}], "1048577 bytes"),
        ([{"Data": b"x" * (MIB - 9), "PartitionKey": "p"}] * 11, "exceeds 10485760"),
        ([{"Data": b"", "PartitionKey": "k" * 257}], "records.1.member.partitionKey"),
        ([{"Data": b""}], "partitionKey"),
        ([{"Data": b"", "PartitionKey": "p", "ExplicitHashKey": "01"}], "explicitHashKey"),
        ([{"Data": b"", "PartitionKey": "p", "ExplicitHashKey": str(2**128)}], "ExplicitHashKey"),
    ],
)
def test_what_does_not_fit_is_refused_whole(local, make, records, text):
    name = make(local, 1)
    with pytest.raises(ClientError, match=text) as caught:
        local.put_records(StreamName=name, Records=records)
    assert caught.value.response["Error"]["Code"] in INVALID
    assert read_all(local, name) == []


@pytest.fixture(scope="module")
def routed(local, clock):
    local.create_stream(StreamName="routed", ShardCount=5)
    clock.advance(0.2)
    yield shards_of(local, "routed")
    local.delete_stream(StreamName="routed")


@conforms(
    AREA, "the MD5 of the partition key, or ExplicitHashKey, decides the shard", "API_PutRecord"
)
@settings(max_examples=15)
@given(keys=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), min_size=1,
                     max_size=20), explicit=st.none() | st.integers(0, 2**128 - 1))  # fmt: skip
def test_the_md5_of_its_key_decides_a_records_shard(local, routed, keys, explicit):
    more = {} if explicit is None else {"ExplicitHashKey": str(explicit)}
    records = [{"Data": b"x", "PartitionKey": key, **more} for key in keys]
    answer = local.put_records(StreamName="routed", Records=records)["Records"]
    for key, result in zip(keys, answer, strict=True):
        of_key = int(hashlib.md5(key.encode()).hexdigest(), 16) if explicit is None else explicit
        (shard,) = (s for s in routed if s["ShardId"] == result["ShardId"])
        low, high = (int(shard["HashKeyRange"][e]) for e in ("StartingHashKey", "EndingHashKey"))
        assert low <= of_key <= high


@conforms(AREA, "a shard keeps the order and the bytes; sequence numbers rise", "API_GetRecords")
def test_a_shard_keeps_the_order_and_the_bytes(kinesis, make):
    name = make(kinesis)
    numbers = [n for start in range(0, 400, 100)
               for n in put(kinesis, name, *range(start, start + 100))]  # fmt: skip
    found = read_all(kinesis, name)
    assert [record["Data"] for record in found] == [str(i).encode() for i in range(400)]
    assert [record["SequenceNumber"] for record in found] == numbers
    assert sorted({int(n) for n in numbers}) == [int(n) for n in numbers]
    assert all(record["ApproximateArrivalTimestamp"].tzinfo for record in found)


@conforms(AREA, "writers at once lose nothing", "this project")
def test_writers_at_once_lose_nothing(local, make):
    name = make(local, 2)

    def write(number):
        for batch in range(5):
            records = [{"Data": f"{number}-{batch}-{i}".encode(), "PartitionKey": str(i)}
                       for i in range(80)]  # fmt: skip
            local.put_records(StreamName=name, Records=records)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = [record["Data"] for record in read_all(local, name)]
    assert len(found) == len(set(found)) == 1600


# -- reading ---------------------------------------------------------------------------------


@conforms(AREA, "TRIM_HORIZON, LATEST, AT_ and AFTER_SEQUENCE_NUMBER", "API_GetShardIterator")
def test_where_a_read_begins(kinesis, make):
    name = make(kinesis, 1)
    numbers = put(kinesis, name, *range(5))
    (shard,) = (s["ShardId"] for s in shards_of(kinesis, name))
    begins = {
        "TRIM_HORIZON": {}, "LATEST": {},
        "AT_SEQUENCE_NUMBER": {"StartingSequenceNumber": numbers[2]},
        "AFTER_SEQUENCE_NUMBER": {"StartingSequenceNumber": numbers[2]},
    }  # fmt: skip
    found = {
        kind: "".join(r["Data"].decode() for r in read(kinesis, name, shard, kind, **more))
        for kind, more in begins.items()
    }
    assert found == {"TRIM_HORIZON": "01234", "LATEST": "", "AT_SEQUENCE_NUMBER": "234",
                     "AFTER_SEQUENCE_NUMBER": "34"}  # fmt: skip
    latest = iterator(kinesis, name, shard, "LATEST")
    put(kinesis, name, "new")
    answer = kinesis.get_records(ShardIterator=latest)
    assert [r["Data"] for r in answer["Records"]] == [b"new"]
    assert kinesis.get_records(ShardIterator=answer["NextShardIterator"])["Records"] == []


@conforms(AREA, "AT_TIMESTAMP; a time to come is refused", "API_GetShardIterator")
def test_a_read_begins_at_a_time(local, make, clock):
    name = make(local, 1)
    times = []
    for data in range(6):
        times.append(clock.time)
        put(local, name, data)
        clock.advance(1.5)
    for i, at in enumerate(times):
        moment = datetime.fromtimestamp(at, UTC) - timedelta(milliseconds=2)
        found = read(local, name, "shardId-000000000000", "AT_TIMESTAMP", Timestamp=moment)
        assert [r["Data"] for r in found] == [str(n).encode() for n in range(i, 6)]
    later = datetime.fromtimestamp(clock.time + 60, UTC)
    assert code_of(local.get_shard_iterator, StreamName=name, ShardId="shardId-000000000000",
                   ShardIteratorType="AT_TIMESTAMP", Timestamp=later) in INVALID  # fmt: skip


@conforms(AREA, "Limit, MillisBehindLatest", "API_GetRecords")
def test_a_limit_and_the_distance_to_the_tip(local, make, clock):
    name = make(local, 1)
    put(local, name, *range(30))
    clock.advance(3)
    answer = local.get_records(
        ShardIterator=iterator(local, name, "shardId-000000000000"), Limit=10
    )
    assert len(answer["Records"]) == 10
    assert answer["MillisBehindLatest"] == pytest.approx(3000, abs=1)


@conforms(
    AREA,
    "InvalidArgumentException for positions that are none",
    "API_GetShardIterator, API_GetRecords",
)
def test_positions_that_are_none(local, make):
    name = make(local, 2)
    (sequence,) = put(local, name, "x", ExplicitHashKey="0")
    second = {"StreamName": name, "ShardId": "shardId-000000000001",
              "ShardIteratorType": "AT_SEQUENCE_NUMBER"}  # fmt: skip
    at = iterator(local, name, "shardId-000000000000")
    found = [
        code_of(local.get_records, ShardIterator="AAAA" * 20),
        code_of(local.get_records, ShardIterator="WzFd"),
        code_of(local.get_records, ShardIterator=at, Limit=10_001),
        code_of(local.get_shard_iterator, **second, StartingSequenceNumber="123"),
        code_of(local.get_shard_iterator, **second, StartingSequenceNumber=sequence),
        code_of(local.get_shard_iterator, **second),
    ]
    assert (
        found
        == ["InvalidArgumentException"] * 2
        + ["ValidationException"]
        + ["InvalidArgumentException"] * 3
    )


@conforms(AREA, "an answer has at most 10 MiB", "API_GetRecords")
def test_an_answer_holds_10_mib(local, make):
    name = make(local, 1)
    for _ in range(2):
        local.put_records(StreamName=name, Records=[
            {"Data": b"x" * 900_000, "PartitionKey": "p"} for _ in range(7)])  # fmt: skip
    answer = local.get_records(ShardIterator=iterator(local, name, "shardId-000000000000"))
    assert len(answer["Records"]) == 10 * MIB // 900_001
    rest = local.get_records(ShardIterator=answer["NextShardIterator"])
    assert len(rest["Records"]) == 14 - len(answer["Records"])


# -- shards that split and merge -------------------------------------------------------------


@conforms(
    AREA,
    "SplitShard; a parent that is read out has ChildShards and no iterator",
    "API_SplitShard, API_GetRecords",
)
def test_a_split_shard_ends_and_its_children_go_on(local, make, clock):
    name = make(local, 1)
    put(local, name, *range(20))
    local.split_shard(StreamName=name, ShardToSplit="shardId-000000000000",
                      NewStartingHashKey=str(2**127))  # fmt: skip
    summary = local.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "UPDATING"
    clock.advance(0.2)
    put(local, name, *range(20, 40), key="k")
    parent, *children = shards_of(local, name)
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert [child["ParentShardId"] for child in children] == [parent["ShardId"]] * 2
    answer = local.get_records(ShardIterator=iterator(local, name, parent["ShardId"]))
    assert len(answer["Records"]) == 20 and "NextShardIterator" not in answer
    assert [c["ShardId"] for c in answer["ChildShards"]] == [c["ShardId"] for c in children]
    found = [r["Data"] for child in children for r in read(local, name, child["ShardId"])]
    assert found == [str(n).encode() for n in range(20, 40)]
    again = {"ShardToSplit": parent["ShardId"], "NewStartingHashKey": "5"}
    assert code_of(local.split_shard, StreamName=name, **again) == "InvalidArgumentException"
    edge = {"ShardToSplit": children[0]["ShardId"], "NewStartingHashKey": "0"}
    assert code_of(local.split_shard, StreamName=name, **edge) == "InvalidArgumentException"


@conforms(AREA, "MergeShards, of neighbours only", "API_MergeShards")
def test_shards_that_lie_side_by_side_merge(local, make):
    name = make(local, 4)
    ids = [shard["ShardId"] for shard in shards_of(local, name)]
    apart = {"ShardToMerge": ids[0], "AdjacentShardToMerge": ids[2]}
    assert code_of(local.merge_shards, StreamName=name, **apart) == "InvalidArgumentException"
    local.merge_shards(StreamName=name, ShardToMerge=ids[3], AdjacentShardToMerge=ids[2])
    merged = shards_of(local, name)[-1]
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == (ids[3], ids[2])


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 20)),
        st.tuples(st.just("count"), st.floats(0.5, 2.0)),
        st.tuples(st.just("split"), st.integers(0, 99)),
        st.tuples(st.just("merge"), st.integers(0, 99)),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@conforms(
    AREA, "resharding loses and reorders nothing (random splits, merges, counts)", "this project"
)
@settings(max_examples=20)
@given(steps=_STEPS)
def test_resharding_loses_and_reorders_nothing(tmp_path_factory, steps):
    clock = Clock()
    file = tmp_path_factory.mktemp("reshard") / "s.sqlite"
    with closing(LocalKinesis(file, now=clock)) as stream:
        stream.create_stream(StreamName="s", ShardCount=2)
        sent = 0
        for step, value in steps:
            clock.advance(1)
            open_now = sorted(
                shards_of(stream, "s", ShardFilter={"Type": "AT_LATEST"}),
                key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]),
            )
            ids = [shard["ShardId"] for shard in open_now]
            if step == "put":
                records = [{"Data": str(sent + i).encode(), "PartitionKey": str((sent + i) % 7)}
                           for i in range(value)]  # fmt: skip
                stream.put_records(StreamName="s", Records=records)
                sent += value
            elif step == "count" and (target := max(round(len(ids) * value), 1)) * 2 >= len(ids):
                target = min(target, 2 * len(ids))
                stream.update_shard_count(StreamName="s", TargetShardCount=target,
                                          ScalingType="UNIFORM_SCALING")  # fmt: skip
                summary = stream.describe_stream_summary(StreamName="s")
                assert summary["StreamDescriptionSummary"]["OpenShardCount"] == target
            elif step == "split":
                keys = open_now[value % len(ids)]["HashKeyRange"]
                middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"]) + 1) // 2
                stream.split_shard(StreamName="s", ShardToSplit=ids[value % len(ids)],
                                   NewStartingHashKey=str(middle))  # fmt: skip
            elif step == "merge" and len(ids) > 1:
                at = value % (len(ids) - 1)
                stream.merge_shards(StreamName="s", ShardToMerge=ids[at],
                                    AdjacentShardToMerge=ids[at + 1])  # fmt: skip
            assert is_whole(shards_of(stream, "s"))
        # Shards are listed parents first: each key's records come in the order they were put.
        found = [int(record["Data"]) for record in read_all(stream, "s")]
        assert sorted(found) == list(range(sent))
        for key in range(7):
            of_key = [n for n in found if n % 7 == key]
            assert of_key == sorted(of_key)


@conforms(AREA, "ShardFilter", "API_ShardFilter")
def test_shards_are_listed_by_time(local, make, clock):
    name = make(local, 1)
    before = datetime.fromtimestamp(clock.time, UTC)
    clock.advance(5)
    local.split_shard(StreamName=name, ShardToSplit="shardId-000000000000",
                      NewStartingHashKey=str(2**127))  # fmt: skip
    clock.advance(5)
    after = datetime.fromtimestamp(clock.time, UTC)

    def numbers(kind, **more):
        found = shards_of(local, name, ShardFilter={"Type": kind, **more})
        return "".join(shard["ShardId"][-1] for shard in found)

    assert numbers("FROM_TRIM_HORIZON") == "012" and numbers("AT_LATEST") == "12"
    assert numbers("AT_TRIM_HORIZON") == "0"
    assert numbers("AFTER_SHARD_ID", ShardId="shardId-000000000001") == "2"
    assert numbers("AT_TIMESTAMP", Timestamp=before) == "0"
    assert numbers("FROM_TIMESTAMP", Timestamp=before) == "012"
    assert numbers("AT_TIMESTAMP", Timestamp=after) == "12"
    assert code_of(shards_of, client=local, name=name, ShardFilter={"Type": "AT_TIMESTAMP"}) in (
        INVALID
    )


@conforms(AREA, "UpdateShardCount at most doubles, at least halves", "API_UpdateShardCount")
def test_the_count_at_most_doubles_and_at_least_halves(local, make):
    name = make(local, 4)
    for target in (1, 9):
        assert code_of(local.update_shard_count, StreamName=name, TargetShardCount=target,
                       ScalingType="UNIFORM_SCALING") == "LimitExceededException"  # fmt: skip


# -- time ------------------------------------------------------------------------------------


@conforms(
    AREA,
    "retention of 24 to 8,760 hours; what is past it is gone",
    "API_IncreaseStreamRetentionPeriod",
)
def test_records_past_retention_are_gone(tmp_path, clock):
    file = tmp_path / "s.sqlite"
    with closing(LocalKinesis(file, now=clock)) as stream:
        stream.create_stream(StreamName="s", ShardCount=1)
        for data in range(6):
            clock.advance(6 * 3600)
            put(stream, "s", data)
        at_start = iterator(stream, "s", "shardId-000000000000")
        assert [r["Data"] for r in read_all(stream, "s")] == [b"1", b"2", b"3", b"4", b"5"]
        stream.increase_stream_retention_period(StreamName="s", RetentionPeriodHours=48)
        put(stream, "s", 6)
        first, *_ = stream.get_records(ShardIterator=at_start)["Records"]
        assert first["Data"] == b"1"  # what was deleted does not come back
        stream.decrease_stream_retention_period(StreamName="s", RetentionPeriodHours=24)
        clock.advance(23 * 3600)
        put(stream, "s", 7)
        assert [r["Data"] for r in read_all(stream, "s")] == [b"5", b"6", b"7"]
        for hours in (23, 8761):
            assert code_of(stream.increase_stream_retention_period, StreamName="s",
                           RetentionPeriodHours=hours) == "InvalidArgumentException"  # fmt: skip
        stream.split_shard(StreamName="s", ShardToSplit="shardId-000000000000",
                           NewStartingHashKey=str(2**127))  # fmt: skip
        clock.advance(25 * 3600)
        (sequence,) = put(stream, "s", 8)
        assert [s["ShardId"][-1] for s in shards_of(stream, "s")] == ["1", "2"]
        clock.advance(25 * 3600)
        (following,) = put(stream, "s", 9)
        assert int(following) == int(sequence) + 1  # numbers are not used again


@conforms(AREA, "a clock that goes back does not disorder a shard", "this project")
def test_a_clock_that_goes_back_does_not_disorder_a_shard(tmp_path):
    clock = Clock()
    with closing(LocalKinesis(tmp_path / "s.sqlite", now=clock)) as stream:
        stream.create_stream(StreamName="s", ShardCount=1)
        for step in (1, -3600, 10, 7200):
            clock.advance(step)
            put(stream, "s", step)
        found = [r["ApproximateArrivalTimestamp"] for r in read_all(stream, "s")]
        assert found == sorted(found)


# -- limits ----------------------------------------------------------------------------------


@pytest.fixture
def limited(tmp_path, clock):
    seconds = Clock()
    with served(tmp_path / "s.sqlite", now=clock, limits=Limits(seconds)) as client:
        client.create_stream(StreamName="s", ShardCount=2)
        clock.advance(0.2)
        yield client, seconds


@conforms(
    AREA,
    "a shard takes 1,000 records and 1 MiB a second; the rest fails entry by entry",
    "API_PutRecords",
)
def test_a_shard_takes_1000_records_and_1_mib_a_second(limited):
    client, seconds = limited

    def refused(count, size, shard="0"):
        records = [{"Data": bytes(size), "PartitionKey": "p", "ExplicitHashKey": shard}] * count
        answer = client.put_records(StreamName="s", Records=records)
        failed = ["ErrorCode" in record for record in answer["Records"]]
        assert answer["FailedRecordCount"] == sum(failed)
        assert failed == sorted(failed)  # none is stored behind one that was refused
        codes = {record.get("ErrorCode") for record in answer["Records"]} - {None}
        assert codes <= {"ProvisionedThroughputExceededException"}
        return sum(failed)

    assert [refused(500, 10), refused(500, 10), refused(500, 10)] == [0, 0, 500]
    assert refused(500, 10, str(2**127)) == 0  # the other shard
    seconds.advance(0.1)
    assert refused(500, 10) == pytest.approx(400, abs=1)
    assert code_of(client.put_record, StreamName="s", Data=b"", PartitionKey="p",
                   ExplicitHashKey="0") == "ProvisionedThroughputExceededException"  # fmt: skip
    seconds.advance(60)
    assert refused(20, 100_000) == 10


@conforms(AREA, "a shard is read 5 times and gives 2 MiB a second", "API_GetRecords")
def test_a_shard_is_read_5_times_and_2_mib_a_second(limited):
    client, seconds = limited
    at = iterator(client, "s", "shardId-000000000000")
    for _ in range(5):
        client.get_records(ShardIterator=at)
    throttled = "ProvisionedThroughputExceededException"
    assert code_of(client.get_records, ShardIterator=at) == throttled
    seconds.advance(0.21)
    client.get_records(ShardIterator=at)
    for _ in range(6):
        seconds.advance(1)
        client.put_records(StreamName="s", Records=[
            {"Data": bytes(1_000_000), "PartitionKey": "p", "ExplicitHashKey": "0"}])  # fmt: skip
    assert len(client.get_records(ShardIterator=at)["Records"]) == 6
    seconds.advance(1)
    assert code_of(client.get_records, ShardIterator=at) == throttled
    seconds.advance(2)
    assert client.get_records(ShardIterator=at)["Records"]


# -- the local cloud, and a process that is killed --------------------------------------------


def test_the_local_cloud_serves_streams_at_first_use(cloud):
    assert cloud.endpoint_variables()["AWS_ENDPOINT_URL_KINESIS"].startswith("http://127.0.0.1:")
    with closing(cloud.aws_client("kinesis")) as client:
        client.create_stream(StreamName="of-the-cloud", ShardCount=1)
        client.get_waiter("stream_exists").wait(
            StreamName="of-the-cloud", WaiterConfig={"Delay": 1, "MaxAttempts": 5}
        )
        put(client, "of-the-cloud", "x")
        assert [r["Data"] for r in read_all(client, "of-the-cloud")] == [b"x"]
        client.delete_stream(StreamName="of-the-cloud")
    assert (cloud.folder / "kinesis").is_dir()


@conforms(AREA, "what was acknowledged survives kill -9", "this project")
def test_what_was_acknowledged_survives_kill_9(tmp_path):
    """Kills come while requests are under way; a request is stored whole or not at all."""
    command = [sys.executable, "-m", "tests.streaming.stream_server", str(tmp_path)]
    acknowledged, sent, port = set(), 0, "0"
    for life in range(3):
        process = subprocess.Popen([*command, port, "none"], cwd=ROOT, text=True,
                                   stdout=subprocess.PIPE)  # fmt: skip
        with closing(process.stdout) as lines:
            port = lines.readline().strip()
        with closing(client_of(port, read_timeout=5)) as client:
            if life == 0:
                client.create_stream(StreamName="s", ShardCount=3)
                client.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
            killer = threading.Timer(0.3 + life * 0.17, process.kill)
            killer.start()
            try:
                while True:
                    batch = range(sent, sent + 50)
                    sent += 50
                    records = [{"Data": b"%d" % i, "PartitionKey": str(i % 11)} for i in batch]
                    client.put_records(StreamName="s", Records=records)
                    acknowledged |= set(batch)
            except (BotoCoreError, ClientError):
                killer.join()
        process.wait()
    with closing(LocalKinesis(tmp_path / "streams.sqlite")) as stream:
        found = [int(record["Data"]) for record in read_all(stream, "s")]
    assert acknowledged and acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert all(len(set(range(b, b + 50)) & set(found)) in (0, 50) for b in range(0, sent, 50))
