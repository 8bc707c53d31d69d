"""Run the daily cycle when it is due: here in the foreground, on aws by EventBridge Scheduler.

Ctrl-C ends it after the running step.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from src.commands import as_started
from src.errors import CannotRunError, UsageError
from src.orchestration.command_line import settings_from
from src.orchestration.environment import folder_lock
from src.orchestration.operations.alerts import Alerts
from src.orchestration.operations.cycle_runner import CycleRunner, holder_of
from src.orchestration.operations.schedule_store import ScheduleStore, StoredSchedule
from src.orchestration.operations.scheduler_loop import SchedulerLoop
from src.reporting.terminal.console import Console
from src.services.operations.schedule_expression import read_schedule
from src.settings import Settings

LOCK = "schedule.lock"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_expression(parser, required=True)
    add_common(parser)


def add_expression(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add an expression and its time zone."""
    parser.add_argument(
        "expression",
        metavar="EXPRESSION",
        nargs=None if required else "?",
        help="cron(0 6 * * ? *), rate(1 day) or at(2026-12-01T06:00:00), as on AWS",
    )
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        default=None if not required else "UTC",
        help="zone of the expression, for example Europe/Berlin (default: UTC)",
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add where a cycle runs and where its reports go."""
    from src.orchestration.command_line import add_setting

    add_setting(parser, "target")
    add_setting(parser, "report_dir", metavar="DIR")


def run(arguments: argparse.Namespace) -> int:
    """Run the cycle when it is due, here or on AWS; returns the exit code."""
    settings, console = settings_from(arguments, may_lack=True), Console()
    now = datetime.now(UTC)
    new = StoredSchedule(arguments.expression, arguments.timezone, now)
    if read_schedule(new.expression, new.timezone, now).after(now) is None:
        raise UsageError(
            f"{new.expression!r} is never due again", hint='"cron(0 6 * * ? *)" is due every day'
        )
    if settings.target == "aws":
        return _keep_on_aws(arguments, console)
    return _run_here(settings, console, new)


def _keep_on_aws(arguments: argparse.Namespace, console: Console) -> int:
    """Make the schedule in the account, or bring it up to date."""
    from src.orchestration.operations.aws_schedule import put_schedule

    settings = settings_from(arguments)  # nothing may be missing for the steps
    for name in put_schedule(settings, arguments.expression, arguments.timezone):
        console.line(f"in place  {name}")
    listed = as_started("python -m src.operations list --target aws")
    console.line(f"next:  {listed}")
    return 0


def _run_here(settings: Settings, console: Console, new: StoredSchedule) -> int:
    """Stay in the foreground and run the cycle when it is due, until Ctrl-C."""
    folder = Path(settings.state_dir).absolute()
    lock = folder_lock(folder, LOCK)
    if not lock.take():
        raise CannotRunError(
            "a schedule is running already",
            where=holder_of(settings.state_dir, LOCK),
            hint="end it with Ctrl-C there, or python -m src.operations list",
        )
    try:
        store = ScheduleStore(folder)
        stored = store.read()
        if stored is None or (stored.expression, stored.timezone) != (new.expression, new.timezone):
            stored = new
            store.write(stored)
        runner = CycleRunner(settings, console, alert=Alerts(settings, console).of_cycle)
        with runner.stopping_after_the_step():
            SchedulerLoop(store, runner.run, console, is_stopping=lambda: runner.is_stopping).run(
                stored
            )
        return 130 if runner.is_stopping else 0
    finally:
        lock.release()
