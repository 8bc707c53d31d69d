"""Starting and stopping the servers: as children that cannot outlive the run."""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_COMPLAINT = re.compile(r"FATAL|PANIC|ERROR|CRITICAL|No space|denied")
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The unprivileged user a server runs as where we are root."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return whom PostgreSQL may run as: None is ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account("nobody", entry.pw_uid, entry.pw_gid)


def own_environment(home: Path) -> dict[str, str]:
    """Return all that a server gets of the environment: none of the caller's settings and keys."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C",
            "TZ": "UTC"}  # fmt: skip


class _LibpqVariables:
    """The PG* variables of this process, and how many blocks hide them."""

    def __init__(self) -> None:
        self._hidden: dict[str, str] = {}
        self._blocks = 0
        self._lock = threading.Lock()

    def hide(self) -> None:
        with self._lock:
            self._blocks += 1
            for name in [name for name in os.environ if name.startswith("PG")]:
                self._hidden[name] = os.environ.pop(name)

    def show(self) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                os.environ.update(self._hidden)
                self._hidden.clear()


_libpq_variables = _LibpqVariables()


@contextmanager
def without_libpq_variables() -> Iterator[None]:
    """Hide PGSSLMODE, PGSERVICE and the like, which each connection of this process would obey.

    They come back when the last block that hides them ends.
    """
    _libpq_variables.hide()
    try:
        yield
    finally:
        _libpq_variables.show()


def spawn(
    command: Sequence[str],
    *,
    log: IO[Any] | int,
    death_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own.

    Ctrl-C therefore reaches only the run, which stops its servers in order; on Linux the
    kernel sends `death_signal` should the run be killed outright.
    """
    user: dict[str, Any] = {}
    if account is not None:
        user = {"user": account.uid, "group": account.gid, "extra_groups": []}
    return subprocess.Popen(
        list(command),
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT if isinstance(log, int) or log else None,
        start_new_session=True,
        preexec_fn=_die_with_parent(death_signal),  # noqa: PLW1509 (one system call)
        env=dict(env),
        cwd=cwd,
        **user,
    )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def set_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the run died between fork and here
            os._exit(1)

    return set_death_signal


def stop(process: subprocess.Popen[bytes], first: signal.Signals, patience_s: float = 10) -> None:
    """Ask a server to stop, and kill it when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(first)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ending(process: subprocess.Popen[bytes]) -> str | None:
    """Return how a process ended, in words, or None while it runs."""
    code = process.poll()
    if code is None:
        return None
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def tail(path: Path, lines: int = 3) -> str:
    """Return a log's last complaints, or else its last lines, as one line."""
    try:
        text = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    except OSError:
        return ""
    written = [line for line in text if line]
    complaints = [line for line in written if _COMPLAINT.search(line)]
    return " | ".join((complaints or written)[-lines:])
