"""Remove the schedule; what its cycles made stays."""

from __future__ import annotations

import argparse

from src.errors import CannotRunError
from src.operations.listing import stored_schedule
from src.operations.schedule import LOCK
from src.orchestration.command_line import add_setting, settings_from
from src.orchestration.environment import folder_lock
from src.orchestration.operations.cycle_runner import holder_of
from src.orchestration.operations.schedule_store import ScheduleStore
from src.reporting.terminal.console import Console
from src.settings import Settings, state_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_setting(parser, "target")


def run(arguments: argparse.Namespace) -> int:
    """Remove the schedule; returns the exit code."""
    settings = settings_from(arguments, may_lack=True)
    if settings.target == "aws":
        return _remove_on_aws(settings)
    folder = state_folder()
    lock = folder_lock(folder, LOCK)
    if not lock.take():
        raise CannotRunError(
            "the schedule is running",
            where=holder_of(str(folder), LOCK),
            hint="end it with Ctrl-C there, then run the same command again",
        )
    try:
        store = ScheduleStore(folder)
        what = _in_words(settings) if store.path.exists() else stored_schedule(settings)
        store.remove()
        Console().line(f"removed  {what}")
    finally:
        lock.release()
    return 0


def _in_words(settings: Settings) -> str:
    """Return the stored schedule in words; one that cannot be read can still be removed."""
    try:
        stored = stored_schedule(settings)
    except CannotRunError:
        return "a schedule that cannot be read"
    return f"{stored.expression}  {stored.timezone}"


def _remove_on_aws(settings: Settings) -> int:
    from src.infrastructure.aws.account import AwsAccount
    from src.infrastructure.aws.cycle_schedule import CycleSchedule

    account = AwsAccount(settings.aws_region, retry_mode=settings.retry_mode)
    parts = list(CycleSchedule(account).parts())
    if not parts:
        raise CannotRunError(
            "there is no schedule",
            where=f"AWS, region {account.region}",
            hint="python -m src.operations schedule EXPRESSION --target aws",
        )
    for part in parts:
        part.remove()
        Console().line(f"removed  {part.name}")
    return 0
