"""A hundred days by a clock of its own: each due time once, whatever happens in between."""

from datetime import UTC, datetime, timedelta

import pytest

from src.errors import CannotRunError
from src.orchestration.operations.cycle import CycleResult, StepResult
from src.orchestration.operations.schedule_store import ScheduleStore, StoredSchedule
from src.orchestration.operations.scheduler_loop import SchedulerLoop
from src.reporting.terminal.console import Console

START = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process ends at this place, without any last word."""


class Days:
    """A clock that moves when the loop sleeps, and a cycle of a minute."""

    def __init__(self, folder, end):
        self.store = ScheduleStore(folder)
        self.now, self.end = START, end
        self.ran, self.outcomes, self.kill_at, self.pauses = [], {}, None, []
        self.lines = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)

    def cycle(self, due):
        self.ran.append(due)
        self.now += timedelta(minutes=1)
        outcome = self.outcomes.get(len(self.ran), "done")
        if outcome == "killed":
            raise Killed
        if outcome is None:
            return None
        code = 1 if outcome == "failed" else 0
        return CycleResult(due, outcome, steps=[StepResult("Pipeline", code, 1.0)])

    def run(self, expression="cron(0 6 * * ? *)", timezone="Europe/Berlin"):
        stored = self.store.read() or StoredSchedule(expression, timezone, START)
        self.store.write(stored)
        console = Console(quiet=True)
        console.line = self.lines.append
        loop = SchedulerLoop(
            self.store, self.cycle, console, now=lambda: self.now, sleep=self.sleep,
            is_stopping=lambda: self.now >= self.end,
        )  # fmt: skip
        loop.run(stored)


def mornings(first, count):
    """Six o'clock in Berlin on so many days from one on."""
    days = [datetime(2026, 1, 1) + timedelta(days=first + n) for n in range(count)]
    berlin = StoredSchedule("rate(1 day)", "Europe/Berlin", START).schedule.zone
    return [day.replace(hour=6, tzinfo=berlin).astimezone(UTC) for day in days]


def test_a_hundred_days_have_a_hundred_cycles_also_over_the_change_of_clocks(tmp_path):
    days = Days(tmp_path, START + timedelta(days=100))
    days.outcomes = dict.fromkeys(range(5, 100, 7), "failed")  # a failed cycle ends nothing
    days.run()
    assert days.ran == mornings(0, 100)
    assert len({due.hour for due in days.ran}) == 2  # 5:00 and 4:00 UTC
    results = days.store.read().results
    assert len(results) == 20 and {r["outcome"] for r in results} == {"done", "failed"}
    assert max(days.pauses) <= 30


def test_after_a_downtime_one_cycle_catches_up(tmp_path):
    days = Days(tmp_path, START + timedelta(days=3))
    days.run()
    days.now += timedelta(days=10)
    days.end = days.now + timedelta(days=2)
    days.run()
    assert days.ran == [*mornings(0, 3), mornings(12, 1)[0], *mornings(13, 2)]
    assert any("due times have passed: one cycle for all" in line for line in days.lines)


def test_a_clock_that_is_set_back_fires_nothing_twice(tmp_path):
    days = Days(tmp_path, START + timedelta(days=5))
    days.run()
    days.now -= timedelta(days=3)
    days.run()
    assert days.ran == mornings(0, 5)


@pytest.mark.parametrize("nth", [1, 2, 4])
def test_a_killed_cycle_is_caught_up(tmp_path, nth):
    days = Days(tmp_path, START + timedelta(days=5))
    days.outcomes[nth] = "killed"
    with pytest.raises(Killed):
        days.run()
    days.run()
    expected = mornings(0, 5)
    assert days.ran == [*expected[:nth], *expected[nth - 1 :]]


def test_an_interrupted_cycle_is_due_again(tmp_path):
    days = Days(tmp_path, START + timedelta(days=3))
    days.outcomes[2] = "interrupted"
    days.run()
    assert days.ran.count(mornings(1, 1)[0]) == 2


def test_a_cycle_beside_another_is_skipped_and_said(tmp_path):
    days = Days(tmp_path, START + timedelta(days=3))
    days.outcomes[2] = None
    days.run()
    assert days.ran == mornings(0, 3)
    assert any("skipped" in line and "another cycle" in line for line in days.lines)
    assert [r["outcome"] for r in days.store.read().results] == ["done", "skipped", "done"]


def test_a_rate_begins_at_once_and_a_schedule_that_is_over_ends(tmp_path):
    days = Days(tmp_path, START + timedelta(hours=5))
    days.run("rate(2 hours)", "UTC")
    assert days.ran == [START + timedelta(hours=n) for n in (0, 2, 4)]
    once = Days(tmp_path / "once", START + timedelta(days=5))
    once.run("at(2026-01-02T03:00:00)", "UTC")
    assert once.ran == [datetime(2026, 1, 2, 3, tzinfo=UTC)]
    assert once.lines[-1].startswith("the schedule is over")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"expression": "rate(1 day)"}', "null"])
def test_a_schedule_that_cannot_be_read_is_an_error_with_a_hint(tmp_path, text):
    store = ScheduleStore(tmp_path)
    store.path.write_text(text)
    with pytest.raises(CannotRunError) as caught:
        store.read()
    assert "remove" in caught.value.hint
