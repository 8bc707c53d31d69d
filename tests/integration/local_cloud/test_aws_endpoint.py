"""The AWS endpoint over HTTP: signatures, validation, the Data API's states, temporary users."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from botocore.exceptions import ClientError

from src.local_cloud.endpoint.warehouse_access import NAME, Login, TemporaryUsers
from src.local_cloud.servers.server_set import local_client

WHERE = {"WorkgroupName": NAME, "Database": "dev", "WaitTimeSeconds": 10}


@pytest.fixture(scope="module")
def data(cloud):
    with closing(cloud.aws_client("redshift-data")) as client:
        yield client


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"secret_key": "another"}, ("InvalidSignatureException", "SignatureDoesNotMatch")),
        ({"access_key": "AKIAANOTHERKEYPAIR"},
         ("UnrecognizedClientException", "InvalidClientTokenId")),
    ],
)  # fmt: skip
def test_another_key_pair_is_refused(cloud, changes, codes):
    address, secret = cloud._entered()
    wrong = replace(secret, **changes)
    glue = local_client("glue", address.aws_endpoint, wrong)
    redshift = local_client("redshift", address.aws_endpoint, wrong)
    found = code_of(glue.get_job, JobName="x"), code_of(redshift.describe_clusters)
    assert found == codes


def test_a_batch_is_one_transaction_and_a_token_one_statement(data):
    done = data.execute_statement(Sql="CREATE TABLE batch_t (n INT)", **WHERE)
    assert done["Status"] == "FINISHED"
    sqls = ["INSERT INTO batch_t VALUES (1)", "SELECT 1/0", "SELECT 2"]
    failed = data.batch_execute_statement(Sqls=sqls, **WHERE)
    states = data.describe_statement(Id=failed["Id"])
    assert [s["Status"] for s in states["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert states["Status"] == "FAILED" and states["Error"].startswith("ERROR: ")
    twice = [
        data.execute_statement(Sql="INSERT INTO batch_t VALUES (:n)", ClientToken="once",
                               Parameters=[{"name": "n", "value": "7"}], **WHERE)["Id"]
        for _ in range(2)
    ]  # fmt: skip
    assert twice[0] == twice[1]
    found = data.execute_statement(Sql="SELECT n FROM batch_t", ResultFormat="CSV", **WHERE)
    page = data.get_statement_result_v2(Id=found["Id"])
    assert page["Records"] == [{"CSVRecords": "n\r\n7\r\n"}]
    columns = data.describe_table(WorkgroupName=NAME, Database="dev", Table="batch_t")
    assert [c["name"] for c in columns["ColumnList"]] == ["n"]
    data.execute_statement(Sql="DROP TABLE batch_t", **WHERE)


def test_what_the_data_api_refuses_has_its_codes(data):
    unknown = "00000000-0000-4000-8000-000000000001"
    assert code_of(data.describe_statement, Id=unknown) == "ResourceNotFoundException"
    other = {**WHERE, "WorkgroupName": "another"}
    assert code_of(data.execute_statement, Sql="SELECT 1", **other) == "ValidationException"
    done = data.execute_statement(Sql="SELECT 1", **WHERE)
    assert code_of(data.cancel_statement, Id=done["Id"]) == "ValidationException"


def test_a_temporary_password_enters_the_warehouse(cloud):
    given = cloud.aws_client("redshift").get_cluster_credentials(
        ClusterIdentifier=NAME, DbUser="demo"
    )
    address = {**cloud.front_address(), "user": given["DbUser"]}
    with closing(psycopg2.connect(**{**address, "password": given["DbPassword"]})) as connection:
        assert connection.closed == 0
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**{**address, "password": given["DbPassword"][:-1]})


def test_a_temporary_password_expires():
    times = [datetime(2026, 1, 1, tzinfo=UTC)]
    users = TemporaryUsers("demo", now=lambda: times[-1])
    name, password, until = users.create("demo", 900)
    assert name == "IAM:demo"
    assert users.login("IAM:demo", password.encode()) == Login("demo")
    times.append(until + timedelta(seconds=1))
    assert users.login("IAM:demo", password.encode()) is None


@pytest.fixture
def users(cloud):
    names = ("cred_low", "cred_new")
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in ("DROP TABLE IF EXISTS cred_t", "CREATE TABLE cred_t (n INT)",
                              "CREATE USER cred_low PASSWORD 'Secret-123x'",
                              "CREATE GROUP cred_readers",
                              "GRANT SELECT ON cred_t TO GROUP cred_readers"):  # fmt: skip
                cursor.execute(statement)
            yield cursor
            cursor.execute("DROP TABLE cred_t; DROP GROUP cred_readers")
            for name in names:
                cursor.execute(f"DROP USER IF EXISTS {name}")


def test_temporary_credentials_are_a_users_with_its_rights(cloud, users):
    redshift = cloud.aws_client("redshift")

    def entered(**options):
        given = redshift.get_cluster_credentials(ClusterIdentifier=NAME, **options)
        address = {**cloud.front_address(), "user": given["DbUser"]}
        return closing(psycopg2.connect(**{**address, "password": given["DbPassword"]}))

    def may_read(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, has_table_privilege('cred_t', 'SELECT')")
            return cursor.fetchone()

    with pytest.raises(psycopg2.OperationalError, match='user "cred_new" does not exist'):
        entered(DbUser="cred_new").__enter__()
    with entered(DbUser="cred_low") as connection:
        assert may_read(connection) == ("cred_low", False)
    with entered(DbUser="cred_low", DbGroups=["cred_readers"]) as connection:
        assert may_read(connection) == ("cred_low", True)
    with entered(DbUser="cred_new", AutoCreate=True) as connection:
        assert may_read(connection) == ("cred_new", False)
    with pytest.raises(psycopg2.OperationalError, match='group "cred_none" does not exist'):
        entered(DbUser="cred_low", DbGroups=["cred_none"]).__enter__()
    data = cloud.aws_client("redshift-data")

    def ran(user, sql="SELECT current_user FROM cred_t"):
        place = {"ClusterIdentifier": NAME, "Database": "dev", "DbUser": user}
        started = data.execute_statement(Sql=sql, **place, WaitTimeSeconds=20)
        done = data.describe_statement(Id=started["Id"], WaitTimeSeconds=20)
        return done["Status"], done.get("Error", "")

    assert ran("demo") == ("FINISHED", "")
    assert ran("cred_low", "SELECT 1") == ("FINISHED", "")
    assert "permission denied for table cred_t" in ran("cred_low")[1]
    assert ran("cred_nobody")[0] == "FAILED"
    assert 'user "cred_nobody" does not exist' in ran("cred_nobody")[1]
    with pytest.raises(ClientError, match="not allowed"):
        ran("x' user=demo")
    own = {**cloud.front_address(), "user": "cred_low", "password": "Secret-123x"}
    psycopg2.connect(**own).close()  # its own password is what it was
