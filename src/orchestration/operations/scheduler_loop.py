"""Runs the cycle when it is due, as long as the program runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from src.orchestration.operations.cycle import CycleResult
from src.orchestration.operations.schedule_store import ScheduleStore, StoredSchedule
from src.reporting.terminal.console import Console
from src.services.operations.schedule_expression import Schedule
from src.waiting import Sleep, real_sleep

LONGEST_PAUSE_S = 30.0  # so that a clock that was changed, or a sleep of the machine, is seen
_COUNTED = 1_000
RunCycle = Callable[[datetime], CycleResult | None]


class SchedulerLoop:
    """Waits for the due times of a stored schedule, and runs a cycle at each.

    `run_cycle` returns None where another cycle is running: that due time is skipped. After a
    downtime there is one cycle for all due times that were missed.
    """

    def __init__(
        self,
        store: ScheduleStore,
        run_cycle: RunCycle,
        console: Console,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Sleep = real_sleep,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store, self._run_cycle, self._console = store, run_cycle, console
        self._now, self._sleep, self._is_stopping = now, sleep, is_stopping

    def run(self, stored: StoredSchedule) -> None:
        """Run cycles until the schedule is over, or the program is to stop."""
        schedule = stored.schedule
        while not self._is_stopping():
            seen = stored.last_due or stored.start.replace(microsecond=0)
            due = schedule.after(seen) if stored.last_due else _first(schedule, seen)
            if due is None:
                self._console.line("the schedule is over: it is not due again")
                return
            self._console.line(f"next cycle: {in_words(due, schedule)}")
            if not self._wait_until(due):
                return
            due = self._newest_due(schedule, due)
            result = self._run_cycle(due)
            if result is None:
                self._console.line(f"skipped {in_words(due, schedule)}: another cycle is running")
            if result is None or result.outcome != "interrupted":
                stored = stored.dealt_with(due, result)
                self._store.write(stored)

    def _wait_until(self, due: datetime) -> bool:
        while (left := (due - self._now()).total_seconds()) > 0:
            if self._is_stopping():
                return False
            self._sleep(min(left, LONGEST_PAUSE_S))
        return not self._is_stopping()

    def _newest_due(self, schedule: Schedule, due: datetime) -> datetime:
        """Return the newest due time that has passed; those before it are caught up with it."""
        now = self._now()
        late = islice(takewhile(lambda time: time <= now, schedule.times(due)), _COUNTED)
        times = [due, *late]
        if len(times) == 1:
            return due
        more = " or more" if len(times) > _COUNTED else ""
        self._console.line(f"{len(times)}{more} due times have passed: one cycle for all of them")
        return now if more else times[-1]


def _first(schedule: Schedule, start: datetime) -> datetime | None:
    """Return the first due time: of a rate it is the start itself, as on AWS."""
    return schedule.after(start - timedelta(seconds=1))


def in_words(due: datetime, schedule: Schedule) -> str:
    """Return a due time in UTC and on the clock of its zone; DST marks summer time."""
    local = due.astimezone(schedule.zone)
    dst = " DST" if local.dst() else ""
    return f"{due:%Y-%m-%d %H:%M:%S} UTC, {local:%Y-%m-%d %H:%M:%S} {schedule.zone}{dst}"
