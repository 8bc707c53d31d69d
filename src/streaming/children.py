"""The producer and the ingester of a live run, each a process of its own that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from src.settings import Settings
from src.signals import die_with

GRACE_S = 30.0


class Child:
    """A command of `python -m src.streaming`; what it prints goes to a file.

    `options` is called at each start: what is left of the time changes.
    """

    def __init__(
        self, name: str, options: Callable[[], Sequence[str]], settings: Settings, log: Path
    ) -> None:
        self.name, self._options, self._log = name, options, log
        role = ["--iam-role", settings.iam_role] if settings.iam_role and name == "ingest" else []
        self._command = [
            sys.executable, "-m", "src.streaming", name, "--target", settings.target,
            "--stream", settings.stream, "--no-color", *role,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it; it ends with this process, and Ctrl-C does not reach it."""
        parent = os.getpid()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *self._options()], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 (one system call)
            )  # fmt: skip
        self.starts += 1

    @property
    def pid(self) -> int:
        """Return the process's number."""
        return self._process.pid if self._process else 0

    @property
    def end(self) -> int | None:
        """Return its exit code, below 0 the signal that ended it; None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> int:
        """Let it end after what it is doing; returns its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def last_line(self) -> str:
        """Return the last line that it printed."""
        return ["", *self._lines()][-1].strip()

    def failure(self) -> tuple[str, str]:
        """Return why it ended and what to type, of the last error that it printed."""
        said = {"error": "", "cause": "", "try": ""}
        for line in self._lines():
            name, _, text = line.strip().partition(":")
            if name == "error":
                said = dict.fromkeys(said, "")
            if name in said:
                said[name] = text.strip()
        why = ": ".join(filter(None, (said["error"], said["cause"])))
        return why or self.last_line(), said["try"] or "python -m src.streaming run"

    def _lines(self) -> list[str]:
        try:
            return self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return []
