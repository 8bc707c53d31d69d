"""Runs cycles on this machine: one at a time, each step a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import FrameType

from src.domain.cycle import Step
from src.errors import CannotRunError
from src.json_object import JsonObject
from src.orchestration.environment import folder_lock
from src.orchestration.operations.aws_schedule import steps_of
from src.orchestration.operations.cycle import CycleResult, Execute, run_cycle
from src.reporting.run_report import plain
from src.reporting.terminal.console import Console
from src.settings import Settings
from src.signals import die_with

LOG = "cycles.ndjson"


class CycleRunner:
    """Runs cycles one by one; another program's cycle on this state folder keeps it out."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        *,
        execute: Execute | None = None,
        alert: Callable[[CycleResult], None] | None = None,
    ) -> None:
        self._settings, self._console = settings, console
        self._execute = execute or self._in_a_process
        self._alert = alert
        self.is_stopping = False
        self._child: subprocess.Popen[str] | None = None

    def run(self, due: datetime | None = None) -> CycleResult | None:
        """Run a cycle, log it and alert; returns None where another one is running."""
        lock = folder_lock(Path(self._settings.state_dir).absolute(), "cycle.lock")
        if not lock.take():
            return None
        try:
            result = run_cycle(
                self._execute,
                self._console,
                steps=steps_of(self._settings),
                is_stopping=lambda: self.is_stopping,
            )
            result.due = due
            self._log(result)
            if self._alert is not None and result.outcome != "interrupted":
                self._alert(result)
            return result
        finally:
            lock.release()

    def _in_a_process(self, step: Step) -> tuple[int, JsonObject]:
        """Run a step's command; returns its exit code and the report that it printed."""
        s = self._settings
        options = ["--target", s.target, "--json"]
        if step.command[0] in ("run", "train"):  # the others leave no report
            options += ["--report-dir", s.report_dir]
        command = [sys.executable, "-m", "src", *step.command, *options]
        parent = os.getpid()
        # In a session of its own: Ctrl-C ends the cycle after the step, not within it.
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 (no thread runs now)
        ) as child:
            self._child = child
            try:
                printed, _ = child.communicate()
            except BaseException:
                child.send_signal(signal.SIGINT)
                raise
            finally:
                self._child = None
        try:
            report = json.loads(printed)
        except ValueError:
            report = {}
        return child.returncode, report if isinstance(report, dict) else {}

    def _log(self, result: CycleResult) -> None:
        path = Path(self._settings.report_dir) / LOG
        line = json.dumps(plain(asdict(result) | {"exit_code": result.exit_code}))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as log:
                log.write(line + "\n")
        except OSError as error:
            raise CannotRunError(
                "the log of cycles cannot be written", where=str(path), cause=str(error),
                hint="free some space, or name a writable folder with --report-dir",
            ) from error  # fmt: skip

    @contextmanager
    def stopping_after_the_step(self) -> Iterator[None]:
        """Let the first Ctrl-C end the program after the running step, the next one at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.is_stopping or self._child is None:
                raise KeyboardInterrupt
            self.is_stopping = True
            self._console.line("ends after the running step; Ctrl-C again stops the step")

        before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def holder_of(state_dir: str, name: str) -> str:
    """Return the process that holds a lock of the state folder, for a message."""
    return f"process {folder_lock(Path(state_dir).absolute(), name).holder()}"
