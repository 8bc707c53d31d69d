"""Servers that one process keeps up are used by the others, and by no two runs at once."""

import json
import signal
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from src.errors import BusyError
from src.local_cloud.local_cloud import LocalCloud
from tests.conftest import SMALL
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ".demo"


@pytest.fixture
def local_cloud(script):
    """`python -m src.local_cloud ...` on the folder."""

    def start(*arguments):
        return script.start_command([sys.executable, "-m", "src.local_cloud", *arguments])

    return start


@pytest.fixture
def up(local_cloud):
    process = local_cloud("up")
    lines = []
    while not any("Ctrl-C" in line for line in lines):
        lines.append(process.stdout.readline())
        assert process.poll() is None, process.stderr.read()
    return process, lines


def query(cloud, sql):
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_a_run_uses_the_servers_that_are_up_and_leaves_them_running(folder, script, up):
    assert script.state == folder
    before = (folder / "servers.json").read_text()
    assert script.run(*SMALL).returncode == 0
    assert (folder / "servers.json").read_text() == before
    with LocalCloud(folder) as cloud:
        assert query(cloud, "SELECT COUNT(*) FROM concert_dw.concerts") == [(200,)]


def test_runs_take_turns_also_on_servers_that_are_up(folder, up):
    with LocalCloud(folder), pytest.raises(BusyError), LocalCloud(folder):
        pass


def test_servers_are_kept_up_once(local_cloud, up):
    second = local_cloud("up")
    _, errors = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2 and f"process {up[0].pid} holds it" in errors


def test_a_visitor_looks_in_during_a_run(folder, local_cloud):
    with LocalCloud(folder):
        psql = local_cloud("psql", "-Atc", "SELECT 6 * 7")
        assert psql.communicate(timeout=PATIENCE_S)[0].strip() == "42"


def test_a_visitor_that_starts_the_servers_keeps_runs_out(folder):
    with LocalCloud(folder, role="visitor"), pytest.raises(BusyError), LocalCloud(folder):
        pass
    with LocalCloud(folder):
        pass


def test_data_is_not_deleted_under_running_servers(folder, local_cloud, up):
    reset = local_cloud("reset")
    _, errors = reset.communicate(timeout=PATIENCE_S)
    assert reset.returncode == 2 and "holds it" in errors
    assert (folder / "servers.json").exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_the_host_ends_the_next_run_works(folder, up, ending):
    up[0].send_signal(ending)
    up[0].wait(PATIENCE_S)
    with LocalCloud(folder) as cloud:
        assert query(cloud, "SELECT 1") == [(1,)]


def test_a_run_waits_for_servers_that_are_starting(folder, local_cloud):
    process, lock = local_cloud("up"), folder / "servers.lock"
    # The lock's holder writes its process id: from then on it starts its servers.
    wait_until(lambda: lock.exists() and lock.read_text(), "the servers are starting")
    with LocalCloud(folder) as cloud:
        assert query(cloud, "SELECT 1") == [(1,)]
    assert process.poll() is None


def test_the_address_file_is_private_and_holds_no_secret(folder, up):
    file = folder / "servers.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for secret in json.loads((folder / "credentials.json").read_text()).values():
        assert secret not in file.read_text()


def test_the_printed_psql_line_works_in_a_shell(up):
    (line,) = [text.strip() for text in up[1] if "service=" in text]
    done = subprocess.run(
        f"{line} -Atc 'SELECT 1'", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "1", done.stderr
