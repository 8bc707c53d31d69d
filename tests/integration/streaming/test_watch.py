"""What is shown of the live sales: the warehouse's figures, in lines, a table and a browser."""

import json
import shutil
import threading
import urllib.request
from contextlib import contextmanager

import pytest
from rich.console import Console

from src.errors import UnreachableError, WarehouseError
from src.streaming.live_view import Figures, LiveView, Show
from src.streaming.watch import lines_of, table_of
from src.streaming.watch_page import serve
from src.waiting import every, poll_until
from tests.integration.streaming.conftest import sale

HOSTILE = "</script><img src=x onerror=alert(1)>"
SHARD = {"name": "shard 0", "records": 5, "rate": 990.0, "is_full": True}
FIGURES = Figures(
    at="2026-11-27T03:20:20Z", records=113, sales=100, rejected=5, duplicates=8, late=1, waiting=2,
    rate=1_234.0, delay_p50_ms=560, delay_p99_ms=9_999_000, shards=[SHARD],
    shows=[Show("7", HOSTILE, 30, 4_000, 5_000, 0.5, 5_000),
           Show("8", "b", 1, 2, None, None, None)],
    sold_out=3, newly_sold_out=["The Reds"], rejects={"sold_in_future": 5},
)  # fmt: skip


def test_a_look_counts_what_the_warehouse_has(live):
    view = LiveView(live.client, clock=iter(range(100)).__next__)
    assert "no event has come yet" in view.look().note
    live.client.execute("UPDATE concert_dw.concerts SET on_sale_at = '2026-02-01', "
                        "status = 'on_sale'")  # fmt: skip
    live.put(sale(1), sale(2, concert_id="c1", quantity=10, total_amount=125.0), sale(1),
             sale(3, quantity=0), b"{")  # fmt: skip
    live.ingest()
    first = view.look()
    assert (first.records, first.sales, first.rejected, first.duplicates) == (5, 2, 2, 1)
    assert first.balance.startswith("5 read from the stream = 2 in the warehouse + 2 rejected")
    assert first.rejects == {"out_of_range:quantity": 1, "unreadable:record": 1}
    assert [show.concert_id for show in first.shows] == ["c1", "c2"]
    full = first.shows[0]
    assert (full.sold, full.capacity, full.tickets) == (10, 10, 10)
    assert [shard["records"] for shard in first.shards] == [5]
    live.put(*(sale(n) for n in range(10, 16)))
    live.sales.refresh()
    waiting = view.look()
    assert (waiting.waiting, waiting.records) == (6, 5)
    assert waiting.balance.startswith("11 read from the stream")
    live.ingest()
    second = view.look()
    assert second.rate == second.shards[0]["rate"] == pytest.approx(3.0)  # 6 in two seconds
    assert second.waiting == 0 and second.sold_out == 1


def test_the_booking_curve_is_that_of_earlier_shows(live):
    client = live.client
    client.execute("UPDATE concert_dw.concerts SET on_sale_at = '2025-01-01', status = 'completed',"
                   " starts_at = '2026-01-01' WHERE concert_id = 'over'")  # fmt: skip
    for number, (day, tickets) in enumerate((("2025-01-02", 30), ("2025-12-31", 70))):
        client.execute(
            "INSERT INTO concert_dw.ticket_sales (sale_id, concert_id, purchased_at, quantity, "
            f"unit_price) VALUES ('b{number}', 'over', '{day}', {tickets}, 1)"
        )
    view = LiveView(client)
    shares = [round(view._usual_share(share), 3) for share in (0, 0.025, 0.05, 0.5, 0.95, 0.975, 1)]
    assert shares == [0, 0.15, 0.3, 0.3, 0.3, 0.65, 1]


def test_a_warehouse_that_is_gone_leaves_the_last_figures():
    class Gone:
        def table_names(self, schema):
            raise WarehouseError("the warehouse does not answer")

    view = LiveView(Gone())
    view._last = Figures(at="then", sales=7)
    look = view.look()
    assert look.sales == 7 and "does not answer; figures of then" in look.note


def test_lines_and_table_say_the_same():
    screen = Console(width=140)
    with screen.capture() as held:
        screen.print(table_of(FIGURES))
    table, lines = held.get(), "\n".join(lines_of(FIGURES))
    for text in (table, lines):
        for part in (FIGURES.balance, "1,234", "560 ms", "4,000 of 5,000 (80%)"):
            assert part in text
    assert "full: refused events are sent again" in table and "The Reds is sold out" in table
    assert lines_of(Figures(note="nothing yet")) == ["nothing yet"]


class View:
    """Figures that grow with each look."""

    def __init__(self):
        self.looks = 0

    def look(self):
        self.looks += 1
        return Figures(**{**vars(FIGURES), "sales": 100 * self.looks})


@contextmanager
def page_of(view):
    stop, urls = threading.Event(), []
    serving = threading.Thread(target=serve,
                               args=(view, 0, 0.25, float("inf"), stop, urls.append))  # fmt: skip
    serving.start()
    try:
        poll_until(lambda: urls or None, pauses_s=every(0.02), timeout_s=20)
        yield urls[0].split()[0]
    finally:
        stop.set()
        serving.join(20)
    assert not serving.is_alive()


def test_the_page_sends_each_look_to_its_own_machine_only():
    with page_of(View()) as url:
        with urllib.request.urlopen(url + "events", timeout=20) as events:
            looks = [json.loads(line[6:]) for line in (events.readline() for _ in range(6))
                     if line.startswith(b"data: ")]  # fmt: skip
        assert looks[-1]["sales"] > looks[0]["sales"] >= 0
        elsewhere = urllib.request.Request(url, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(elsewhere, timeout=20)
        with pytest.raises(UnreachableError, match="cannot be used"):
            serve(View(), int(url.split(":")[2].strip("/")), 1, 0, threading.Event(), print)


@pytest.mark.parametrize("pause", [1, 2, 5, 60])
def test_a_rate_needs_two_looks_however_rare(pause):
    view = LiveView(None, clock=iter(range(0, 1_000, pause)).__next__)
    assert view._rates({"": 0}) == {"": 0.0}
    for look in range(1, 5):
        assert view._rates({"": 7 * pause * look}) == {"": 7.0}


@pytest.mark.parametrize(("scheme", "wide"), [("light", 390), ("dark", 1_366)])
def test_a_browser_shows_the_figures_as_they_come(scheme, wide):
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with page_of(View()) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": wide, "height": 800})
        problems = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append("a dialog"))
        page.goto(url)
        page.wait_for_selector("#shards tr")
        sales = "document.querySelectorAll('#numbers strong')[1].textContent"
        before = page.evaluate(sales)
        changed = poll_until(lambda: page.evaluate(sales), lambda text: text != before,
                             pauses_s=every(0.1), timeout_s=20)  # fmt: skip
        assert changed != before
        assert HOSTILE in page.inner_text("#shows")
        assert "4,000 of 5,000" in page.inner_text("#shows")
        assert "990/s" in page.inner_text("#shards") and "full" in page.inner_text("#shards")
        assert "sold_in_future" in page.inner_text("#rejects")
        assert page.evaluate("[...document.querySelectorAll('#numbers div, table, .panel')]"
                             ".every(e => e.scrollWidth <= e.clientWidth)")  # fmt: skip
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]
        paint = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paint == "rgb(17, 22, 28)") == (scheme == "dark")
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paint
        browser.close()
        assert not problems
