"""A stream of the tests' own, with the methods of boto3's client that the warehouse calls."""

import itertools
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError


class Stream:
    """Shards as lists; what is closed has children. `pages` holds how many records a page has."""

    def __init__(self, shards=2, page=10_000):
        self.names = [f"shardId-{n:012d}" for n in range(shards)]
        self.parents, self.closed = {}, set()
        self.records = {name: [] for name in self.names}
        self.page, self.calls, self.name = page, [], "sales"
        self.numbers = itertools.count(1)

    def put(self, shard, data, key="k", arrived=None, number=None):
        body = data if isinstance(data, bytes) else data.encode()
        number = number or f"{next(self.numbers):056d}"
        arrived = arrived or datetime.now(UTC) - timedelta(seconds=1)
        self.records[self.names[shard]].append({
            "SequenceNumber": number, "ApproximateArrivalTimestamp": arrived, "Data": body,
            "PartitionKey": key})  # fmt: skip
        return number

    def split(self, shard):
        """Close a shard; its two children are the last of `names`."""
        self.closed.add(self.names[shard])
        for _ in range(2):
            name = f"shardId-{len(self.names):012d}"
            self.names.append(name)
            self.records[name], self.parents[name] = [], self.names[shard]

    def describe_stream_summary(self, StreamName):
        if StreamName != self.name:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": StreamName}}
            raise ClientError(error, "DescribeStreamSummary")
        return {}

    def list_shards(self, StreamName=None, NextToken=None):
        start = int(NextToken or 0)
        found = [
            {"ShardId": name, **({"ParentShardId": self.parents[name]} if name in self.parents
                                 else {})}
            for name in self.names[start : start + 2]
        ]  # fmt: skip
        more = {"NextToken": str(start + 2)} if start + 2 < len(self.names) else {}
        return {"Shards": found, **more}

    def get_shard_iterator(
        self, StreamName, ShardId, ShardIteratorType, StartingSequenceNumber=None
    ):
        at = 0
        if ShardIteratorType == "AFTER_SEQUENCE_NUMBER":
            numbers = [record["SequenceNumber"] for record in self.records[ShardId]]
            at = numbers.index(StartingSequenceNumber) + 1
        return {"ShardIterator": f"{ShardId}/{at}"}

    def get_records(self, ShardIterator, Limit):
        self.calls.append(ShardIterator)
        name, at = ShardIterator.split("/")
        start, held = int(at), self.records[name]
        found = held[start : start + min(Limit, self.page)]
        end = start + len(found)
        is_over = name in self.closed and end == len(held)
        return {
            "Records": found,
            "MillisBehindLatest": 0 if end == len(held) else 1000,
            **({} if is_over else {"NextShardIterator": f"{name}/{end}"}),
        }
