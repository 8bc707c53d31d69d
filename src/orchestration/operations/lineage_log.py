"""Each run's lineage: events beside its report, and sent on where servers for them are named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from src.json_object import JsonView
from src.orchestration.operations.bounded import within
from src.reporting.lineage_events import lineage_events
from src.reporting.run_report import write_atomically
from src.reporting.terminal.console import Console
from src.settings import Settings

NAME, LIMIT_S = "lineage.ndjson", 5.0


def record_lineage(
    report: JsonView, folder: Path, settings: Settings, console: Console, limit_s: float = LIMIT_S
) -> None:
    """Write a run's events into its folder, and send them; nothing is raised."""

    def warn(text: str) -> None:
        console.line(f"warning: lineage: {text}")

    try:
        events = lineage_events(report)
        write_atomically(folder / NAME, "".join(json.dumps(event) + "\n" for event in events))
    except Exception as error:  # the run has ended: its outcome stands
        warn(f"not recorded: {type(error).__name__}: {error}")
        return
    tasks: dict[str, Callable[[], None]] = {}
    if settings.openlineage_url:
        tasks["OPENLINEAGE_URL"] = lambda: _post(events, settings, limit_s)
    if settings.datazone_domain and settings.target == "aws":
        tasks["DEMO_DATAZONE_DOMAIN"] = lambda: _post_to_datazone(events, settings, warn)
    within(limit_s, tasks, warn)


def _post_to_datazone(
    events: Sequence[JsonView], settings: Settings, warn: Callable[[str], None]
) -> None:
    from src.infrastructure.aws.account import AwsAccount
    from src.infrastructure.watching.datazone_lineage import DataZoneLineage

    account = AwsAccount(settings.aws_region, retry_mode=settings.retry_mode)
    failed = DataZoneLineage(account, settings.datazone_domain).post(events)
    if failed:
        warn(f"DEMO_DATAZONE_DOMAIN: the domain could not take {failed} events since this run")


def _post(events: Sequence[JsonView], settings: Settings, limit_s: float) -> None:
    """Send the events one by one, as Marquez takes them; the first failure ends it."""
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "application/json"}
    if settings.openlineage_api_key:
        headers["Authorization"] = f"Bearer {settings.openlineage_api_key}"
    address = settings.openlineage_url.rstrip("/") + "/api/v1/lineage"
    for event in events:
        body = json.dumps(event).encode()
        request = Request(address, body, headers, method="POST")
        with urlopen(request, timeout=min(2.0, limit_s)) as answer:
            answer.read(1)
