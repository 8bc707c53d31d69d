"""What every run leaves for those who watch: its metrics, the alarms' states, and alerts.

Nothing here changes how a run ended: what cannot be written or sent is a warning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from src.domain.metrics import Alarm, alarms
from src.errors import DemoError
from src.json_object import JsonView
from src.orchestration.operations.alerts import Alerts
from src.orchestration.operations.schedule_store import ScheduleStore
from src.reporting import run_metrics
from src.reporting.terminal.console import Console
from src.services.operations.alarm_rules import State, evaluate, periods_of
from src.settings import Settings

_READ_EVENTS = 5_000  # of the log: more than alarms and the newest values need


def record_metrics(report: JsonView, settings: Settings, console: Console) -> None:
    """Log a run's metrics, write them for Prometheus, and alert where an alarm has changed."""
    reports = Path(settings.report_dir)
    try:
        events = run_metrics.embedded(report, run_metrics.measured(report))
        run_metrics.append_events(reports, events)
        logged = run_metrics.logged_events(reports)[-_READ_EVENTS:]
        run_metrics.write_exposition(reports, logged)
        update_alarms(settings, console, logged)
        if settings.target == "aws" and settings.cloudwatch == "on":
            _send_to_aws(events, settings, report["run_id"])
    except DemoError as error:
        console.line(f"warning: {error.message}")
    except Exception as error:  # a report of another shape must not turn a good run into a bad one
        console.line(
            f"warning: the run's metrics are not recorded: {type(error).__name__}: {error}"
        )


def update_alarms(
    settings: Settings,
    console: Console,
    events: Sequence[JsonView],
    *,
    now: Callable[[], float] = time.time,
) -> dict[str, tuple[State, str]]:
    """Evaluate all alarms now, and alert on those that have changed; returns all states."""
    alerts = Alerts(settings, console)
    before, found = alerts.states(), {}
    points = [(at, one) for at, one in run_metrics.values_of(events)]
    for alarm in watched(settings):
        wanted = dict(alarm.dimensions)
        mine = [(at, one.value) for at, one in points
                if one.name == alarm.metric and dict(one.dimensions) == wanted]  # fmt: skip
        known: State = before.get(alarm.name, {}).get("state", "OK")
        state = evaluate(alarm, periods_of(alarm, _judgements(alarm, mine), now()), known)
        newest = f"newest value {mine[-1][1]:.4g}" if mine else "no value"
        found[alarm.name] = (state, f"{alarm.why}: {newest}" if state == "ALARM" else newest)
    for alarm in alarms(settings.target):
        if alarm.only_with_schedule and alarm.name in before:
            found.setdefault(alarm.name, ("OK", "there is no schedule"))
    alerts.update(found)
    others = {name: (one["state"], one["why"]) for name, one in before.items()}  # of cycles
    return others | found


def _judgements(
    alarm: Alarm, points: Sequence[tuple[float, float]]
) -> Sequence[tuple[float, float]]:
    """Return the points to evaluate: of judgements of runs, the newest of each period.

    Here two runs may end within a minute: a failure must not outlive the success behind it.
    """
    if alarm.missing != "ignore":
        return points
    return list({at // alarm.period_s: (at, value) for at, value in points}.values())


def watched(settings: Settings) -> list[Alarm]:
    """Return the alarms of the target; one on missing runs only where runs are scheduled."""
    has_schedule = ScheduleStore(Path(settings.state_dir)).path.exists()
    every = alarms(settings.target, max_rejected_share=settings.max_rejected_share)
    return [alarm for alarm in every if has_schedule or not alarm.only_with_schedule]


def _send_to_aws(events: Sequence[JsonView], settings: Settings, run_id: str) -> None:
    from src.infrastructure.aws.account import AwsAccount
    from src.infrastructure.watching.run_logs import RunLogs

    account = AwsAccount(settings.aws_region, retry_mode=settings.retry_mode)
    RunLogs(account).put(run_id, events)
