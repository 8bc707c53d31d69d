"""Print the stored schedule, when it is due next, and its newest cycles."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from src.errors import CannotRunError
from src.orchestration.command_line import print_answer
from src.orchestration.operations.schedule_store import ScheduleStore, StoredSchedule
from src.orchestration.operations.scheduler_loop import in_words
from src.settings import state_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no option."""


def run(arguments: argparse.Namespace) -> int:
    """Print the schedule on stdout; returns the exit code."""
    stored = stored_schedule()
    schedule = stored.schedule
    due = schedule.after(max(datetime.now(UTC), stored.last_due or stored.start))
    lines = [f"{stored.expression}  {stored.timezone}"]
    lines.append(f"  next  {in_words(due, schedule) if due else 'never again'}")
    for result in stored.results:
        why = f": {result['why']}" if result.get("why") else ""
        lines.append(f"  {result['due'][:19]}  {result['outcome']}{why}")
    print_answer("\n".join(lines))
    return 0


def stored_schedule() -> StoredSchedule:
    """Return the schedule of the state folder; raises CannotRunError where there is none."""
    store = ScheduleStore(state_folder())
    stored = store.read()
    if stored is None:
        raise CannotRunError(
            "there is no schedule",
            where=str(store.path),
            hint="python -m src.operations schedule EXPRESSION",
        )
    return stored
