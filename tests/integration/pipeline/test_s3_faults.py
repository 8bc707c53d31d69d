"""S3 behind a network that fails: what one more attempt mends is mended, the rest is said."""

from contextlib import closing

import boto3
import psycopg2
import pytest
from botocore.config import Config

from src.errors import StorageError, UnreachableError
from src.infrastructure.storage.s3_storage import S3Storage
from src.local_cloud.redshift.connection import connect
from tests.faulty_proxy import FaultyProxy

BODY = bytes(range(256)) * 4000
FAULTS = ["500", "503", "slow", "reset", "truncated"]


@pytest.fixture(scope="module")
def proxy(cloud):
    with closing(FaultyProxy(cloud.s3_client().meta.endpoint_url)) as proxy:
        yield proxy


@pytest.fixture
def storage(cloud, proxy, request):
    # Only what is to wait in vain waits shortly: a busy machine is slow, too.
    is_slow = "slow" in request.node.callspec.params.values()
    keys = cloud.s3_client()._request_signer._credentials
    client = boto3.client(
        "s3", endpoint_url=proxy.endpoint, region_name="us-east-1",
        aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
        config=Config(
            s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 3},
            read_timeout=1.5 if is_slow else 60, connect_timeout=60,
        ),
    )  # fmt: skip
    proxy.strike(None, 0)
    storage = S3Storage(client, "fault-tests")
    storage.ensure_bucket()
    storage.put("there", BODY)
    return storage


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("times", [1, 2])
def test_what_passes_is_mended_by_another_attempt(storage, proxy, fault, times):
    proxy.strike(fault, times)
    assert storage.get("there") == BODY
    assert proxy.struck == times
    if fault == "truncated":
        return  # only answers with a body can be
    proxy.strike(fault, times)
    storage.put("new", BODY)
    proxy.strike(fault, times)
    assert [o.size for o in storage.list_objects("new")] == [len(BODY)]
    assert storage.get("new") == BODY


@pytest.mark.parametrize("fault", FAULTS)
def test_what_stays_is_an_error_and_nothing_half_written(storage, proxy, fault):
    proxy.strike(fault, 100)
    with pytest.raises((StorageError, UnreachableError)) as caught:
        storage.get("there")
    error = caught.value
    assert error.where == "s3://fault-tests/there" and error.cause and error.hint
    if fault != "truncated":
        with pytest.raises((StorageError, UnreachableError)):
            storage.put(f"never-{fault}", BODY)
    proxy.strike(None, 0)
    assert storage.get("there") == BODY
    found = storage.list_objects(f"never-{fault}")
    assert fault == "slow" or found == []  # a slow server may have heard us to the end
    assert all(o.size == len(BODY) for o in found)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("body", [b"1\n" * 400_000, b"x\n" * 400_000], ids=["good", "bad"])
def test_a_copy_whose_source_fails_is_the_servers_error_and_loads_nothing(
    cloud, storage, proxy, fault, body
):
    opened = closing(connect(s3=storage._client, **cloud.redshift_address()))
    with opened as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE faults (n INTEGER); INSERT INTO faults VALUES (7)")
        connection.commit()
        storage.put("copy/part", body)
        proxy.strike(fault, 100)
        with pytest.raises(psycopg2.Error) as caught:
            cursor.execute("COPY faults FROM 's3://fault-tests/copy/' IAM_ROLE default CSV")
        assert caught.value.pgcode == "XX000"
        connection.rollback()
        proxy.strike(None, 0)
        cursor.execute("SELECT n FROM faults")
        assert cursor.fetchall() == [(7,)]
