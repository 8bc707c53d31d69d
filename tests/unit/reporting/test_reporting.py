"""Reports are strict JSON, whole or absent; the console is for people."""

import contextlib
import dataclasses
import io
import json
import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import CannotRunError, DemoError, LoadError
from src.reporting.run_report import new_run_id, to_json, write_atomically
from src.reporting.terminal.console import Console, log_formatter
from src.reporting.wording import human_bytes, plural, printable


@dataclasses.dataclass
class Thing:
    n: int


def test_numbers_stay_numbers_and_nan_becomes_null():
    value = {
        "a": np.int64(5), "b": np.float64(0.5), "c": float("nan"), "d": Decimal("1.5"),
        "e": datetime(2025, 1, 1, tzinfo=UTC), "f": Thing(1), "g": (1, 2), "h": np.bool_(True),
    }  # fmt: skip
    assert json.loads(to_json(value)) == {
        "a": 5, "b": 0.5, "c": None, "d": 1.5, "e": "2025-01-01T00:00:00+00:00",
        "f": {"n": 1}, "g": [1, 2], "h": True,
    }  # fmt: skip


def test_what_has_no_json_form_is_refused():
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json({"a": object()})


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(CannotRunError, match="cannot be written"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_run_ids_sort_by_time_and_differ(tmp_path):
    now = datetime(2026, 11, 23, 0, 50, 47, tzinfo=UTC)
    assert re.fullmatch(r"20261123T005047Z-[0-9a-f]{4}", new_run_id(now, tmp_path / "none"))


@pytest.mark.parametrize("jump", [timedelta(0), timedelta(hours=-1), timedelta(days=-900)])
def test_a_run_after_the_clock_was_set_back_sorts_behind_the_others(tmp_path, jump):
    now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    (tmp_path / "zzz").mkdir()
    (tmp_path / "20991231T235959Z").mkdir()
    ids = []
    for moment in (now, now + jump, now + jump, now + jump + timedelta(seconds=1)):
        ids.append(new_run_id(moment, tmp_path))
        (tmp_path / ids[-1]).mkdir()
    assert ids == sorted(ids) and len({run_id[:16] for run_id in ids}) == 4
    later = new_run_id(now + timedelta(days=1), tmp_path)
    assert later.startswith("20261201T235959Z-")


def test_the_error_block_says_what_where_why_and_what_to_type():
    stream = io.StringIO()
    Console(stream=stream, quiet=True).error(
        LoadError("it broke", where="here", cause="because", hint="python x.py")
    )
    assert stream.getvalue() == (
        "error: it broke\n  where: here\n  cause: because\n  try:   python x.py\n"
    )


def test_quiet_prints_nothing_but_errors():
    stream = io.StringIO()
    console = Console(stream=stream, quiet=True)
    console.line("hello")
    with console.stage(1, 2, "a stage") as progress:
        progress.done("success", "fine")
    assert stream.getvalue() == ""


def test_off_a_terminal_a_stage_is_one_plain_line():
    stream = io.StringIO()
    with Console(stream=stream).stage(1, 2, "a stage") as progress:
        progress.advance(5, 10)
        progress.done("success", "10 rows")
    assert re.fullmatch(r"  1/2  a stage {12}ok {7}10 rows +\d\.\ds\n", stream.getvalue())
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_the_bar_shows_share_rate_and_time_left():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    ticks = iter([0.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    console = Console(stream=stream, clock=lambda: next(ticks, 2.0))
    with console.stage(1, 2, "a stage") as progress:
        progress.advance(500, 1000)
        assert "50%" in progress._state(2.0) and "250 rows/s" in progress._state(2.0)
        assert "2s left" in progress._state(2.0)
        progress.done("success", "1,000 rows")
    assert "\x1b[32mok" in stream.getvalue()


def test_a_closed_reader_does_not_end_the_run():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    console = Console(stream=Closed())
    console.line("one")
    console.line("two")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (2_100_000, "2.1 MB"), (7e13, "70,000.0 GB")]
)
def test_sizes_for_people(size, text):
    assert human_bytes(size) == text


def test_plurals():
    assert plural(1, "file") == "1 file" and plural(1200, "file") == "1,200 files"


# -- what a terminal gets ----------------------------------------------------------------------

MOVES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ud800-\udfff]")
HOSTILE = (
    st.text(st.sampled_from("a\u00e9 \x1b\x9b\x07\r\n\x00\u202e\u200b\udcff[31m]8;;")) | st.text()
)


@settings(deadline=None, max_examples=150)
@given(text=HOSTILE)
def test_no_text_moves_a_terminals_cursor(text):
    stream = io.StringIO()
    console = Console(stream=stream)
    console.line(text)
    lines = stream.getvalue().count("\n")
    console.error(DemoError(text, where=text or "-", cause=text or "-", hint=text or "-"))
    assert stream.getvalue().count("\n") == lines + 4  # an error's parts keep to their lines
    with console.stage(1, 1, "stage") as progress:
        progress.done("failed", text)
    record = logging.LogRecord("a", logging.INFO, "f", 1, "%s", (text,), None)
    shown = stream.getvalue() + log_formatter("%(message)s").format(record) + to_json({text: text})
    assert not MOVES.search(shown)
    assert json.loads(to_json({text: text})) == {text: text}
    shown.encode()


def test_ordinary_text_of_any_language_stays():
    text = "Beyonc\u00e9 \u2014 \u65e5\u672c\u8a9e \u05e9\u05dc\u05d5\u05dd \U0001f3b5\u00a0x"
    assert printable(text) == text


def test_a_stream_that_is_closed_or_full_ends_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    Console().line("x")
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        console = Console(stream=full)
        console.line("x")
        console.error(DemoError("x"))
