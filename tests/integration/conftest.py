"""What the tests of the local Redshift share: a table, a prefix, and files to load."""

import contextlib
import io
import uuid
from decimal import Decimal

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.local_cloud.local_cloud import LocalCloud
from tests.conftest import Script

BUCKET = "copy-tests"


@pytest.fixture(scope="session")
def bucket(cloud):
    cloud.s3_client().create_bucket(Bucket=BUCKET)
    return cloud.s3_client()


def superuser_of(cloud):
    """Return a connection of the server's own superuser; a client has no right to look behind."""
    connection = psycopg2.connect(**cloud._servers._postgres.superuser_address())
    connection.autocommit = True
    return contextlib.closing(connection)


def end_session(cloud, pid):
    """End a session at the server, as a restart of the warehouse does."""
    with superuser_of(cloud) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))


class HostedScript(Script):
    """Runs scripts on servers that stay up; what they left in the warehouse is dropped."""

    def __init__(self, folder, cloud):
        super().__init__(folder)
        self.cloud, self.state = cloud, cloud.folder
        with contextlib.closing(cloud.connect_redshift()) as connection:
            for schema in ("concert_dw", "concert_staging"):
                connection.cursor().execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            connection.commit()


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Servers that stay up while a module's scripts run on them, one after the other."""
    with LocalCloud(tmp_path_factory.mktemp("host") / ".demo", role="host") as cloud:
        yield cloud


@pytest.fixture
def hosted(host, tmp_path):
    return HostedScript(tmp_path, host)


@pytest.fixture
def connection(cloud):
    connection = cloud.connect_redshift()
    yield connection
    connection.close()


class Table:
    """A fresh table and a fresh prefix."""

    def __init__(self, s3, connection):
        self.s3, self.connection = s3, connection
        self.cursor = connection.cursor()
        self.prefix = uuid.uuid4().hex[:12]
        self.name = f"public.t_{self.prefix}"
        self.run(
            f"CREATE TABLE {self.name} (id VARCHAR(6) NOT NULL, n INTEGER, p DECIMAL(6,2), "
            "at TIMESTAMP, PRIMARY KEY (id))"
        )
        connection.commit()

    def put(self, body, name="a"):
        body = body.encode() if isinstance(body, str) else body
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=body)
        return f"s3://{BUCKET}/{self.prefix}/{name}"

    @property
    def folder(self):
        return f"s3://{BUCKET}/{self.prefix}/"

    def run(self, statement, arguments=None):
        self.cursor.execute(statement, arguments)
        return self.cursor.fetchall() if self.cursor.description else None

    def copy(self, options, source=None, columns=""):
        source = source or f"s3://{BUCKET}/{self.prefix}/"
        role = "IAM_ROLE 'arn:aws:iam::123456789012:role/r'"
        self.run(f"COPY {self.name} {columns} FROM '{source}' {role} {options}")

    def rows(self):
        return self.run(f"SELECT id, n, p, CAST(at AS VARCHAR) FROM {self.name} ORDER BY id, n")

    def errors(self):
        return self.run(
            "SELECT line_number, TRIM(colname), TRIM(type), TRIM(raw_field_value), err_code, "
            "TRIM(err_reason) FROM stl_load_errors WHERE query = pg_last_copy_id() "
            "ORDER BY filename, line_number"
        )


@pytest.fixture
def table(bucket, connection):
    return Table(bucket, connection)


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def columns(**changes):
    base = {
        "id": ["a", ""],
        "n": pa.array([1, None], pa.int32()),
        "p": pa.array([Decimal("1.20"), None], pa.decimal128(6, 2)),
        "at": pa.array([1704164645000000, None], pa.timestamp("us", tz="UTC")),
    }
    return {**base, **changes}


@pytest.fixture(scope="module")
def execute(cloud):
    """Run a statement on a connection of the module's; returns its rows, or how many it changed."""
    with contextlib.closing(cloud.connect_redshift()) as connection:
        connection.autocommit = True
        cursor = connection.cursor()

        def run(statement, arguments=None):
            cursor.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else cursor.rowcount

        yield run
