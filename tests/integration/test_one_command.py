"""`concert-demo status | open | completion`: one command beside the scripts."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from src.__main__ import COMMANDS
from tests.conftest import ROOT

SMALL = ("--artists", "20", "--venues", "10", "--concerts", "60", "--sales", "300", "-q")


def command(folder, *arguments, **settings):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run([sys.executable, "-m", "src", *arguments], cwd=folder, text=True,
                          capture_output=True, check=False,
                          env={**environment, "PYTHONPATH": str(ROOT), **settings})  # fmt: skip


def test_status_and_open_before_and_after_a_run(tmp_path):
    found = command(tmp_path, "status")
    assert (found.returncode, found.stdout) == (0, "")
    assert "no servers are up" in found.stderr and "next: " in found.stderr
    refused = command(tmp_path, "open")
    assert refused.returncode == 2 and "no run has a page yet" in refused.stderr
    assert list(tmp_path.iterdir()) == []

    done = command(tmp_path, "run", *SMALL[:-1], "--open")
    assert done.returncode == 0
    (link,) = (line for line in done.stderr.splitlines() if "file://" in line)
    facts = json.loads(command(tmp_path, "status", "--json").stdout)
    (run,) = facts["newest"]
    assert (facts["servers"], run["verdict"], facts["runs"]) == (None, "succeeded", 1)
    assert facts["state_folder"] == str(tmp_path / ".demo")

    page = (tmp_path / "reports" / run["page"]).as_uri()
    assert link == f"open:  {page}"
    for arguments in ((), (run["run_id"],)):
        found = command(tmp_path, "open", *arguments)
        assert (found.returncode, found.stdout.strip()) == (0, page)
    assert command(tmp_path, "open", "index").stdout.strip() == (
        (tmp_path / "reports/index.html").as_uri()
    )
    refused = command(tmp_path, "open", run["run_id"][:-1])
    assert refused.returncode == 2 and run["run_id"] in refused.stderr


def test_open_starts_the_desktops_program_and_does_not_wait(tmp_path):
    page = tmp_path / "reports/20260101T000000Z-abcd/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("")
    page.with_name("pipeline_report.json").write_text("{}")
    program = tmp_path / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\nsleep 60\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    if sys.platform != "darwin":
        found = command(tmp_path, "open", page.parent.name, DISPLAY=":0", PATH=path)
        assert found.returncode == 0 and "opened with xdg-open" in found.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_has_every_command(tmp_path, shell):
    found = command(tmp_path, "completion", shell)
    assert found.returncode == 0, found.stderr
    assert all(name in found.stdout for name in COMMANDS)
    assert "--load-mode" in found.stdout and "--only" in found.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [("concert-demo tr", "train"), ("concert-demo run --load-", "--load-mode"),
     ("concert-demo validate --str", "--strict"), ("concert-demo cloud ps", "psql")],
)  # fmt: skip
def test_bash_completes(tmp_path, typed, expected):
    script = command(tmp_path, "completion", "bash").stdout
    words = typed.split()
    ask = (
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; COMP_LINE='{typed}'; "
        f'COMP_POINT={len(typed)}; _shtab_concert_demo; echo "${{COMPREPLY[@]}}"'
    )
    found = subprocess.run(["bash", "--norc", "-c", f"{script}\n{ask}"], capture_output=True,
                           text=True, check=False)  # fmt: skip
    assert expected in found.stdout.split(), found.stdout + found.stderr
