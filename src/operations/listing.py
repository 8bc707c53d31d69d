"""Print the schedule, when it is due next, and its newest cycles."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from src.errors import CannotRunError
from src.json_object import JsonObject, JsonView
from src.operations.schedule import LOCK
from src.orchestration.command_line import add_setting, print_answer, settings_from
from src.orchestration.environment import folder_lock
from src.orchestration.operations.cycle_runner import holder_of
from src.orchestration.operations.schedule_store import ScheduleStore, StoredSchedule
from src.orchestration.operations.scheduler_loop import in_words
from src.settings import Settings, state_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_setting(parser, "target")


def run(arguments: argparse.Namespace) -> int:
    """Print the schedule on stdout; returns the exit code."""
    settings = settings_from(arguments, may_lack=True)
    stored = stored_schedule(settings)
    schedule = stored.schedule
    due = schedule.after(max(datetime.now(UTC), stored.last_due or stored.start))
    lines = [f"{stored.expression}  {stored.timezone}"]
    lines.append(f"  next  {in_words(due, schedule) if due else 'never again'}")
    if settings.target == "local":
        lines.append(f"  {_where_it_runs()}")
    for result in stored.results:
        why = f": {result['why']}" if result.get("why") else ""
        lines.append(f"  {result['due'][:19]}  {result['outcome']}{why}")
    print_answer("\n".join(lines))
    return 0


def _where_it_runs() -> str:
    """Return which process waits for the due times: without one, no cycle will run."""
    lock = folder_lock(state_folder(), LOCK)
    if not lock.take():
        return f"runs in {holder_of(str(state_folder()), LOCK)}"
    lock.release()
    return "not running: the same schedule command continues it"


def stored_schedule(settings: Settings) -> StoredSchedule:
    """Return the schedule of the target; raises CannotRunError where there is none."""
    stored, where = None, ""
    if settings.target == "aws":
        stored, where = _of_aws(settings), f"AWS, region {settings.aws_region}"
    else:
        store = ScheduleStore(state_folder())
        stored, where = store.read(), str(store.path)
    if stored is None:
        raise CannotRunError(
            "there is no schedule",
            where=where,
            hint="python -m src.operations schedule EXPRESSION",
        )
    return stored


def _of_aws(settings: Settings) -> StoredSchedule | None:
    from src.infrastructure.aws.account import AwsAccount
    from src.infrastructure.aws.cycle_schedule import CycleSchedule

    schedule = CycleSchedule(AwsAccount(settings.aws_region, retry_mode=settings.retry_mode))
    found = schedule.stored()
    if found is None:
        return None
    return StoredSchedule(
        found["ScheduleExpression"],
        found.get("ScheduleExpressionTimezone", "UTC"),
        found["CreationDate"],
        results=tuple(_result(one) for one in reversed(schedule.executions())),
    )


def _result(execution: JsonView) -> JsonObject:
    due = execution["startDate"].astimezone(UTC).isoformat()
    return {"due": due, "outcome": execution["status"].lower()}
