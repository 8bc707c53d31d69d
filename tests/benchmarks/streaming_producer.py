"""How many events a second are made, and sent: `python -m tests.benchmarks.streaming_producer`."""

import json
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from src.infrastructure.streaming.producer_ledger import ProducerLedger
from src.infrastructure.streaming.stream_producer import StreamProducer
from src.services.generation.concert_world import WorldSize, build_world
from src.services.generation.sales_stream import LiveConcerts, LivePlan, SalesStream
from tests.streaming.stream_server import served

EVENTS = 50_000


def events():
    """Return the events of the default world at 20,000 a second, nothing sold out."""
    world = build_world(WorldSize(1_000, 500, 10_000, 50_000), 42)
    c = world.concerts
    concerts = LiveConcerts(
        tuple(str(n + 1) for n in range(len(c.artist))), c.starts_at, c.on_sale_at, c.price_cents,
        np.full(len(c.artist), 10**7), c.tickets_sold, world.artists.popularity[c.artist],
    )  # fmt: skip
    return SalesStream(concerts, LivePlan(42, world.as_of, rate=20_000)).events()


def measure(folder):
    began = time.perf_counter()
    made = list(islice(events(), EVENTS))
    making = time.perf_counter() - began
    with served(folder / "s.sqlite") as client:
        client.create_stream(StreamName="s", ShardCount=32)
        client.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
        with ProducerLedger(folder / "ledger") as ledger:
            producer = StreamProducer(lambda: client, "s", ledger)
            began = time.perf_counter()
            done = producer.run(iter(made))
            sending = time.perf_counter() - began
    return {
        "made: events a second": round(EVENTS / making),
        "made and due at 20,000 a second, sent and acknowledged: a second": round(
            done.acknowledged / sending),
        "calls": done.calls,
    }  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(measure(Path(place)), indent=1))
