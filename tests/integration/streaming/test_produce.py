"""The producer from the warehouse's concerts to the stream: what it acknowledged is there."""

import json
import sys
from itertools import takewhile
from types import SimpleNamespace

import numpy as np
import pytest

from src.errors import UsageError
from src.infrastructure.streaming.producer_ledger import ProducerLedger
from src.services.generation.sales_stream import LivePlan, SalesStream
from src.streaming.__main__ import build_parser
from src.streaming.produce import plan_options
from src.streaming.production import Production, load_concerts
from tests.streaming.stream_server import served

DAY, NOW = 86_400, 1_759_190_400
ROWS = [
    {"concert_id": f"c{n}", "starts_at": NOW + n * DAY, "on_sale_at": NOW - 30 * DAY,
     "price_cents": 5_000, "capacity": 4_000, "sold": 900, "popularity": n, "as_of": NOW}
    for n in range(1, 30)
]  # fmt: skip


def records_of(client, name):
    found = []
    for shard in client.list_shards(StreamName=name)["Shards"]:
        wanted = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        at = client.get_shard_iterator(StreamName=name, **wanted)["ShardIterator"]
        found += client.get_records(ShardIterator=at)["Records"]
    return found


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An environment of a warehouse with some concerts, and of a stream."""
    with served(tmp_path / "s.sqlite") as client:
        names = ["concerts", "ticket_sales"]
        redshift = SimpleNamespace(query=lambda sql: ROWS, table_names=lambda schema: names)
        yield SimpleNamespace(
            settings=SimpleNamespace(state_dir=str(tmp_path), stream="sales"), redshift=redshift,
            kinesis_client=lambda attempts=0: client,
        )  # fmt: skip


def produce(world, seconds, **options):
    plan = LivePlan(**{"seed": 3, "started_at": 0, "rate": 150.0, "on_sale": "none",
                       "defect_rate": 0.1, **options})  # fmt: skip
    with Production(world, plan, shards=2) as production:
        events = production.sales.events(production.ledger.acknowledged)
        produced = production.producer.run(events, for_s=seconds)
    return production, produced


def test_a_producer_continues_and_another_plan_begins_behind_it(world):
    first, _ = produce(world, 0.5)
    second, _ = produce(world, 0.5)
    assert second.plan == first.plan and len(second.ledger.plans) == 1
    third, produced = produce(world, 0.4, rate=100.0)
    assert third.plan.first == second.ledger.acknowledged == 150
    assert third.plan.started_at == NOW + 2 and len(third.ledger.plans) == 2
    assert produced.acknowledged == 40 and third.ledger.acknowledged == 190
    # The ledger alone tells what is on the stream: its plans make the same events again.
    ledger = ProducerLedger(third.ledger.folder)
    ends = [*(plan["plan"]["first"] for plan in ledger.plans[1:]), ledger.acknowledged]
    wanted, defects = [], {}
    for entry, end in zip(ledger.plans, ends, strict=True):
        plan = LivePlan(**entry["plan"])
        concerts = load_concerts(ledger.folder / f"concerts-{plan.first}.npz")
        made = takewhile(lambda e, end=end: e.number < end, SalesStream(concerts, plan).events())
        for event in made:
            wanted.append(event.data)
            defects |= {event.number: event.defect} if event.defect else {}
    found = records_of(world.kinesis_client(), "sales")
    assert sorted(record["Data"] for record in found) == sorted(wanted)
    assert ledger.defects == defects
    for record in found:
        if not record["Data"].endswith(b"}"):
            continue
        concert = json.loads(record["Data"])["concert_id"]
        assert record["PartitionKey"] == concert or concert == "unknown"


def test_another_plan_begins_behind_one_that_sold_everything(world, monkeypatch):
    """Its last event is on the stream: there is no next one that tells when it ended."""
    for row in ROWS:
        monkeypatch.setitem(row, "sold", int(row["capacity"]) - 1)
    first, _ = produce(world, 1.5, rate=20_000.0, defect_rate=0.0)
    assert first.sales.is_over
    second, _ = produce(world, 0.2, rate=100.0)
    assert second.plan.first == first.ledger.acknowledged > 0
    assert second.plan.started_at > NOW


def test_other_data_in_the_warehouse_begins_another_plan(world, monkeypatch):
    produce(world, 0.2)
    monkeypatch.setitem(ROWS[0], "capacity", 5_000)
    production, _ = produce(world, 0.2)
    assert len(production.ledger.plans) == 2
    assert np.any(load_concerts(production.ledger.folder / "concerts-30.npz").capacity == 5_000)


def test_the_command_produces_and_continues(loaded):
    script, _ = loaded
    command = [sys.executable, "-m", "src.streaming", "produce", "--for", "1.5", "--rate", "60",
               "--json", "--on-sale", "none"]  # fmt: skip
    counts = []
    for _ in range(2):
        done = script.run_command(command)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert facts["is_complete"] and facts["acknowledged"] == 90
        assert sum(facts["shards"].values()) == 90 and len(facts["shards"]) == 4
        counts.append("continuing at event 90 of" in done.stderr)
    assert counts == [False, True]


@pytest.mark.parametrize(
    ("options", "text"),
    [(["--rate", "-1"], "--rate"), (["--rate", "nan"], "--rate"), (["--shards", "0"], "--shards"),
     (["--broken", "0.9"], "--broken"), (["--rate", "0"], "--rate")],
)  # fmt: skip
def test_options_that_make_no_sense_are_named(options, text):
    arguments = build_parser().parse_args(["produce", *options])
    with pytest.raises(UsageError, match=text):
        plan_options(arguments, SimpleNamespace(seed=1))
