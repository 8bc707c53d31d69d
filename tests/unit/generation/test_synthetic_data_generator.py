"""The generated tables: exact counts, valid references, exact sums, reproducible bytes."""

import csv
import gzip
import io
import json
import multiprocessing
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.domain.tables import TABLES
from src.errors import GenerationError
from src.services.encoding import parallel_writes
from src.services.generation import parts, raw_tables
from src.services.generation.concert_world import WorldSize
from src.services.generation.generation_checks import GenerationChecks
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.conftest import FolderSink
from tests.waiting import PATIENCE_S, wait_until


def clean(generator, table):
    return pa.concat_tables(list(generator.blocks(table)))


def test_clean_rows_are_exactly_as_many_as_asked(small_world):
    sizes = {"artists": 60, "venues": 30, "concerts": 400, "ticket_sales": 3000}
    for name, rows in sizes.items():
        assert clean(small_world, name).num_rows == rows


def test_quantities_add_up_to_tickets_sold(small_world):
    sales = clean(small_world, "ticket_sales")
    concert = sales["concert_id"].to_numpy() - 1
    sold = np.bincount(concert, weights=sales["quantity"].to_numpy(), minlength=400)
    assert (sold == small_world.world.concerts.tickets_sold).all()
    assert (sales["quantity"].to_numpy() >= 1).all()


def test_amounts_are_exact_to_the_cent(small_world):
    for row in clean(small_world, "ticket_sales").to_pylist():
        assert row["total_amount"] == row["unit_price"] * row["quantity"]


def test_purchases_happen_between_on_sale_and_show_and_before_the_as_of_date(small_world):
    concerts = {r["concert_id"]: r for r in clean(small_world, "concerts").to_pylist()}
    as_of = str(np.datetime64(small_world.world.as_of, "s")).replace("T", " ")
    for sale in clean(small_world, "ticket_sales").to_pylist():
        show = concerts[sale["concert_id"]]
        assert show["on_sale_at"] <= sale["purchased_at"] <= show["starts_at"]
        assert sale["purchased_at"] <= as_of


def test_names_are_unique(small_world):
    for table in ("artists", "venues"):
        names = clean(small_world, table)["name"].to_pylist()
        assert len(set(names)) == len(names)


def test_more_rows_cut_the_same_tickets_finer():
    coarse = SyntheticDataGenerator(WorldSize(60, 30, 400, 500), seed=7)
    fine = SyntheticDataGenerator(WorldSize(60, 30, 400, 50_000), seed=7)
    sums = []
    for generator in (coarse, fine):
        sales = clean(generator, "ticket_sales")
        sums.append(int(np.sum(sales["quantity"].to_numpy())))
    assert sums[0] == sums[1]


def test_small_orders_look_like_orders():
    generator = SyntheticDataGenerator(WorldSize(20, 10, 60, 20_000), seed=3)
    tickets = generator.world.tickets
    rows = int(tickets / 2.4)
    fine = SyntheticDataGenerator(WorldSize(20, 10, 60, rows), seed=3)
    quantity = clean(fine, "ticket_sales")["quantity"].to_numpy()
    assert 1 < np.median(quantity) <= 4 and np.quantile(quantity, 0.99) <= 10


@pytest.mark.parametrize("raw_format", ["json", "csv", "parquet"])
def test_same_seed_same_bytes(tmp_path, raw_format):
    contents = []
    for run in ("a", "b"):
        generator = SyntheticDataGenerator(WorldSize(30, 20, 100, 800), seed=5, defect_rate=0.05)
        generator.export(FolderSink(tmp_path / run), raw_format, "x")
        files = sorted(p for p in (tmp_path / run).rglob("*") if p.is_file())
        contents.append({p.relative_to(tmp_path / run): p.read_bytes() for p in files})
    assert contents[0] == contents[1]


def test_the_three_formats_hold_the_same_records(tmp_path):
    found = {}
    for raw_format in ("json", "csv", "parquet"):
        generator = SyntheticDataGenerator(WorldSize(30, 20, 100, 800), seed=5, defect_rate=0.05)
        manifest = generator.export(FolderSink(tmp_path / raw_format), raw_format, "x")
        rows = []
        for spec in TABLES:
            for file in manifest.tables[spec.name].files:
                body = (tmp_path / raw_format / file.path).read_bytes()
                records = _decode(raw_format, body)
                assert len(records) == file.rows
                rows += [tuple("" if v is None else str(v) for v in r.values()) for r in records]
        found[raw_format] = rows
    assert found["json"] == found["csv"] == found["parquet"]


def _decode(raw_format, body):
    if raw_format == "parquet":
        return pq.read_table(io.BytesIO(body)).to_pylist()
    text = gzip.decompress(body).decode()
    if raw_format == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line, parse_float=str) for line in text.splitlines()]


def test_the_ledger_counts_what_was_injected(tmp_path, small_world):
    manifest = small_world.export(FolderSink(tmp_path), "json", "x")
    ledger = [json.loads(li) for li in gzip.open(tmp_path / "_ledger.jsonl.gz")]
    by_table = Counter(d["table"] for d in ledger if d["rule"] != "untidy")
    assert by_table == {"artists": 1, "venues": 1, "concerts": 8, "ticket_sales": 60}
    for spec in TABLES:
        entry = manifest.tables[spec.name]
        assert entry.records == entry.valid_rows + by_table[spec.name]
    assert manifest.defects == 70


def test_no_defects_at_rate_zero(tmp_path):
    generator = SyntheticDataGenerator(WorldSize(30, 20, 100, 800), defect_rate=0.0)
    manifest = generator.export(FolderSink(tmp_path), "json", "x")
    assert manifest.defects == manifest.untidy == 0
    assert manifest.records == 30 + 20 + 100 + 800


def test_the_ground_truth_covers_every_concert(tmp_path, small_world):
    small_world.export(FolderSink(tmp_path), "json", "x")
    truth = pq.read_table(tmp_path / "_truth.parquet")
    assert truth.num_rows == 400
    assert (truth["variance"].to_numpy() >= 0).all()


def _broken_sales(small_world, change):
    (block,) = small_world.blocks("ticket_sales")
    rows = block.to_pylist()
    change(rows)
    return pa.Table.from_pylist(rows, schema=block.schema)


@pytest.mark.parametrize(
    ("law", "change"),
    [
        ("keys", lambda rows: rows[5].update(sale_id=4)),
        ("concert_id in concerts", lambda rows: rows[5].update(concert_id=401)),
        ("quantity", lambda rows: rows[5].update(quantity=0)),
        ("total_amount", lambda rows: rows[5].update(total_amount=rows[5]["total_amount"] + 1)),
        ("purchased_at present", lambda rows: rows[5].update(purchased_at=None)),
    ],
    ids=["key", "reference", "range", "amount", "null"],
)
def test_a_broken_law_stops_the_generation(small_world, law, change):
    checks = GenerationChecks(small_world.world)
    (block,) = raw_tables.blocks_of(small_world.world, "ticket_sales")
    with pytest.raises(GenerationError, match=law):
        checks.check("ticket_sales", _broken_sales(small_world, change), block)


def test_a_lost_ticket_stops_the_generation(small_world):
    checks = GenerationChecks(small_world.world)
    (block,) = raw_tables.blocks_of(small_world.world, "ticket_sales")

    def lose(rows):
        rows[5]["quantity"] += 1
        rows[5]["total_amount"] = rows[5]["unit_price"] * rows[5]["quantity"]

    with pytest.raises(GenerationError, match="tickets_sold"):
        checks.check("ticket_sales", _broken_sales(small_world, lose), block)


def test_a_block_that_is_left_out_stops_the_generation(small_world):
    checks = GenerationChecks(small_world.world)
    blocks = raw_tables.blocks_of(small_world.world, "ticket_sales")
    checks.check_blocks("ticket_sales", blocks)
    for wrong in ([], blocks * 2, [replace(blocks[0], before=1)]):
        with pytest.raises(GenerationError):
            checks.check_blocks("ticket_sales", wrong)


@pytest.mark.parametrize("raw_format", ["json", "parquet"])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, monkeypatch, raw_format):
    monkeypatch.setattr(parts, "WORTH_WORKERS", 1)
    monkeypatch.setattr(parts, "ROWS_PER_PART", 30_000)
    manifests = []
    for workers in (1, 2, 3):
        generator = SyntheticDataGenerator(WorldSize(200, 100, 9_000, 150_000), defect_rate=0.05)
        sink = FolderSink(tmp_path / str(workers))
        manifests.append(generator.export(sink, raw_format, "x", workers=workers))
    assert manifests[0] == manifests[1] == manifests[2]
    assert manifests[0].files > 5
    bodies = [
        {p.relative_to(tmp_path / n).as_posix(): p.read_bytes()
         for p in (tmp_path / n).rglob("*") if p.is_file()} for n in "123"
    ]  # fmt: skip
    assert bodies[0] == bodies[1] == bodies[2]


def test_a_worker_that_dies_is_an_error_not_a_hang(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "WORTH_WORKERS", 1)
    monkeypatch.setattr(parts, "ROWS_PER_PART", 30_000)
    generator = SyntheticDataGenerator(WorldSize(200, 100, 9_000, 150_000))

    class Killing(FolderSink):
        def put(self, path, body):
            for child in multiprocessing.active_children():
                child.kill()

    with pytest.raises(GenerationError, match="died") as caught:
        generator.export(Killing(tmp_path), "json", "x", workers=2)
    assert "--workers 1" in caught.value.hint
    assert not multiprocessing.active_children()


def test_a_sink_that_fails_leaves_no_worker_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "WORTH_WORKERS", 1)
    monkeypatch.setattr(parts, "ROWS_PER_PART", 30_000)

    class Full(FolderSink):
        def put(self, path, body):
            raise OSError("no space left on device")

    generator = SyntheticDataGenerator(WorldSize(200, 100, 9_000, 150_000))
    before = set(threading.enumerate())  # some of which may be ending
    with pytest.raises(OSError, match="no space"):
        generator.export(Full(tmp_path), "json", "x", workers=2)
    assert not multiprocessing.active_children()
    assert set(threading.enumerate()) <= before


def test_files_are_stored_side_by_side_and_none_after_a_failure():
    stored = []
    all_at_once = threading.Barrier(parallel_writes.AT_ONCE, timeout=PATIENCE_S)

    class Meeting:
        """A sink whose first puts wait for each other: side by side, or never."""

        def put(self, path, body):
            if int(path) < parallel_writes.AT_ONCE:
                all_at_once.wait()
            if path == "3":
                raise OSError("gone")
            stored.append(path)

    with pytest.raises(OSError, match="gone"), parallel_writes.SideBySide(Meeting()) as uploads:
        for number in range(40):
            uploads.put(str(number), b"")
            if number == parallel_writes.AT_ONCE - 1:
                wait_until(uploads._begun[-1].done, "the put that fails is over")
    assert parallel_writes.AT_ONCE - 1 <= len(stored) < 2 * parallel_writes.AT_ONCE
    all_at_once.abort()
    failed = pytest.raises(threading.BrokenBarrierError)
    with failed, parallel_writes.SideBySide(Meeting()) as uploads:
        uploads.put("3", b"")  # the last one's failure is raised, too


def test_a_concert_larger_than_a_block_is_a_block_of_its_own(monkeypatch, small_world):
    expected = clean(small_world, "ticket_sales")["quantity"].to_pylist()
    monkeypatch.setattr(raw_tables, "ROWS_PER_BLOCK", 3)
    blocks = list(small_world.blocks("ticket_sales"))
    assert len(blocks) > 100
    assert sum(b.num_rows for b in blocks) == len(expected)
    ids = pa.concat_tables(blocks)["sale_id"].to_pylist()
    assert ids == list(range(1, len(expected) + 1))
