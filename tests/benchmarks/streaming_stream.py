"""The local stream over HTTP: `python -m tests.benchmarks.streaming_stream`; JSON on stdout.

Each figure stands beside what it may not fall below, and the puts beside the same bytes put into
SQLite without HTTP, with the same commits. It runs for about a minute.
"""

import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from src.local_cloud.kinesis.local_kinesis import LocalKinesis
from tests.conftest import ROOT
from tests.streaming.stream_server import FILE, client_of

RECORD, BATCH, SHARDS = b"x" * 226, 500, 32
STORED = 1_000_000


def records(batch):
    return [{"Data": RECORD, "PartitionKey": f"{batch}-{i}"} for i in range(BATCH)]


def fill(file, count):
    """Store records without HTTP."""
    with closing(LocalKinesis(file)) as stream:
        stream.create_stream(StreamName="s", ShardCount=SHARDS)
        time.sleep(0.2)  # it is being created
        for batch in range(count // BATCH):
            stream.put_records(StreamName="s", Records=records(batch))


def floor(folder, batches):
    """Return records a second of SQLite alone: as many bytes, as many commits."""
    database = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                           "CREATE TABLE r (n INTEGER PRIMARY KEY, data BLOB)")  # fmt: skip
    began = time.perf_counter()
    for _ in range(batches):
        database.execute("BEGIN")
        database.executemany("INSERT INTO r (data) VALUES (?)", [(RECORD,)] * BATCH)
        database.execute("COMMIT")
    seconds = time.perf_counter() - began
    database.close()
    return batches * BATCH / seconds


def timed(action, count):
    """Return the seconds of each of some calls."""
    spent = []
    for number in range(count):
        began = time.perf_counter()
        action(number)
        spent.append(time.perf_counter() - began)
    return spent


def iterator(client, kind):
    wanted = {"StreamName": "s", "ShardId": "shardId-000000000001", "ShardIteratorType": kind}
    return client.get_shard_iterator(**wanted)["ShardIterator"]


def measure(folder, batches=60):
    fill(folder / FILE, STORED)
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.streaming.stream_server", str(folder), "0", "none"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        started = time.perf_counter() - began
        process = psutil.Process(server.pid)
        with closing(client_of(port)) as client:
            client.list_streams()
            cpu = sum(process.cpu_times()[:2])
            puts = timed(lambda n: client.put_records(StreamName="s", Records=records(n)), batches)
            cpu = sum(process.cpu_times()[:2]) - cpu
            at = iterator(client, "LATEST")
            gets = timed(lambda n: client.get_records(ShardIterator=at), 100)
            at = iterator(client, "TRIM_HORIZON")
            whole = timed(lambda n: client.get_records(ShardIterator=at), 3)
        return {
            "put: records a second (at least 10,000)": round(batches * BATCH / sum(puts)),
            "put: of SQLite alone, records a second": round(floor(folder, batches)),
            "put: records a second of the server's processor": round(batches * BATCH / cpu),
            "put: median ms": round(statistics.median(puts) * 1e3, 1),
            f"empty get at {STORED:,} records: median ms (at most 3)": round(
                statistics.median(gets) * 1e3, 1),
            "get: records a second": round(10_000 / statistics.median(whole)),
            "start: s (at most 0.5)": round(started, 2),
            "memory: MB (at most 80)": process.memory_info().rss >> 20,
            "load of the machine": psutil.getloadavg()[0],
        }  # fmt: skip
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(measure(Path(place)), indent=1))
