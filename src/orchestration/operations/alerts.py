"""Alerts: one for each change of an alarm's state, through a command or a webhook.

What receives them may be down, slow or wrong: it costs at most 5 s, and no exit code.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from src.json_object import JsonObject
from src.orchestration.operations.bounded import within
from src.orchestration.operations.cycle import CycleResult
from src.reporting.page.index_page import refresh_index
from src.reporting.run_report import plain, write_atomically
from src.reporting.terminal.console import Console
from src.settings import Settings

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
LIMIT_S = 5.0
STATES, LOG = "alarms.json", "alerts.ndjson"


@dataclass(frozen=True)
class Alert:
    """A change of one alarm's state."""

    alarm: str
    state: State
    before: State
    why: str
    at: str

    @property
    def text(self) -> str:
        """Return the alert as one line."""
        return f"{self.state}: {self.alarm}: {self.why} (before: {self.before})"


class Alerts:
    """Keeps each alarm's state in the report folder, and tells of changes."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        limit_s: float = LIMIT_S,
    ) -> None:
        self._settings, self._console = settings, console
        self._now, self._limit_s = now, limit_s
        self._folder = Path(settings.report_dir)

    def of_cycle(self, result: CycleResult) -> None:
        """Take over how a cycle ended as the state of the alarm `cycle`."""
        is_bad = result.outcome == "failed"
        self.update({"cycle": ("ALARM" if is_bad else "OK", result.why or result.outcome)})

    def states(self) -> JsonObject:
        """Return each alarm's state, since when and why."""
        try:
            found = json.loads((self._folder / STATES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def update(self, found: Mapping[str, tuple[State, str]]) -> list[Alert]:
        """Take over the states of some alarms; sends and returns an alert for each change.

        Without a state before, an alarm that is OK is no change. Nothing is raised.
        """
        known = self.states()
        states, changes = dict(known), []
        at = self._now().isoformat(timespec="seconds")
        for name, (state, why) in found.items():
            before = states.get(name, {}).get("state", "OK")
            if state != before or name not in states:
                states[name] = {"state": state, "since": at, "why": why}
            if state != before:
                changes.append(Alert(name, state, before, why, at))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / STATES, json.dumps(states, indent=2) + "\n")
            with (self._folder / LOG).open("a", encoding="utf-8") as log:
                log.writelines(json.dumps(plain(asdict(alert))) + "\n" for alert in changes)
            if states != known:
                refresh_index(self._folder)
        except Exception as error:  # the run has ended: its outcome stands
            self._warn(f"alerts cannot be written: {type(error).__name__}")
        for alert in changes:
            self._console.line(f"alert  {alert.text}")
        if changes:
            self._send(changes)
        return changes

    def _send(self, changes: list[Alert]) -> None:
        """Hand the alerts on, all at once; wait for at most `limit_s`."""
        tasks: dict[str, Callable[[], None]] = {}
        if self._settings.alert_command:
            tasks["DEMO_ALERT_COMMAND"] = lambda: self._run_command(changes)
        if self._settings.alert_webhook:
            tasks["DEMO_ALERT_WEBHOOK"] = lambda: self._post(changes)
        within(self._limit_s, tasks, self._warn)

    def _run_command(self, changes: list[Alert]) -> None:
        command = shlex.split(self._settings.alert_command)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        ) as child:
            lines = "".join(json.dumps(plain(asdict(alert))) + "\n" for alert in changes)
            try:
                child.communicate(lines.encode(), timeout=self._limit_s * 0.9)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                raise
        if child.returncode:
            self._warn(f"DEMO_ALERT_COMMAND: exit code {child.returncode}")

    def _post(self, changes: list[Alert]) -> None:
        from urllib.request import Request, urlopen

        body = json.dumps({"text": "\n".join(alert.text for alert in changes)}).encode()
        request = Request(
            self._settings.alert_webhook, body, {"Content-Type": "application/json"}, method="POST"
        )
        with urlopen(request, timeout=self._limit_s * 0.9) as answer:
            answer.read(1)

    def _warn(self, text: str) -> None:
        self._console.line(f"warning: {text}")
