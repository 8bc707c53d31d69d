"""What a check is, and what it finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from src.commands import as_started, is_checkout
from src.domain.judgement import Verdict
from src.settings import Settings

PROBE_TIMEOUT_S = 120


def next_run(settings: Settings) -> str:
    """Return the run to type next: a rehearsal, where a run could replace what is loaded."""
    folder = Path(settings.state_dir)
    is_local = settings.target == "local"
    is_new = is_local and not (folder.is_dir() and any(folder.iterdir()))
    target = "" if is_local else f" --target {settings.target}"
    return as_started(f"python run_demo_pipeline.py{target}{'' if is_new else ' --dry-run'}")


@dataclass(frozen=True)
class Context:
    """What checks look at: a checkout or an installed package, and the settings of the run."""

    root: Path
    settings: Settings

    @property
    def is_checkout(self) -> bool:
        """Tell whether the root has the scripts and documents too, not just the package."""
        return is_checkout(self.root)

    def read(self, path: str) -> str:
        """Return a file of the checkout as text."""
        return (self.root / path).read_text(encoding="utf-8")

    def python(
        self,
        *arguments: str,
        stdin: str = "",
        timeout_s: float = PROBE_TIMEOUT_S,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run this Python on the checkout's own code, elsewhere: no setting or .env is near."""
        with tempfile.TemporaryDirectory() as elsewhere:
            return subprocess.run(
                [sys.executable, *arguments],
                cwd=elsewhere,
                env=neutral_environment(PYTHONPATH=str(self.root), **environment),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )

    def probe(self, question: str, *details: Any) -> Any:
        """Return what the checkout's own code answers; see probe.py."""
        done = self.python(
            "-m", "src.orchestration.validation.probe", question, stdin=json.dumps(details)
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ValueError(f"the checkout's code does not start: {last}")
        return json.loads(done.stdout)


@dataclass(frozen=True)
class Finding:
    """A check's verdict, with what was expected and found, in words.

    `details` are further findings, one a line; `hint` is what to type or do next.
    """

    verdict: Verdict
    expected: str
    found: str
    hint: str | None = None
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Check:
    """One check: its name on the command line, what it is about, and how it looks.

    One that reads scripts or documents needs a checkout: without one it is skipped.
    """

    name: str
    title: str
    look: Callable[[Context], Finding]
    needs_checkout: bool = False


def judge(expected: str, found: str, problems: Iterable[str], hint: str | None = None) -> Finding:
    """Return a finding that failed where there is any problem; `found` is for where none is."""
    listed = list(problems)
    if not listed:
        return Finding("passed", expected, found)
    more = f" and {len(listed) - 1} more" if len(listed) > 1 else ""
    return Finding("failed", expected, listed[0] + more, hint, listed)


def neutral_environment(**extra: str) -> dict[str, str]:
    """Return the environment without this project's settings, for a process of its own."""
    ours = {spec.metadata["env"] for spec in fields(Settings)}
    kept: Mapping[str, str] = {k: v for k, v in os.environ.items() if k not in ours}
    return {**kept, **extra}
