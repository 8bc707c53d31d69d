"""The loader and the client through a Data API, which has sessions and no driver."""

import threading
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal

import pytest
from botocore.exceptions import EndpointConnectionError

from src.errors import LoadError, UnreachableError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.data_api import DataApiConnection
from tests.aws.validating import refusal
from tests.integration.pipeline.test_loader import ROLE, ROWS, counts, plan

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


def test_a_statement_that_never_ends_is_canceled(api):
    clock = iter(range(0, 100_000, 1_000))
    connection = DataApiConnection(api, TARGET, sleep=lambda s: None, clock=lambda: next(clock))
    with closing(connection), pytest.raises(Exception, match="not done after 1800 s"):
        connection.run("SELECT COUNT(*) FROM pg_class a, pg_class b, pg_class c, pg_class d")
    (last,) = api.list_statements(MaxResults=1)["Statements"]
    assert api.describe_statement(Id=last["Id"], WaitTimeSeconds=10)["Status"] == "ABORTED"
