"""Servers that one process keeps up are used by the others, and by no two runs at once."""

import contextlib
import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from contextlib import closing

import psutil
import psycopg2
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.errors import BusyError, UnreachableError
from src.local_cloud import local_cloud as local_cloud_module
from src.local_cloud.local_cloud import LocalCloud
from src.local_cloud.servers import processes
from tests.conftest import ROOT, SMALL
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
    assert "where `python -m src.local_cloud up` runs, press Ctrl-C" in errors


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
    assert reset.returncode == 2 and "holds it" in errors and "__main__.py" not in errors
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


# -- a server that ends ------------------------------------------------------------------------


def named(children):
    """Yield processes with their names; one that ends while it is looked at is left out."""
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield child.name(), child


def servers_of(process):
    """Return the processes of a host's servers by name."""
    return dict(named(psutil.Process(process.pid).children()))


def works(cloud):
    cloud.s3_client().list_buckets()
    return query(cloud, "SELECT 6 * 7") == [(42,)]


@pytest.mark.parametrize("name", ["rclone", "postgres"])
def test_a_server_of_the_host_that_is_killed_is_started_again(folder, up, name):
    def is_well():
        try:
            return works(cloud)
        except (BotoCoreError, ClientError, psycopg2.OperationalError):
            return False

    with LocalCloud(folder) as cloud:  # a run beside it keeps its addresses
        assert works(cloud)
        before = servers_of(up[0])
        before[name].kill()
        wait_until(
            lambda: servers_of(up[0]).get(name) not in (None, before[name]),
            f"{name} is started again",
        )
        wait_until(is_well, "both servers answer")
    with LocalCloud(folder) as cloud:
        assert works(cloud)
    # It is reported when the server is prepared again, which clients need not wait for.
    lines = iter(up[0].stderr.readline, "")
    assert any("ended (signal 9) and was started again" in line for line in lines)
    up[0].send_signal(signal.SIGINT)
    up[0].communicate(timeout=30)
    assert up[0].returncode == 0


class Unstable:
    """Servers of which one ends at each look."""

    def restart_ended(self):
        yield "the S3 server", "signal 9"

    def stop(self):
        pass


def test_a_server_that_does_not_stay_up_ends_the_host_with_an_error(folder, monkeypatch):
    cloud, reported = LocalCloud(folder, role="host"), []
    monkeypatch.setattr(cloud, "_servers", Unstable())
    with pytest.raises(UnreachableError, match="the S3 server does not stay up") as caught:
        cloud.watch(reported.append, pause_s=0)
    assert len(reported) == local_cloud_module.MAX_RESTARTS and caught.value.hint


# -- the environment of other programs -----------------------------------------------------------

HOSTILE = {
    "PGSSLMODE": "require", "PGSERVICE": "nowhere", "PGHOST": "192.0.2.1", "PGPORT": "1",
    "PGHOSTADDR": "192.0.2.1", "PGOPTIONS": "-c nonsense=1", "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "German", "PGDATA": "/nowhere", "PGUSER": "nobody",
    "PGTARGETSESSIONATTRS": "read-only", "PGREQUIREAUTH": "none", "PGCONNECT_TIMEOUT": "x",
    "AWS_PROFILE": "nowhere", "AWS_DEFAULT_PROFILE": "nowhere", "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CA_BUNDLE": "/nowhere",
    "AWS_ENDPOINT_URL": "http://192.0.2.1", "AWS_ENDPOINT_URL_S3": "http://192.0.2.1",
    "AWS_ACCESS_KEY_ID": "never-inherited", "AWS_SECRET_ACCESS_KEY": "never-inherited",
    "AWS_SESSION_TOKEN": "never-inherited", "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_MAX_ATTEMPTS": "x", "AWS_RETRY_MODE": "x",
    "AWS_REGION": "nowhere", "AWS_DEFAULT_REGION": "nowhere", "AWS_DATA_PATH": "/nowhere",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "x", "AWS_S3_USE_ARN_REGION": "x", "GLUE_WORKERS": "x",
    "HTTP_PROXY": "http://192.0.2.1:1", "HTTPS_PROXY": "http://192.0.2.1:1",
    "http_proxy": "http://192.0.2.1:1", "ALL_PROXY": "http://192.0.2.1:1",
    "RCLONE_ADDR": "192.0.2.1:1", "RCLONE_CONFIG": "/nowhere", "RCLONE_READ_ONLY": "true",
    "REDSHIFT_PORT": "x", "REDSHIFT_SSLMODE": "x", "TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8",
}  # fmt: skip


@settings(
    deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.sets(st.sampled_from(sorted(HOSTILE)), min_size=5))
def test_no_variable_of_another_program_reaches_the_local_cloud(folder, names):
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, HOSTILE[name])
        with LocalCloud(folder) as cloud:
            assert works(cloud)
            shown = [query(cloud, f"SHOW {name}") for name in ("client_encoding", "TimeZone")]
            assert shown == [[("UTF8",)], [("UTC",)]]
            seen = set()
            for name, child in named(psutil.Process().children(recursive=True)):
                if name not in ("rclone", "postgres"):
                    continue
                with contextlib.suppress(psutil.NoSuchProcess):  # one of PostgreSQL's workers
                    environment = child.environ()
                    seen.add(name)
                    inherited = set(environment) & set(HOSTILE) - {"TZ", "LC_ALL"}
                    assert inherited <= {"RCLONE_CONFIG", "PGDATA"}
                    assert "never-inherited" not in str(environment)
            assert seen == {"rclone", "postgres"}
        # Another cloud of this process may still hide libpq's variables: they come back after it.
        kept = {**processes._libpq_variables._hidden, **os.environ}
        assert {name: kept.get(name) for name in names} == {n: HOSTILE[n] for n in names}


def test_a_run_and_psql_come_to_the_same_result_among_all_of_them(folder, script, local_cloud):
    reports = []
    for variables in ({}, HOSTILE):
        done = script.run(*SMALL, "--json", **variables)
        assert done.returncode == 0, done.stderr
        reports.append(json.loads(done.stdout))
    plain, hostile = (report["steps"] for report in reports)
    for step, fact in (("data_generation", "counts"), ("glue_etl", "counts"),
                       ("redshift_load", "rows"), ("data_verification", "tally")):  # fmt: skip
        assert plain[step][fact] == hostile[step][fact]
    digests = [sorted(s["data_generation"]["content_sha256"].values()) for s in (plain, hostile)]
    assert digests[0] == digests[1]
    counted = subprocess.run(
        [sys.executable, "-m", "src.local_cloud", "psql", "-Atc",
         "SELECT COUNT(*) FROM concert_dw.concerts; SHOW client_encoding"],
        cwd=ROOT, env=script.environment(**HOSTILE), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert counted.stdout.split() == ["200", "UTF8"], counted.stderr


# -- folders -------------------------------------------------------------------------------------


def test_the_printed_lines_work_for_a_folder_with_blanks_and_quotes(tmp_path):
    with LocalCloud(tmp_path / 'it\'s a "state" $HOME') as cloud:
        line = cloud.write_client_files()["psql"]
        assert str(cloud.folder) in shlex.split(line)[0]
        done = subprocess.run(
            f"{line} -Atc 'SELECT 1'", shell=True, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == "1", done.stderr


AS_ANOTHER = """
import os, sys
from src.local_cloud.__main__ import main
from src.local_cloud import local_cloud, servers  # while this account may read them
import importlib, src.local_cloud.redshift.front.server, psycopg2, boto3, psutil, logging, datetime
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(main([sys.argv[1]]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("command", ["psql", "reset", "up"])
def test_the_state_folder_of_another_user_is_refused_by_name(folder, script, command):
    with LocalCloud(folder):
        pass
    folder.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, command], cwd=ROOT,
        env=script.environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "folder cannot be written" in done.stderr, done.stderr
    assert str(folder) in done.stderr and "try:" in done.stderr
    assert (folder / "credentials.json").exists()
