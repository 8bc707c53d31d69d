"""Run the daily cycle now; the exit code is that of the step that ended it."""

from __future__ import annotations

import argparse

from src.errors import CannotRunError, UsageError
from src.operations.schedule import add_common
from src.orchestration.command_line import print_answer, settings_from
from src.orchestration.operations.alerts import Alerts
from src.orchestration.operations.cycle_runner import CycleRunner, holder_of
from src.reporting.terminal.console import Console


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_common(parser)
    parser.add_argument(
        "--days", type=int, default=1, metavar="N", help="cycles, each a day later (default: 1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run one cycle, or some, until one fails; prints each outcome on stdout."""
    if not 0 < arguments.days <= 366:
        raise UsageError(f"--days is {arguments.days}; it must be 1 to 366", hint="--days 7")
    settings, console = settings_from(arguments, may_lack=True), Console()
    runner = CycleRunner(settings, console, alert=Alerts(settings, console).of_cycle)
    with runner.stopping_after_the_step():
        for _ in range(arguments.days):
            result = runner.run()
            if result is None:
                raise CannotRunError(
                    "another cycle is running",
                    where=holder_of(settings.state_dir, "cycle.lock"),
                    hint="wait for its end, then run the same command again",
                )
            print_answer(f"{result.outcome}{': ' + result.why if result.why else ''}")
            if result.exit_code:
                return result.exit_code
    return 0
