"""Remove the stored schedule; what its cycles made stays."""

from __future__ import annotations

import argparse

from src.errors import CannotRunError
from src.operations.listing import stored_schedule
from src.operations.schedule import LOCK
from src.orchestration.environment import folder_lock
from src.orchestration.operations.cycle_runner import holder_of
from src.orchestration.operations.schedule_store import ScheduleStore
from src.reporting.terminal.console import Console
from src.settings import state_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no option."""


def run(arguments: argparse.Namespace) -> int:
    """Remove the schedule; returns the exit code."""
    folder = state_folder()
    lock = folder_lock(folder, LOCK)
    if not lock.take():
        raise CannotRunError(
            "the schedule is running",
            where=holder_of(str(folder), LOCK),
            hint="end it with Ctrl-C there, then run the same command again",
        )
    try:
        stored = stored_schedule()
        ScheduleStore(folder).remove()
        Console().line(f"removed  {stored.expression}  {stored.timezone}")
    finally:
        lock.release()
    return 0
