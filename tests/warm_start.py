"""Runs the project's scripts as processes that need not import the libraries again.

Most of what a small run takes is its imports. A process of its own imports them once; each run is
a fork of it with its own environment, arguments and output, and its own start and end of a script.
"""

import faulthandler
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests import prepared

ROOT = Path(__file__).parents[1]
# What a run uses; none of it starts a thread or opens a file when it is imported.
_LIBRARIES = (
    "boto3", "faker", "numpy", "pandas", "psycopg2", "pyarrow.compute", "pyarrow.parquet",
    "scipy.special", "sqlglot.dialects.postgres", "sqlglot.dialects.redshift",
    "src.infrastructure.redshift_data_loader", "src.local_cloud.redshift.front.server",
    "src.orchestration.pipeline.demo_pipeline_orchestrator",
    "src.orchestration.pipeline.verification",
    "src.reporting.page.linked_pages", "src.services.synthetic_data_generator",
)  # fmt: skip


class WarmStart:
    """Starts scripts; one at a time, so that none has to wait for another."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._free = threading.Lock()

    def run(
        self, command: list[str], environment: dict[str, str], limit_s: float
    ) -> subprocess.CompletedProcess[str] | None:
        """Run a command `python SCRIPT ...`; returns None where it must start as any other."""
        if not self._free.acquire(blocking=False):
            return None
        try:
            return self._run(command, environment, limit_s)
        finally:
            self._free.release()

    def _run(
        self, command: list[str], environment: dict[str, str], limit_s: float
    ) -> subprocess.CompletedProcess[str]:
        server = self._started()
        assert server.stdin and server.stdout
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            wanted = [command[1:], environment, str(out), str(err)]
            print(json.dumps(wanted), file=server.stdin, flush=True)
            # It then prints what each thread was doing.
            watch = threading.Timer(
                limit_s, os.kill, (int(server.stdout.readline()), signal.SIGABRT)
            )
            watch.start()
            code = int(server.stdout.readline())
            watch.cancel()
            done = subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())
        if code == -signal.SIGABRT:
            raise TimeoutError(f"{command} ran for {limit_s} s\n{done.stdout}{done.stderr}")
        return done

    def _started(self) -> "subprocess.Popen[str]":
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", __name__], cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        return self._server

    def close(self) -> None:
        """End the process; no run of it is under way."""
        if self._server is not None:
            with self._server as server:
                assert server.stdin
                server.stdin.close()


def _next_script() -> list[str] | None:
    """Answer what is asked for; returns in each run with its arguments, and at the end."""
    for line in sys.stdin:
        arguments, environment, out, err = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(environment)
            for path, flags, number in (
                (os.devnull, os.O_RDONLY, 0), (out, os.O_WRONLY | os.O_CREAT, 1),
                (err, os.O_WRONLY | os.O_CREAT, 2),
            ):  # fmt: skip
                opened = os.open(path, flags, 0o600)
                os.dup2(opened, number)
                os.close(opened)
            faulthandler.enable()
            return list(arguments)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


if __name__ == "__main__":
    for library in _LIBRARIES:
        importlib.import_module(library)
    prepared.install()
    gc.freeze()
    script = _next_script()
    if script is not None:
        if script[0] == "-m":
            sys.argv = script[1:]
            runpy.run_module(script[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = script
            runpy.run_path(script[0], run_name="__main__")
