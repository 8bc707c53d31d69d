"""`python -m src.streaming run` and what it proves: also with its ingester killed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

from src.domain.live_sales import LiveSale
from src.errors import CannotRunError, UnreachableError, UsageError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.streamed_sales import StreamedTotals
from src.reporting.page.html_report import render_page
from src.reporting.terminal.console import Console
from src.settings import Settings
from src.streaming.__main__ import main as streaming
from src.streaming.audit import Auditor, Produced
from src.streaming.children import Child
from src.streaming.ingest import checked_refresh, line_of
from src.streaming.ingestion import PATIENCE_S, Ingestion
from src.streaming.live_run import _LAST_STEP, LiveRun, balance
from tests.conftest import ROOT
from tests.integration.streaming.conftest import sale
from tests.waiting import wait_until

SCHEMA = json.loads((ROOT / "src/reporting/schemas/streaming_report.schema.json").read_text())


# -- the auditor finds what it is there for -------------------------------------------------------


def made(number, defect="", **changes):
    text = json.dumps(sale(f"7-{number}", **changes)).encode()
    if defect == "malformed":
        text = text[:-9]
    return LiveSale(number, 0.0, "c2", text, defect)


EVENTS = [
    made(0), made(1, "duplicate"), made(2, "late", purchased_at="2026-03-01T09:00:00.000Z"),
    made(3, "malformed"), made(4, "no_tickets", quantity=0, total_amount=0),
    made(5, "future", purchased_at="2026-03-02T12:00:00.000Z"),
    made(6, "unknown_concert", concert_id="unknown"), made(7, "wrong_amount", total_amount=25.01),
    made(8, "conflict", sale_id="live-7-0", quantity=5, total_amount=62.5), made(9),
]  # fmt: skip


@pytest.fixture
def audited(live):
    """The verdicts of the checks, once all events are ingested."""
    copies = {1: EVENTS[0].data}
    for event in EVENTS:
        live.put(copies.get(event.number, event.data))
    live.ingest()

    def audit():
        found = Auditor(live.client, 7).audit(Produced.of(EVENTS), live.sales.totals())
        return {check.name: check.verdict for check in found}

    return audit


FAULTS = {
    "nothing_is_lost": "DELETE FROM concert_dw.ticket_sales WHERE sale_id = 'live-7-9'",
    "each_sale_once": "INSERT INTO concert_dw.ticket_sales SELECT * FROM concert_dw.ticket_sales "
    "WHERE sale_id = 'live-7-9'",
    "to_the_cent": "UPDATE concert_dw.ticket_sales SET unit_price = 12.51 "
    "WHERE sale_id = 'live-7-9'",
    "each_defect_found": "DELETE FROM concert_dw.rejected_records "
    "WHERE rule = 'unreadable:record'",
    "it_balances": "DELETE FROM concert_live.ingest_log",
}  # fmt: skip


def test_the_audit_of_what_is_right_passes(audited):
    assert set(audited().values()) == {"passed"}


@pytest.mark.parametrize("check", list(FAULTS))
def test_the_audit_finds_each_fault(live, audited, check):
    with live.client.transaction():
        live.client.execute(FAULTS[check])
    assert audited()[check] == "failed"


def test_the_audit_finds_sales_out_of_order(live):
    for event in (made(1), made(0)):
        live.put(event.data)
    live.ingest()
    found = Auditor(live.client, 7).audit(Produced.of([made(0), made(1)]), live.sales.totals())
    assert {c.name: c.verdict for c in found if c.verdict == "failed"} == {"in_order": "failed"}


# -- the ingester ---------------------------------------------------------------------------------


def environment_of(live):
    return SimpleNamespace(redshift=live.client, local_cloud=None, redshift_role="",
                           settings=SimpleNamespace(stream="sales"))  # fmt: skip


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_an_ingester_goes_on_when_what_did_not_answer_does(live, monkeypatch):
    time, notes, failures = Time(), [], [UnreachableError("no answer"), WarehouseError("refused")]
    ingestion = Ingestion(environment_of(live), 1.0, clock=time, sleep=time.sleep)
    tick = ingestion.tick
    live.put(sale(1))

    def failing():
        if failures:
            raise failures.pop()
        return tick()

    monkeypatch.setattr(ingestion, "tick", failing)
    total = ingestion.run(for_s=5, note=notes.append)
    assert total == StreamedTotals(1, 1)
    assert len(notes) == 3


def test_an_ingester_gives_up_after_its_patience(live, monkeypatch):
    time = Time()
    ingestion = Ingestion(environment_of(live), 1.0, clock=time, sleep=time.sleep)

    def failing():
        raise UnreachableError("no answer")

    monkeypatch.setattr(ingestion, "tick", failing)
    with pytest.raises(UnreachableError):
        ingestion.run()
    assert PATIENCE_S < time.now < PATIENCE_S + 10


def test_without_concerts_nothing_is_set_up(live):
    with live.client.transaction():
        live.client.execute("DELETE FROM concert_dw.concerts")
    with pytest.raises(CannotRunError) as caught:
        Ingestion(environment_of(live), 1.0).set_up()
    assert caught.value.hint == "python run_demo_pipeline.py"
    assert caught.value.exit_code == 2


def test_another_stream_than_that_of_the_view_is_refused(live):
    live.put(sale(1))
    live.ingest()
    environment = environment_of(live)
    environment.settings.stream = "other"
    with pytest.raises(CannotRunError, match="reads another stream") as caught:
        Ingestion(environment, 1.0).set_up()
    assert caught.value.hint == "--stream sales"
    environment.settings.stream = "sales"
    Ingestion(environment, 1.0).set_up()


@pytest.mark.parametrize("seconds", [0, 0.24, -1, float("nan"), 1e9])
def test_a_pace_that_kinesis_would_not_answer_is_refused(seconds):
    with pytest.raises(UsageError):
        checked_refresh(seconds)


def test_lines_balance():
    totals = StreamedTotals(1_000, 900, 60, 40, 5)
    assert totals.is_balanced
    assert line_of(totals).split() == (
        ["1,000", "records", "=", "900", "sales", "+", "60", "rejected", "+", "40", "duplicates"]
    )
    assert balance(totals, 7) == (
        "produced 1,007 = 900 in the warehouse + 60 rejected + 40 duplicates + 7 in flight"
    )


# -- the run and its processes ---------------------------------------------------------------------


def a_run(tmp_path, time=None, **options):
    defaults = {"rate": 80.0, "speed": 0.0, "seconds": 60.0, "broken_share": 0.1, "shards": 4,
                "on_sale": "none", "refresh": 1.0}  # fmt: skip
    time, settings = time or Time(), Settings(report_dir=str(tmp_path))
    return LiveRun(settings, Namespace(**defaults | options), console=Console(quiet=True),
                   should_stop=lambda: False, clock=time, sleep=time.sleep)  # fmt: skip


@pytest.mark.parametrize(("asked", "after", "left"), [(60, 0, "60"), (60, 45, "15"),
                                                      (60, 61, "0.1"), (0, 45, "0")])  # fmt: skip
def test_a_producer_that_is_started_again_has_the_rest_of_the_time(tmp_path, asked, after, left):
    time = Time()
    run = a_run(tmp_path, time, seconds=float(asked))
    time.sleep(after)
    options = run._produce_options()
    run.workflow.close()
    assert options[options.index("--for") + 1] == left


def test_a_run_asks_a_warehouse_again_that_is_gone_for_a_while(tmp_path):
    time, lost = Time(), WarehouseError("the connection to Redshift was lost")
    lost.is_lost = True
    run, failures = a_run(tmp_path, time), [UnreachableError("no answer"), lost]

    def ask():
        if failures:
            raise failures.pop()
        return 7

    assert run._answered(ask) == 7
    failures += [WarehouseError("refused")]
    with pytest.raises(WarehouseError, match="refused"):
        run._answered(ask)
    failures += [lost] * 1_000
    with pytest.raises(WarehouseError, match="lost"):
        run._answered(ask)
    run.workflow.close()
    assert PATIENCE_S < time.now < PATIENCE_S + 10


def test_a_report_has_the_delays_of_its_own_run(live, tmp_path):
    run = a_run(tmp_path)
    run._environment = SimpleNamespace(redshift=live.client)
    live.put(sale(1))
    live.ingest()
    run._last_before = live.client.query_value(_LAST_STEP)
    live.put(sale(2), sale(3))
    live.ingest()
    run._ingester = run._producer = SimpleNamespace(starts=1)
    figures = run._figures(Produced.of([]), StreamedTotals())
    run.workflow.close()
    assert [step["records"] for step in figures["ticks"]] == [2]


@pytest.mark.parametrize(("text", "failure"), [
    ("", ("", "python -m src.streaming run")),
    ("9 events acknowledged\n", ("9 events acknowledged", "python -m src.streaming run")),
    ("error: first\n  try:   a\nerror: no concert 'x'\n  where: there\n  cause: it is: over\n"
     "  try:   b --c\n", ("no concert 'x': it is: over", "b --c")),
    ("error: alone\n", ("alone", "python -m src.streaming run")),
])  # fmt: skip
def test_a_process_that_failed_is_quoted(tmp_path, text, failure):
    log = tmp_path / "log"
    log.write_text(text)
    child = Child("produce", list, Settings(), log)
    assert child.failure() == failure


@pytest.mark.parametrize("options", [
    "produce --rate 0", "produce --rate inf", "produce --for nan", "produce --for -1",
    "produce --shards 0", "produce --broken 0.6", "produce --speed -1", "ingest --for nan",
    "watch --every inf", "watch --every 0", "watch --for -1", "watch --port 8090",
    "run --rate 1e12", "run --for inf",
])  # fmt: skip
def test_a_number_out_of_range_is_refused_with_one_that_is_right(options):
    with pytest.raises(UsageError) as caught:
        streaming(options.split())
    option = options.split()[1]
    assert option in caught.value.message and option in caught.value.hint
    assert caught.value.hint != options


# -- all of it ------------------------------------------------------------------------------------


@pytest.fixture
def world(host, tmp_path):
    """Concerts still to come, on servers that stay up."""
    client = RedshiftClient(host.connect_redshift)
    with contextlib.closing(client):
        client.create_tables()
        with client.transaction():
            client.execute("INSERT INTO concert_dw.artists (artist_id, name) VALUES ('a', 'A')")
            client.execute("INSERT INTO concert_dw.venues (venue_id, name, city, capacity) "
                           "VALUES ('v', 'V', 'Bonn', 90000)")  # fmt: skip
            for number in range(20):
                client.execute(
                    "INSERT INTO concert_dw.concerts (concert_id, artist_id, venue_id, starts_at, "
                    "on_sale_at, base_price) VALUES (%s, 'a', 'v', '2026-06-01', '2026-01-01', 40)",
                    (f"C{number}",))  # fmt: skip
            client.execute("INSERT INTO concert_dw.ticket_sales VALUES ('s', 'C0', '2026-03-01', "
                           "1, 40, 40, 'vip', 'web', NULL)")  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DEMO_", "REDSHIFT_"))}
    environment |= {"DEMO_STATE_DIR": str(host.folder), "DEMO_REPORT_DIR": str(tmp_path / "r")}
    return environment


def test_a_run_whose_ingester_is_killed_loses_nothing(world, tmp_path):
    log = tmp_path / "stderr"
    command = [sys.executable, "-m", "src.streaming", "run", "--for", "4", "--rate", "80",
               "--broken", "0.1", "--on-sale", "none", "--refresh", "0.25", "--json"]  # fmt: skip
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=world, stdout=subprocess.PIPE,
                                   stderr=errors)  # fmt: skip
    try:
        found = wait_until(
            lambda: re.search(r"ingester is process (\d+)", log.read_text()), "the ingester"
        )
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(found[1]), signal.SIGKILL)
        stdout, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, log.read_text()
    report = json.loads(stdout)
    jsonschema.validate(report, SCHEMA)
    live = report["streaming"]
    assert live["restarts"] >= 1
    assert live["acknowledged"] > 100
    assert live["totals"]["sales"] > live["totals"]["rejected"] > 0
    assert {check["verdict"] for check in live["checks"]} == {"passed"}
    page = render_page(report)
    assert f"{live['produced']:,} = {live['totals']['sales']:,} in the warehouse" in page
    written = Path(tmp_path / "r" / report["run_id"] / "index.html").read_text()
    assert written.count("<svg") == 3  # latency, rate, lineage
