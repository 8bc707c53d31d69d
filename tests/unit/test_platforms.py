"""What the program does where it is not on Linux: each branch, with another `sys.platform`."""

import ctypes
import os
import runpy
import signal
import subprocess
import sys

import pytest

from src import signals
from src.local_cloud.servers import processes
from src.services.generation import parts
from tests.conftest import ROOT


class Libc:
    """Records the calls of the C library that only Linux has."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str):
        return lambda *_: self.calls.append(name)


@pytest.fixture
def libc(monkeypatch):
    found = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: found)
    return found


@pytest.mark.parametrize(
    ("platform", "calls"), [("linux", ["prctl", "mallopt", "mallopt"]), ("darwin", [])]
)
def test_only_linux_is_asked_for_what_only_linux_has(libc, monkeypatch, platform, calls):
    monkeypatch.setattr(sys, "platform", platform)
    signals.die_with(os.getppid())
    signals.keep_freed_memory()
    assert libc.calls == calls


def test_a_process_whose_parent_has_died_ends_on_linux_only(libc, monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    for platform in ("darwin", "linux"):
        monkeypatch.setattr(sys, "platform", platform)
        signals.die_with(os.getppid() + 1)
    assert ended == [1] and libc.calls == ["prctl"]


def test_servers_start_and_stop_without_the_kernels_help(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")
    elsewhere = runpy.run_path(processes.__file__, run_name="processes_of_macos")
    assert elsewhere["_die_with_parent"](signal.SIGTERM) is None
    command = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
    with (tmp_path / "log").open("wb") as log:
        process = elsewhere["spawn"](
            command, log=log, env=elsewhere["own_environment"](tmp_path), stdin=subprocess.PIPE
        )
    with process:
        elsewhere["stop"](process, signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM
    assert elsewhere["ending"](process) == f"signal {int(signal.SIGTERM)}"


def test_processors_are_counted_where_none_are_bound(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert parts.cores() == 7
    engine = runpy.run_path(str(ROOT / "src/local_cloud/glue/spark_engine.py"))
    assert "shuffle.partitions=14 " in engine["SUBMIT_ARGUMENTS"]


@pytest.mark.parametrize("engine", ["duckdb_engine", "spark_engine", "job_process"])
def test_an_engine_of_the_local_glue_starts_without_this_package(engine, tmp_path):
    folder = ROOT / "src/local_cloud/glue"
    code = f"import sys; sys.path[:] = [{str(folder)!r}, *sys.path[1:]]; import {engine}"
    command = [sys.executable, "-c", f"{code}; assert 'src' not in sys.modules"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
