"""An S3 server on 127.0.0.1: `rclone serve s3` over a folder, SigV4 enforced."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from src.commands import install_command
from src.errors import UnreachableError
from src.local_cloud.servers import processes
from src.waiting import every, poll_until

_ADDRESS = re.compile(rb"http://(127\.0\.0\.1:\d+)/")
START_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class S3Credentials:
    """A key pair of this state folder only."""

    access_key: str
    secret_key: str = field(repr=False)


class S3Server:
    """Serves the buckets below `folder`; every object is a plain file."""

    def __init__(self, folder: Path, log: Path, credentials: S3Credentials) -> None:
        self._folder = folder
        self._log = log
        self._credentials = credentials
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    def start(self) -> None:
        """Start on a free port, again on the same one; returns when the server listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove_torn_uploads()
        # The key pair goes through the environment: a command line is readable by everyone.
        key = f'"{self._credentials.access_key},{self._credentials.secret_key}"'
        env = {
            **processes.own_environment(self._folder.parent),
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_AUTH_KEY": key,
        }
        listen = self.endpoint.removeprefix("http://") or "127.0.0.1:0"
        command = [_rclone(), "serve", "s3", "--addr", listen, str(self._folder)]
        with self._log.open("wb") as log:
            process = self._process = processes.spawn(command, log=log, env=env)
        self.endpoint = f"http://{self._wait_for_address(process)}"

    @property
    def end(self) -> str | None:
        """Return how the server ended, or None while it runs."""
        return processes.ending(self._process) if self._process is not None else None

    def stop(self) -> None:
        """Stop the server."""
        if self._process is not None:
            processes.stop(self._process, signal.SIGTERM)
            self._process = None

    def _wait_for_address(self, process: subprocess.Popen[bytes]) -> str:
        def look() -> str | None:
            has_ended = process.poll() is not None
            found = _ADDRESS.search(self._log.read_bytes())
            return found[1].decode() if found else "" if has_ended else None

        address = poll_until(look, pauses_s=every(0.01), timeout_s=START_TIMEOUT_S)
        if address:
            return address
        self.stop()
        raise UnreachableError(
            "the local S3 server did not start",
            where=str(self._log),
            cause=processes.tail(self._log),
            hint=install_command(),
        )

    def _remove_torn_uploads(self) -> None:
        """Remove what a killed server left of an upload; they are no objects."""
        for torn in self._folder.rglob(".rclone_temp_put_*"):
            torn.unlink(missing_ok=True)


def _rclone() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "rclone"
    found = str(beside_python) if beside_python.exists() else shutil.which("rclone")
    if not found:
        raise UnreachableError(
            "the local S3 server is not installed",
            where=str(beside_python),
            hint=install_command(),
        )
    return found
