"""From the streaming view into the tables: each event once, by the rules of the batch."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain import sale_events
from src.domain.tables import TICKET_SALES
from src.infrastructure.warehouse import stream_statements
from src.infrastructure.warehouse.streamed_sales import StreamedTotals
from src.local_cloud.redshift.sql.parsing import translate
from src.sql.quoting import redshift_literal
from tests.integration.conftest import end_session
from tests.integration.streaming.conftest import SENT, Live, sale

LATE, LATER = "2026-03-01T10:30:00.000Z", "2026-03-01T12:00:01.000Z"


def test_a_sale_arrives_with_its_values(live):
    live.put(sale(1))
    assert live.ingest() == StreamedTotals(1, 1)
    ((row),) = live.rows(
        "SELECT sale_id, concert_id, purchased_at, quantity, CAST(unit_price AS VARCHAR), "
        "CAST(total_amount AS VARCHAR), ticket_tier, sales_channel FROM concert_dw.ticket_sales "
        "WHERE streamed_at > '2026-01-01'"
    )
    assert row == ("live-1", "c2", datetime(2026, 3, 1, 12), 2, "12.50", "25.00", "vip", "web")
    assert live.ingest() == StreamedTotals()


FATES = [
    (sale(9, purchased_at="2026-03-01T12:05:00.000Z"), None),
    (sale(9, purchased_at=LATE), None),
    (sale(9, sent_at=...), None),
    (sale(9, quantity="2", unit_price="12.50", total_amount=...), None),
    (sale(9, purchased_at="2026-03-01 12:00:00"), None),
    (sale(9, ticket_tier=" VIP ", sales_channel=None, more={"a": [1]}), None),
    (sale(9, purchased_at="2026-03-01T12:05:00.001Z"), "sold_in_future"),
    (sale(9, concert_id="over"), "sold_after_show"),
    (sale(9, concert_id="c3"), "orphan:concert_id"),
    (sale(9, quantity=0), "out_of_range:quantity"),
    (sale(9, quantity="two"), "invalid_integer:quantity"),
    (sale(9, total_amount=26), "amount_mismatch"),
    (sale(9, concert_id="c1", quantity=11, total_amount=137.5), "over_capacity"),
    (sale(9, purchased_at="2026-02-30T12:00:00.000Z"), "invalid_timestamp:purchased_at"),
    (sale(9, sale_id="s" * 65), "too_long:sale_id"),
    (sale(9, sale_id={"a": 1}), "missing:sale_id"),
    ([1, 2], "missing:sale_id"),
    (b'{"sale_id": "live-9"', "unreadable:record"),
    (b"\xff\x00", "unreadable:record"),
    (b"", "unreadable:record"),
]


@pytest.mark.parametrize(("event", "rule"), FATES)
def test_each_event_has_its_documented_way(live, event, rule):
    live.put(sale(1), event, sale(2))
    done = live.ingest()
    assert (done.records, done.sales, done.rejected) == (3, 2 + (not rule), int(bool(rule)))
    assert [found for _, found in live.rejected()] == [rule] * bool(rule)
    assert live.sales.totals().is_balanced
    if rule:
        (raw,) = live.rows("SELECT raw_record FROM concert_dw.rejected_records")[0]
        text = event.decode(errors="replace") if isinstance(event, bytes) else json.dumps(event)
        assert raw == "ff00" if event == b"\xff\x00" else raw.replace(" ", "") == text.replace(
            " ", "")  # fmt: skip


def test_late_sales_are_kept_and_noted(live):
    live.put(sale(1), sale(2, purchased_at=LATE))
    live.ingest()
    assert live.rows("SELECT sale_id FROM concert_live.late_sales") == [("live-2",)]
    assert live.sales.totals() == StreamedTotals(2, 2, late=1)


@pytest.mark.parametrize("apart", [False, True], ids=["in one step", "in another step"])
def test_copies_are_dropped_and_conflicts_rejected(live, apart):
    live.put(sale(1))
    if apart:
        live.ingest()
    live.put(sale(1), sale(1, quantity=3, total_amount=37.5), sale(1, sent_at=LATER))
    live.ingest()
    assert live.sold() == [("live-1", 2)]
    assert live.rejected() == [("live-1", "conflicting_key")]
    assert live.sales.totals() == StreamedTotals(4, 1, 1, 2)


def test_a_sale_of_the_batch_is_not_sold_again(live):
    with live.client.transaction():
        live.client.execute(
            "INSERT INTO concert_dw.ticket_sales VALUES ('live-1', 'c2', '2026-03-01 12:00:00', 2, "
            "12.50, 25, 'vip', 'web', NULL), ('live-2', 'c2', '2026-03-01 12:00:00', 9, 1, 9, "
            "'vip', 'web', NULL)"
        )
    live.put(sale(1), sale(2))
    assert live.ingest() == StreamedTotals(2, 0, 1, 1)


def test_the_last_seats_are_sold_in_turn(live):
    """An order that no longer fits does not keep a smaller one out."""
    for number, quantity in enumerate((6, 5, 3, 2, 1), 1):
        live.put(sale(number, concert_id="c1", quantity=quantity, total_amount=12.5 * quantity))
    live.ingest()
    assert live.sold() == [("live-1", 6), ("live-3", 3), ("live-5", 1)]
    assert [key for key, rule in live.rejected() if rule == "over_capacity"] == ["live-2", "live-4"]
    live.put(sale(6, concert_id="c1", quantity=1, total_amount=12.5))
    assert live.ingest() == StreamedTotals(1, 0, 1)


def test_two_ingesters_at_once_take_each_event_once(cloud, live):
    live.put(*(sale(number % 40) for number in range(60)))
    live.put(*(sale(number) for number in range(30, 70)), shard=1)
    live.sales.refresh()
    others = [Live(cloud, live.stream) for _ in range(2)]
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda one: one.ingest(), [live, *others]))
    for other in others:
        other.client.close()
    assert sum(one.records for one in done) == 100
    assert [key for key, _ in live.sold()] == sorted(f"live-{number}" for number in range(70))
    assert live.sales.totals() == StreamedTotals(100, 70, 0, 30)


@pytest.mark.parametrize("name", list(stream_statements.step()))
def test_a_step_whose_connection_is_lost_is_done_again(cloud, live, monkeypatch, name):
    """At whichever statement: nothing is lost, and nothing is there twice."""
    live.put(sale(1), sale(1), b"{", sale(2, purchased_at=LATE))
    execute, lost = live.client.execute, []

    def losing(statement, arguments=None):
        if not lost and statement == stream_statements.step()[name]:
            lost.append(name)
            end_session(cloud, live.client.connection.get_backend_pid())
        return execute(statement, arguments)

    monkeypatch.setattr(live.client, "execute", losing)
    done = live.ingest()
    assert bool(lost) == (name != "40_full_concerts")
    assert done == StreamedTotals(4, 2, 1, 1)
    assert live.sales.totals() == StreamedTotals(4, 2, 1, 1, 1)
    assert live.sold() == [("live-1", 2), ("live-2", 2)]


def test_shards_that_come_later_are_taken_up_in_order(live):
    live.put(sale(1))
    live.ingest()
    live.stream.split(0)
    live.put(sale(2), sale(1, quantity=3, total_amount=37.5), shard=2)
    live.put(sale(3), shard=1)
    assert live.ingest() == StreamedTotals(3, 2, 1)
    shards = live.rows("SELECT shard_id, records FROM concert_live.positions ORDER BY 1")
    assert [(shard[-1], records) for shard, records in shards] == [("0", 1), ("1", 1), ("2", 2)]


def test_a_step_reads_what_is_new_of_a_long_view(live):
    """However many records were ingested before: else a stream would slow down by and by."""
    live.put(*(sale(n) for n in range(3_000)))
    live.ingest()
    (position,) = live.rows("SELECT shard_id, position FROM concert_live.positions")
    statement = translate(stream_statements.next_records([position]))
    with live.client.connection.cursor() as cursor:
        cursor.execute_postgres(f"EXPLAIN {statement}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index" in plan
    assert "Seq Scan" not in plan


def test_setting_up_again_changes_nothing(live):
    live.put(sale(1))
    live.ingest()
    live.sales.set_up("sales", "")
    assert live.sales.totals() == StreamedTotals(1, 1)
    assert live.ingest() == StreamedTotals()


class _Undone(Exception):  # noqa: N818
    """Rolls back."""


# -- plain events are what the batch takes as well ----------------------------------------

WORDS = st.sampled_from(
    ["vip", "web", "VIP", " vip", "vip ", "", "a_b", "é", "x" * 20, "x" * 21, "\\N", "a\tb", None]
)
NUMBERS = st.one_of(
    st.integers(-3, 500_002).map(str),
    st.sampled_from(["1", "01", "0", "+1", "1.0", " 1", "1 ", "1e2", "999999", "1000000", "",
                     "500000", "500001", None]),
)  # fmt: skip
AMOUNTS = st.one_of(
    st.decimals(-1, 100_001, places=2).map(str),
    st.sampled_from(["0.00", "00.10", ".50", "1.5", "1", "100000.00", "100000.01", "1.005", "1,00",
                     "1.00 ", "-0.00", "123456789.00", None]),
)  # fmt: skip
TIMES = st.one_of(
    st.datetimes(datetime(1890, 1, 1), datetime(2205, 1, 1)).map(
        lambda t: t.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(["2026-02-29T10:00:00.000Z", "2024-02-29T10:00:00.000Z", SENT, SENT[:-1],
                     "2026-04-31T10:00:00.000Z", "2026-04-30T10:00:00.000Z",
                     "2026-13-01T10:00:00.000Z", "2026-01-01T24:00:00.000Z",
                     "2026-01-01T10:60:00.000Z", "2026-01-31 10:00:00", SENT + " ", None]),
)  # fmt: skip
KEYS = st.one_of(st.integers(0, 99).map("live-{}".format), WORDS, st.just("k" * 64))


@st.composite
def texts_of_events(draw):
    quantity, price = draw(NUMBERS), draw(AMOUNTS)
    total = draw(AMOUNTS)
    with contextlib.suppress(Exception):
        if draw(st.integers(0, 3)):
            total = str(int(quantity) * Decimal(price))
    return (draw(KEYS), draw(KEYS), draw(TIMES), quantity, price, total, draw(WORDS), draw(WORDS),
            draw(TIMES))  # fmt: skip


def written(texts):
    return ", ".join("NULL" if text is None else redshift_literal(text) for text in texts)


@settings(max_examples=5)
@given(events=st.lists(texts_of_events(), min_size=50, max_size=80))
def test_what_is_plain_is_accepted_by_the_batch_with_the_same_values(live, events):
    client = live.client

    def judged(condition):
        client.execute("DELETE FROM streamed_judged")
        client.execute(f"UPDATE streamed_taken SET is_plain = {condition}")
        plain = client.query("SELECT n FROM streamed_taken WHERE is_plain")
        client.execute(stream_statements.step()["20_judged"])
        found = client.query("SELECT * FROM streamed_judged ORDER BY n")
        return {row["n"]: row for row in found}, {row["n"] for row in plain}

    try:
        with client.transaction():
            live.sales._create_tables()
            rows = [
                f"({number}, 's', 'p', '2026-01-01', FALSE, {written(texts)}, TRUE)"
                for number, texts in enumerate(events, 1)
            ]
            client.execute(f"INSERT INTO streamed_taken VALUES {', '.join(rows)}")
            fast, plain = judged(sale_events.is_plain())
            client.execute("UPDATE streamed_taken SET is_plain = FALSE")
            client.execute("DELETE FROM streamed_judged")
            live.sales._judge_others()
            slow = {row["n"]: row for row in client.query("SELECT * FROM streamed_judged")}
            assert fast.keys() == plain
            for number in plain:
                for name in (*TICKET_SALES.column_names, "rule", "sent_at", "record_key"):
                    assert fast[number][name] == slow[number][name], (events[number - 1], name)
            raise _Undone
    except _Undone:
        pass


def test_usual_events_are_plain(live):
    """As the producer writes them: else each would take the slow way."""
    text = ('{"sale_id":"live-42-7","concert_id":"C000001","purchased_at":'
            '"2026-03-31T12:00:00.001Z","quantity":12,"unit_price":7.50,"total_amount":90.00,'
            '"ticket_tier":"balcony","sales_channel":"box_office",'
            '"sent_at":"2026-03-30T12:00:00.001Z"}')  # fmt: skip
    live.put(text.encode())
    live.sales.refresh()
    live.sales._prepare()
    with live.client.transaction():
        live.sales._find_shards()
        live.sales._step(is_rebuilt=False)
        assert live.rows("SELECT is_plain FROM streamed_taken") == [(True,)]


def test_what_is_set_up_already_needs_no_right_to_create_schemas(live, monkeypatch):
    sent, execute = [], live.client.execute
    monkeypatch.setattr(live.client, "execute", lambda s, *a: sent.append(s) or execute(s, *a))
    live.sales.set_up("sales", "")
    assert sent and not [s for s in sent if "SCHEMA" in s]
