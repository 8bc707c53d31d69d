"""Print when a schedule is due next: of an expression, or of the stored schedule."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from itertools import islice

from src.errors import UsageError
from src.operations.listing import stored_schedule
from src.operations.schedule import add_expression
from src.orchestration.command_line import add_setting, print_answer, settings_from
from src.orchestration.operations.scheduler_loop import in_words
from src.services.operations.schedule_expression import read_schedule


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_expression(parser, required=False)
    add_setting(parser, "target")
    parser.add_argument("--count", type=int, default=5, metavar="N", help="times (default: 5)")


def run(arguments: argparse.Namespace) -> int:
    """Print the next due times on stdout; returns the exit code."""
    if not 0 < arguments.count <= 1_000:
        raise UsageError(f"--count is {arguments.count}; it must be 1 to 1000", hint="--count 5")
    now = datetime.now(UTC)
    if arguments.expression is None:
        stored = stored_schedule(settings_from(arguments, may_lack=True))
        schedule, since = stored.schedule, max(now, stored.last_due or now)
    else:
        schedule = read_schedule(arguments.expression, arguments.timezone or "UTC", now)
        since = now
    times = list(islice(schedule.times(since), arguments.count))
    if not times:
        raise UsageError(f"{schedule.expression!r} is never due again", hint="rate(1 day)")
    print_answer("\n".join(in_words(due, schedule) for due in times))
    return 0
