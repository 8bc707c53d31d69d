"""The loader and the client through a Data API, which has sessions and no driver."""

import threading
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pandas as pd
import psycopg2
import pytest
from botocore.exceptions import EndpointConnectionError

from src.errors import LoadError, UnreachableError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.data_api import DataApiConnection
from src.orchestration.pipeline.verification import _REJECTED
from src.orchestration.training.prediction_tables import write_predictions
from tests.aws.validating import refusal
from tests.integration.conftest import superuser_of
from tests.integration.pipeline.test_loader import ROLE, ROWS, counts, plan
from tests.waiting import wait_until

TARGET = {"Database": "dev", "WorkgroupName": "concert-demo"}


@pytest.fixture(scope="module")
def api(cloud):
    with closing(cloud.aws_client("redshift-data")) as api:
        yield api


@pytest.fixture
def client(api):
    def connect():
        return DataApiConnection(api, TARGET, sleep=lambda s: threading.Event().wait(0.01))

    client = RedshiftClient(connect, sleep=lambda s: None, query_group="concert-demo")
    with closing(client):
        client.create_tables()
        with client.transaction():
            for table in ROWS:
                client.execute(f"DELETE FROM concert_dw.{table}")
        yield client


@pytest.fixture
def storage(s3):
    storage = S3Storage(s3, "loader-tests")
    storage.ensure_bucket()
    return storage


def test_a_whole_load_runs_in_one_session(api, client, storage):
    loads = RedshiftDataLoader(client, storage, iam_role=ROLE).load(plan(storage))
    assert counts(client) == [1, 1, 1, 1] and len(loads) == 4
    session = client._connection._session
    found = api.list_statements(MaxResults=10)["Statements"]
    assert {s["Id"] for s in found}
    described = [api.describe_statement(Id=s["Id"])["SessionId"] for s in found]
    assert described == [session] * 10


def test_a_failed_load_is_rolled_back_and_explained(client, storage):
    loader = RedshiftDataLoader(client, storage, iam_role=ROLE)
    loader.load(plan(storage))
    bad = ROWS["venues"] + "2,H,B,DE,hall,many\n"
    with pytest.raises(LoadError, match="rejected 1 of 2 rows"):
        loader.load(plan(storage, "r2", venues=bad, artists=ROWS["artists"] + "2,B,,,\n"))
    assert counts(client) == [1, 1, 1, 1]


def impatient(api, **options):
    """A connection that waits between looks for as long as a test may."""
    pause = threading.Event().wait
    return DataApiConnection(api, TARGET, sleep=lambda s: pause(0.01), **options)


class Interrupting:
    """The Data API, while the user presses Ctrl-C at the first look at a statement."""

    def __init__(self, api, words):
        self.api, self.words, self.id = api, words, None

    def __getattr__(self, name):
        return getattr(self.api, name)

    def execute_statement(self, **given):
        started = self.api.execute_statement(**given)
        if self.words in given["Sql"]:
            self.id = started["Id"]
        return started

    def describe_statement(self, **given):
        if given["Id"] == self.id:
            self.id = None
            raise KeyboardInterrupt
        return self.api.describe_statement(**given)


LONG_QUERY = "SELECT COUNT(*) FROM pg_class a, pg_class b, pg_class c, pg_class d"


def test_after_ctrl_c_no_transaction_and_no_lock_stays(api, client):
    interrupted = Interrupting(api, "pg_class d")
    other = RedshiftClient(lambda: impatient(interrupted), sleep=lambda s: None)
    with closing(other), pytest.raises(KeyboardInterrupt), other.transaction():
        other.execute("DELETE FROM concert_dw.artists")
        other.query(LONG_QUERY)
    with client.transaction():  # the lock of the DELETE would keep it waiting
        client.execute("LOCK concert_dw.artists")


def test_a_session_that_a_statement_still_holds_gets_its_rollback(api, client):
    connection = impatient(api)
    with closing(connection):
        connection.begin()
        connection.run("LOCK concert_dw.artists")
        api.execute_statement(Sql=LONG_QUERY, SessionId=connection._session)
        held = api.list_statements(MaxResults=1)["Statements"][0]["Id"]
        stopping = threading.Timer(0.2, lambda: api.cancel_statement(Id=held))
        stopping.start()
        connection.rollback()
        stopping.join()
    with client.transaction():
        client.execute("LOCK concert_dw.artists")


@pytest.mark.parametrize("way", ["driver", "data-api"])
def test_a_read_leaves_no_transaction_open(cloud, api, client, way):
    """Also the first of a connection."""
    connect = cloud.connect_redshift if way == "driver" else lambda: DataApiConnection(api, TARGET)
    with closing(RedshiftClient(connect)) as fresh:
        pid = fresh.query_value("SELECT pg_backend_pid()")
        fresh.query("SELECT * FROM concert_dw.artists")
        fresh.row_count("concert_dw", "venues")
        assert fresh.connection.status == psycopg2.extensions.STATUS_READY
        with superuser_of(cloud) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,))
            assert cursor.fetchall() == [("idle",)]


@pytest.mark.parametrize("pause_s", [1000.0, 30.0])
def test_a_long_training_writes_its_predictions_at_its_end(cloud, api, client, pause_s):
    now = [0.0]
    slow = RedshiftClient(
        lambda: impatient(api, keep_alive_s=1), sleep=lambda s: None, clock=lambda: now[0]
    )
    with closing(slow):
        slow.query("SELECT * FROM concert_dw.concerts")
        ended = slow._connection._session  # the server ends what is idle for longer
        sessions = cloud._servers.services._built["redshift-data"]._runner.sessions
        wait_until(lambda: ended not in sessions, "the idle session has ended")
        now[0] = pause_s  # with a short one the client does not look first
        frame = pd.DataFrame([{"concert_id": "c", "starts_at": pd.Timestamp("2026-01-01"),
                               "tickets": 1, "low": 1, "high": 2, "confidence": 0.9,
                               "sell_out": 0.1, "demand": 1, "sold_so_far": 1, "moved_tickets": 1,
                               "moved_low": 1, "moved_high": 2,
                               "as_of": pd.Timestamp("2025-09-30")}])  # fmt: skip
        ranking = pd.DataFrame(columns=["venue_id", "rank", "score", "forecast", "low", "high"])
        model = SimpleNamespace(version=1, role="champion")
        assert write_predictions(slow, frame, ranking, model, model)["concert_predictions"] == 1
    assert client.row_count("concert_dw", "concert_predictions") == 1


def test_a_row_that_the_data_api_does_not_return(client):
    with pytest.raises(WarehouseError) as caught:
        client.query("SELECT REPEAT('x', 65000) AS a, REPEAT('y', 65000) AS b")
    assert "Packet for query is too large" in caught.value.cause


def test_rejected_keys_of_any_length_are_read(client):
    with client.transaction():
        client.execute("DELETE FROM concert_dw.rejected_records")
        client.execute("INSERT INTO concert_dw.rejected_records (run_id, table_name, record_key, "
                       "rule, raw_record) VALUES ('r', 'artists', REPEAT('k', 65000), 'x', "
                       "REPEAT('k', 65000))")  # fmt: skip
    assert len(client.query(_REJECTED)[0]["record_key"]) == 200


def test_values_are_the_drivers(client):
    row = client.query(
        "SELECT 1 AS i, CAST(1.5 AS DECIMAL(5,2)) AS d, CAST(0.5 AS FLOAT8) AS f, TRUE AS b, "
        "CAST('2024-02-29' AS DATE) AS day, CAST('2024-02-29 10:00:00' AS TIMESTAMP) AS at, "
        "NULL AS n, %s AS s, %s AS w",
        ("it's 100% \\ é", Decimal("1.25")),
    )
    assert row == [
        {"i": 1, "d": Decimal("1.50"), "f": 0.5, "b": True, "day": date(2024, 2, 29),
         "at": datetime(2024, 2, 29, 10), "n": None, "s": "it's 100% \\ é", "w": Decimal("1.25")}
    ]  # fmt: skip


def test_a_result_has_all_its_pages(client):
    client.execute("CREATE TEMP TABLE numbers (n INTEGER)")
    client.execute("INSERT INTO numbers VALUES (1), (2), (3), (4), (5)")
    frame = client.query_dataframe(
        "SELECT n, REPEAT('x', 60000) AS wide FROM numbers, (SELECT 1 FROM pg_class LIMIT 6) s "
        "ORDER BY n"
    )
    assert frame["n"].tolist() == [n for n in range(1, 6) for _ in range(6)]
    assert client.query_value("SELECT n FROM numbers WHERE n = 9") is None


def test_a_refused_statement_is_an_error_with_redshifts_text(client):
    with pytest.raises(WarehouseError) as caught:
        client.query("SELECT * FROM concert_dw.nothing")
    assert 'relation "concert_dw.nothing" does not exist' in caught.value.cause
    assert client.query_value("SELECT 1") == 1


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (refusal("AccessDeniedException"), "the Data API refused: AccessDeniedException: no"),
        (EndpointConnectionError(endpoint_url="x"), "the Data API does not answer"),
    ],
)
def test_no_data_api_is_unreachable(failure, cause):
    class Closed:
        def execute_statement(self, **_):
            raise failure

    connect = lambda: DataApiConnection(Closed(), TARGET)  # noqa: E731
    client = RedshiftClient(connect, sleep=lambda s: None, query_group="x")
    with pytest.raises(UnreachableError) as caught:
        client.query_value("SELECT 1")
    assert caught.value.cause.startswith(cause)


class Quick:
    """The Data API without the seconds that it waits for a statement's end."""

    def __init__(self, api):
        self.api = api

    def __getattr__(self, name):
        return getattr(self.api, name)

    def describe_statement(self, *, Id, WaitTimeSeconds):
        return self.api.describe_statement(Id=Id)


def test_a_statement_that_never_ends_is_canceled(api):
    clock = iter([0, *[2_000] * 10_000])
    quick = Quick(api)
    connection = DataApiConnection(quick, TARGET, sleep=lambda s: None, clock=lambda: next(clock))
    with closing(connection), pytest.raises(Exception, match="not done after 1800 s"):
        connection.run(LONG_QUERY)
    (last,) = api.list_statements(MaxResults=1)["Statements"]
    assert api.describe_statement(Id=last["Id"], WaitTimeSeconds=10)["Status"] == "ABORTED"
