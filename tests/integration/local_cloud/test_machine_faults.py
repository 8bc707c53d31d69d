"""What a machine does to a run besides ending it: its clock jumps, its warehouse restarts."""

import io
import os
import random
import signal
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from src.errors import CannotRunError, UnreachableError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.load_plan import LoadPlan, LoadSource, SourceFile
from src.local_cloud.local_cloud import LocalCloud
from src.local_cloud.servers import postgres_server, processes
from src.local_cloud.servers.postgres_server import PostgresServer, may_pass
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.settings import Settings
from tests.integration.pipeline.test_loader import ROWS
from tests.waiting import wait_until

SIZES = {"artists": 40, "venues": 20, "concerts": 200, "sales": 1500}


# -- the clock -------------------------------------------------------------------------------


class Jumping(datetime):
    """A clock that is set to another hour, forwards or back, each time somebody looks."""

    rng = random.Random(7)
    seen = 0
    set_to = timedelta(0)

    @classmethod
    def now(cls, tz=None):
        cls.seen += 1
        return datetime.now(tz) + cls.set_to + timedelta(hours=cls.rng.uniform(-9, 9))


@pytest.fixture
def jumping_clock(monkeypatch):
    for name, module in list(sys.modules.items()):
        # AWS's services have a clock of their own, which stays that of the signatures.
        is_of_aws = name.startswith("src.local_cloud.endpoint")
        if (
            name.startswith("src.")
            and not is_of_aws
            and getattr(module, "datetime", None) is datetime
        ):
            monkeypatch.setattr(module, "datetime", Jumping)
    yield
    assert Jumping.seen > 10


def pipeline(tmp_path, **options):
    settings = Settings(
        state_dir=str(tmp_path / ".demo"), report_dir=str(tmp_path / "r"), **SIZES, **options
    )
    return DemoPipelineOrchestrator(settings)


def test_a_clock_that_jumps_changes_no_result(tmp_path, jumping_clock):
    runs = []
    for seed, days in ((1, 30), (2, 0), (3, -400)):
        Jumping.set_to = timedelta(days=days)
        with pipeline(tmp_path, seed=seed) as orchestrator:
            report = orchestrator.run_pipeline()
            assert report["verdict"] == "succeeded", report["error"]
            # The clock's jumps are hours; the longest of them is no part of a duration.
            assert all(0 <= step["seconds"] < 1800 for step in report["steps"].values())
            runs.append((orchestrator.workflow.run_id, orchestrator.manifest.dataset_id))
    assert runs == sorted(runs)  # the order in which they really came
    settings = pipeline(tmp_path).settings
    with DemoPipelineOrchestrator(settings, skip_generation=True) as again:
        assert again.run_pipeline()["verdict"] == "succeeded"
        assert again.manifest.dataset_id == runs[-1][1]


# -- PostgreSQL ------------------------------------------------------------------------------

SALES = 20_000


def client_of(cloud):
    return closing(RedshiftClient(cloud.connect_redshift, attempts=7))


def sales_csv():
    header = ROWS["ticket_sales"].split("\n")[0]
    rows = (f"{i},1,2024-12-01 10:00:00,2,9.99,19.98,vip,web" for i in range(1, SALES + 1))
    return "\n".join([header, *rows, ""])


def test_a_read_alone_is_done_again_and_one_within_a_transaction_is_not(tmp_path):
    with LocalCloud(tmp_path / ".demo") as cloud, client_of(cloud) as client:
        client.create_tables()

        def crash():
            process = client.connection.info.backend_pid
            os.kill(process, signal.SIGKILL)
            # Until PostgreSQL has seen it, it takes sessions that it ends with all others.
            wait_until(lambda: not Path(f"/proc/{process}").exists(), "the end of the process")

        crash()
        assert client.query("SELECT 1 AS one") == [{"one": 1}]
        crash()
        assert client.query_dataframe("SELECT 1 AS one")["one"].tolist() == [1]
        crash()
        client.create_tables()
        lost = pytest.raises(WarehouseError, match="connection to Redshift was lost")
        with lost, client.transaction():
            client.execute("DELETE FROM concert_dw.artists")
            crash()
            client.query_value("SELECT 1")
        assert client.query_value("SELECT 1") == 1
        client.execute("CREATE TEMP TABLE t (a INTEGER)")  # goes with the session
        crash()
        with pytest.raises(WarehouseError, match="connection to Redshift was lost"):
            client.query_value("SELECT 1")
        assert client.query_value("SELECT 1") == 1  # in another session


class KillingBody(io.RawIOBase):
    """An object's content; before the rest of it is read, the COPY's process is killed."""

    def __init__(self, body, kill):
        self._body, self._kill, self._reads = body, kill, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        self._reads += 1
        if self._reads == 2:
            self._kill()
        content = self._body.read(min(len(buffer), 1 << 16))
        buffer[: len(content)] = content
        return len(content)


class KillingS3:
    """An S3 client; where one key is read, PostgreSQL restarts all of itself."""

    def __init__(self, s3, key, process_id):
        self._s3, self._key, self._process_id = s3, key, process_id

    def __getattr__(self, name):
        return getattr(self._s3, name)

    def get_object(self, **named):
        answer = self._s3.get_object(**named)
        if named["Key"] == self._key:
            answer["Body"] = KillingBody(answer["Body"], self._kill)
        return answer

    def _kill(self):
        """Kill the connection's process in its COPY, which waits for what is read here."""
        server = psutil.Process(self._process_id)
        wait_until(lambda: server.cmdline()[0].endswith("COPY"), "the process is in its COPY")
        server.kill()
        # PostgreSQL ends every other process too, and starts again.
        wait_until(lambda: not server.is_running(), "the process is gone")


def test_a_warehouse_that_restarts_in_the_middle_of_a_copy_has_each_row_once(tmp_path):
    with LocalCloud(tmp_path / ".demo") as cloud, client_of(cloud) as client:
        client.create_tables()
        storage = S3Storage(cloud.s3_client(), "restart")
        storage.ensure_bucket()
        sources = {}
        for table, body in {**ROWS, "ticket_sales": sales_csv()}.items():
            storage.put(f"{table}.csv", body.encode())
            file = SourceFile(storage.uri(f"{table}.csv"), len(body.encode()))
            sources[table] = LoadSource((file,), "csv", body.count("\n") - 1)
        first, attempts = client.connection.info.backend_pid, []
        client.connection.s3 = KillingS3(client.connection.s3, "ticket_sales.csv", first)
        loader = RedshiftDataLoader(client, storage, iam_role="")
        loader.load(LoadPlan("r1", "replace", sources), on_table=attempts.append)
        assert attempts == [*ROWS, *ROWS], "the first attempt was not interrupted"
        assert client.connection.info.backend_pid != first
        assert [client.row_count("concert_dw", table) for table in ROWS] == [1, 1, 1, SALES]
        distinct = "SELECT COUNT(DISTINCT sale_id) FROM concert_dw.ticket_sales"
        assert client.query_value(distinct) == SALES
        history = "SELECT COUNT(*) FROM concert_dw.load_history WHERE run_id = 'r1'"
        assert client.query_value(history) == len(ROWS)


# -- what waiting does not change ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('connection to server at "127.0.0.1", port 5 failed: Connection refused', True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  the database system is shutting down", True),
        ("FATAL:  the database system is in recovery mode", True),
        ("server closed the connection unexpectedly", True),
        ("server does not support SSL, but SSL was required", False),
        ('definition of service "nowhere" not found', False),
        ('invalid value for parameter "client_encoding": "x"', False),
        ('could not open certificate file "/nowhere"', False),
    ],
)
def test_only_what_passes_is_waited_for(text, passes):
    assert may_pass(Exception(text)) == passes


def test_an_error_that_stays_ends_the_start_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "require")  # here nothing hides it
    server = PostgresServer(tmp_path / "redshift", tmp_path / "redshift.log", "secret")
    started = []
    spawn = processes.spawn
    monkeypatch.setattr(processes, "spawn", lambda *a, **k: started.append(a) or spawn(*a, **k))
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        server.start()
    assert "SSL" in caught.value.cause and "df -h" not in caught.value.hint
    servers = [a for a in started if not a[0][0].endswith("initdb")]
    assert len(servers) == 1  # one attempt
    assert server.end is None  # it was stopped


def test_the_disk_is_only_named_where_it_is_full(tmp_path, monkeypatch):
    server = PostgresServer(tmp_path / "redshift", tmp_path / "redshift.log", "secret")
    assert server.failed("x", "FATAL: out of file handles").hint.startswith("cat ")
    assert server.failed("x", "No space left on device").hint.startswith("df -h ")
    monkeypatch.setattr(postgres_server, "NEEDED_BYTES", 1 << 62)
    assert server.failed("x", "").hint.startswith("df -h ")


def test_a_user_without_a_name_is_told_what_is_missing(tmp_path, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(postgres_server.pwd, "getpwuid", unknown)
    server = PostgresServer(tmp_path / "redshift", tmp_path / "redshift.log", "secret")
    with pytest.raises(CannotRunError, match="which has no name") as caught:
        server.start()
    assert caught.value.where == "/etc/passwd" and "df -h" not in caught.value.hint
