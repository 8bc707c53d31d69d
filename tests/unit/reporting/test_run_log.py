"""The log of runs loses no run, and the index page over it leads only to what is there."""

import json
import re
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import CannotRunError
from src.reporting.page.index_page import _alarms, record_run, render_index
from src.reporting.run_log import LOG, append_run, known_runs

HOSTILE = "\"'><script>alert(1)</script>\x1b[31m\n\u202e" + "🎸" * 5000


def report(number, *, kind="pipeline", verdict="succeeded", status="success", message=None):
    return {
        "report": kind,
        "run_id": f"20260101T{number // 3600:02}{number // 60 % 60:02}{number % 60:02}Z-00ff",
        "verdict": verdict,
        "exit_code": 0,
        f"{kind}_start": "2026-01-01T00:00:00+00:00",
        "duration_seconds": 1.5,
        "target": "local",
        "environment": {"version": "1"},
        "error": message and {"message": message},
        "steps": {"redshift_load": {"status": status, "rows": 98, "rejected_rows": 2}},
        "models": {"venue_popularity": {"test_metrics": {"r2": 0.9, "mae": 5.0}}},
        "tally": {"passed": 3, "failed": 0, "skipped": 1},
    }


def with_folder(reports, facts, name="index.html"):
    folder = reports / facts["run_id"]
    folder.mkdir()
    (folder / f"{facts['report']}_report.json").write_text(json.dumps(facts))
    (folder / name).write_text("x")
    return facts


@settings(max_examples=40)
@given(data=st.data())
def test_a_log_cut_anywhere_loses_at_most_the_line_that_was_cut(tmp_path_factory, data):
    reports = tmp_path_factory.mktemp("r")
    for number in range(4):
        append_run(reports, report(number))
    whole = (reports / LOG).read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    (reports / LOG).write_bytes(whole[:cut])
    append_run(reports, report(9))
    kept = {run["run_id"] for run in known_runs(reports)}
    complete = [json.loads(line)["run_id"] for line in whole[:cut].split(b"\n")[:-1]]
    assert {*complete, report(9)["run_id"]} <= kept
    assert len(kept) <= len(complete) + 2


def _append_many(reports, numbers):
    for number in numbers:
        append_run(reports, report(number))


def test_runs_that_end_together_all_have_their_line(tmp_path):
    with ProcessPoolExecutor(2) as both:
        list(both.map(partial(_append_many, tmp_path), (range(40), range(40, 80))))
    assert len({run["run_id"] for run in known_runs(tmp_path)}) == 80


@pytest.mark.parametrize("kind", ["pipeline", "training", "validation"])
def test_a_lost_log_is_read_from_the_reports(tmp_path, kind):
    for number in range(3):
        record_run(tmp_path, with_folder(tmp_path, report(number, kind=kind)))
    before = known_runs(tmp_path)
    (tmp_path / LOG).unlink()
    assert known_runs(tmp_path) == before
    record_run(tmp_path, with_folder(tmp_path, report(3, kind=kind)))
    assert known_runs(tmp_path)[1:] == before
    assert len((tmp_path / LOG).read_text().splitlines()) == 4  # it is whole again


@pytest.mark.parametrize("line", ["7", "{}", '{"run_id": 7}', "\xff", "", '{"run_id": "x"}',
                                  '{"run_id": "20260101T000000Z-00ff"}'])  # fmt: skip
def test_a_line_that_is_none_is_passed_over(tmp_path, line):
    (tmp_path / LOG).write_text(line + "\n", encoding="latin-1")
    record_run(tmp_path, with_folder(tmp_path, report(1)))
    assert [run["run_id"] for run in known_runs(tmp_path)] == [report(1)["run_id"]]


def test_a_killed_run_is_listed_and_a_deleted_one_has_no_link(tmp_path):
    killed = tmp_path / report(5)["run_id"]
    killed.mkdir()
    (killed / "run.log").touch()
    append_run(tmp_path, report(1))
    runs = known_runs(tmp_path)
    assert [(run["verdict"], run["page"]) for run in runs] == [
        ("unfinished", f"{killed.name}/run.log"),
        ("succeeded", ""),
    ]
    assert "its folder was deleted" in render_index(runs)


def test_every_link_of_the_index_leads_to_a_file(tmp_path):
    for number, kind in enumerate(["pipeline", "training", "validation", "pipeline"] * 3):
        record_run(tmp_path, with_folder(tmp_path, report(number, kind=kind)))
    links = re.findall(r'href="([^"]+)"', (tmp_path / "index.html").read_text())
    pages = [link for link in links if link != "data:,"]
    assert len(set(pages)) == 12
    assert all((tmp_path / page).is_file() for page in pages)


def test_latest_is_the_newest_run_that_did_something(tmp_path):
    record_run(tmp_path, with_folder(tmp_path, report(1)))
    record_run(tmp_path, with_folder(tmp_path, report(2, verdict="failed")))
    record_run(tmp_path, with_folder(tmp_path, report(3, verdict="failed", status="failed")))
    assert (tmp_path / "latest").resolve().name == report(2)["run_id"]
    assert "Newest run: pipeline failed" in (tmp_path / "index.html").read_text()


def test_a_folder_of_the_users_called_latest_stays(tmp_path):
    (tmp_path / "latest").mkdir()
    record_run(tmp_path, with_folder(tmp_path, report(1)))
    assert (tmp_path / "latest").is_dir() and not (tmp_path / "latest").is_symlink()


def test_a_line_is_short_and_what_it_holds_is_escaped(tmp_path):
    append_run(tmp_path, report(1, verdict="failed", message=HOSTILE))
    (line,) = (tmp_path / LOG).read_text().splitlines()
    assert len(line.encode()) <= 2000 and "\x1b" not in line
    page = render_index(known_runs(tmp_path))
    assert "<script" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize("count", [0, 1, 3, 250])
def test_the_index_shows_any_number_of_runs(tmp_path, count):
    for number in range(count):
        append_run(tmp_path, report(number))
    page = render_index(known_runs(tmp_path))
    assert page.count("<tr>") == 1 + min(count, 200) if count else "No run yet" in page
    assert len(page) < 500_000


def test_a_log_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / LOG).mkdir()
    with pytest.raises(CannotRunError, match="log of runs") as found:
        append_run(tmp_path, report(1))
    assert found.value.where == str(tmp_path / LOG)


def test_the_index_shows_the_alarms_that_ring_first(tmp_path):
    since = "2026-01-01T06:00:00"
    states = {"a": {"state": "OK", "since": since, "why": "fine"},
              "b": {"state": "ALARM", "since": since, "why": "<no space>"}}  # fmt: skip
    (tmp_path / "alarms.json").write_text(json.dumps(states))
    page = render_index([], _alarms(tmp_path))
    assert "Alarms now: 1 of 2" in page and page.index("ALARM") < page.index(">a<")
    assert "&lt;no space&gt;" in page and "<no space>" not in page
    for text in ("", "[]", '{"a": 1}'):
        (tmp_path / "alarms.json").write_text(text)
        assert _alarms(tmp_path) == []
