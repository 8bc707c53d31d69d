"""A child process that serves one model: the container's program over an unpacked model.tar.gz."""

from __future__ import annotations

import http.client
import io
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from src.commands import ROOT
from src.local_cloud.servers import processes

PROGRAM = (sys.executable, "-m", "src.serving", "serve")
PING_TIMEOUT_S = 2.0  # SageMaker's
STOP_WAIT_S = 30.0  # SageMaker's, from SIGTERM to SIGKILL
_URL = re.compile(rb"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Reply:
    """An answer of the model's server."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class ModelServer:
    """Unpacks a model read-only and serves it; ends with the thread that started it, on Linux.

    `look` takes note of how it is: `is_ready` once /ping was answered, `end` once it ended.
    """

    def __init__(
        self,
        folder: Path,
        package: bytes,
        environment: Mapping[str, str],
        *,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="server-", dir=folder))
        self._log = self._folder / "log"
        self.is_ready = False
        self.errors = 0  # answers of 500 and above
        self.started = time.monotonic()
        self.asked_to_stop: float | None = None
        model = self._folder / "model"
        _unpack(package, model)
        own = {**processes.own_environment(self._folder), "PYTHONPATH": str(ROOT)}
        with self._log.open("wb") as log:
            self._process: subprocess.Popen[bytes] = processes.spawn(
                [*program, "--model", str(model), "--host", "127.0.0.1", "--port", "0"],
                log=log, death_signal=signal.SIGKILL, env={**own, **environment},
                cwd=self._folder,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self._process.pid

    @property
    def end(self) -> str | None:
        """Return how the child ended, or None while it runs."""
        return processes.ending(self._process)

    @property
    def last_words(self) -> str:
        """Return the end of the child's log in one line."""
        return processes.tail(self._log)

    def look(self) -> None:
        """Take note of whether the child answers /ping, or has ended."""
        if self.end is not None:
            self.is_ready = False
        elif not self.is_ready and self._port():
            try:
                self.is_ready = self._ask("GET", "/ping", b"", {}, PING_TIMEOUT_S).status == 200
            except (OSError, http.client.HTTPException):
                self.is_ready = False

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Reply:
        """Send a request to the model; raises OSError or HTTPException where no answer comes."""
        return self._ask("POST", "/invocations", body, headers, timeout_s)

    def ask_to_stop(self) -> None:
        """Send SIGTERM: the child answers the requests that it has, and ends."""
        self.is_ready, self.asked_to_stop = False, time.monotonic()
        if self.end is None:
            self._process.terminate()

    def is_late(self, limit_s: float) -> bool:
        """Tell whether the child has not become ready within a time."""
        return not self.is_ready and time.monotonic() - self.started >= limit_s

    def has_stopped(self) -> bool:
        """Tell whether a child that was asked to stop has ended; kill it after its time."""
        if self.end is None and self.asked_to_stop is not None:
            if time.monotonic() - self.asked_to_stop < STOP_WAIT_S:
                return False
            self._process.kill()
        self._process.wait()
        self._remove()
        return True

    def stop(self, patience_s: float = STOP_WAIT_S) -> None:
        """Stop the child and wait for its end."""
        processes.stop(self._process, signal.SIGTERM, patience_s)
        self._remove()

    def _port(self) -> int | None:
        found = _URL.search(self._log.read_bytes())
        return int(found[1]) if found else None

    def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        port = self._port()
        if port is None:
            raise ConnectionError("the server does not listen yet")
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)) as client:
            client.request(method, path, body, dict(headers))
            answer = client.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())

    def _remove(self) -> None:
        for path in [self._folder, *self._folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(self._folder, ignore_errors=True)


def _unpack(package: bytes, folder: Path) -> None:
    """Unpack plain files and folders; nothing outside of `folder` is written."""
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
