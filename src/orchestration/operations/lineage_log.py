"""Each run's lineage: events beside its report, and sent on to OPENLINEAGE_URL where it is set."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    if settings.openlineage_url:
        within(limit_s, {"OPENLINEAGE_URL": lambda: _post(events, settings, limit_s)}, warn)


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
