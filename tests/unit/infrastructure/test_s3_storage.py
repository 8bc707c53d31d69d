"""Storage against moto's S3, which enforces what the local server leaves out."""

import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from src.domain.dataset import DataFile, DatasetManifest, TableFiles, manifest_from_dict
from src.domain.tables import TABLES
from src.errors import StorageError, UnreachableError
from src.infrastructure.aws.bucket_setup import BucketSetup
from src.infrastructure.storage.raw_datasets import RawDatasets
from src.infrastructure.storage.s3_storage import S3Storage

ACCOUNT = "123456789012"  # moto's


@pytest.fixture
def client(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def storage(client):
    storage = S3Storage(client, "raw-bucket")
    storage.ensure_bucket()
    return storage


def manifest(name="d1", size=2):
    tables = {t.name: TableFiles((DataFile(f"{t.name}/part-0.json", size, 1),)) for t in TABLES}
    return DatasetManifest(name, "json", "input", tables)


def store(storage, entry):
    datasets = RawDatasets(storage)
    for table in entry.tables.values():
        datasets.sink(entry.dataset_id).put(table.files[0].path, b"{}")
    return datasets


def test_a_bucket_is_created_once(client):
    storage = S3Storage(client, "new-bucket")
    assert storage.ensure_bucket() is True
    assert storage.ensure_bucket() is False


@pytest.mark.parametrize("refusals", [2, 99])
def test_a_name_whose_bucket_is_being_deleted_is_waited_for(client, refusals):
    """For a while: S3 may take an hour, then it is said what to do."""
    slept, create, left = [], client.create_bucket, [refusals]

    def busy(**arguments):
        left[0] -= 1
        if left[0] >= 0:
            raise ClientError({"Error": {"Code": "OperationAborted", "Message": "again"}},
                              "CreateBucket")  # fmt: skip
        return create(**arguments)

    client.create_bucket = busy
    storage = S3Storage(client, "deleted-before", setup=setup_of(), sleep=slept.append)
    if refusals == 2:
        assert storage.ensure_bucket() is True and len(slept) == 2
        return
    with pytest.raises(StorageError, match="still deleting an earlier bucket") as caught:
        storage.ensure_bucket()
    assert "--raw-bucket" in caught.value.hint and 60 < sum(slept) < 300


def setup_of(region="us-east-1", owner=ACCOUNT, days=30):
    return BucketSetup(region, owner, days)


def regional(region):
    return boto3.client("s3", region_name=region)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-south-1"])
def test_a_bucket_is_created_protected_in_any_region(client, region):
    local = regional(region)
    assert S3Storage(local, "demo-bucket", setup=setup_of(region, days=7)).ensure_bucket() is True
    place = local.get_bucket_location(Bucket="demo-bucket")["LocationConstraint"]
    assert (place or "us-east-1") == region
    block = local.get_public_access_block(Bucket="demo-bucket")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True} and len(block) == 4
    (rule,) = local.get_bucket_encryption(Bucket="demo-bucket")[
        "ServerSideEncryptionConfiguration"
    ]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (statement,) = json.loads(local.get_bucket_policy(Bucket="demo-bucket")["Policy"])["Statement"]
    assert statement["Effect"] == "Deny" and statement["Resource"][0].endswith(":::demo-bucket")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    rules = local.get_bucket_lifecycle_configuration(Bucket="demo-bucket")["Rules"]
    expiring = {r["Filter"]["Prefix"] for r in rules if r.get("Expiration") == {"Days": 7}}
    assert "raw/" in expiring and not expiring & {"models/", "scripts/"}
    tags = local.get_bucket_tagging(Bucket="demo-bucket")["TagSet"]
    assert tags == [{"Key": "Project", "Value": "concert-data-platform-demo"}]


def test_a_bucket_that_a_killed_run_created_gets_its_settings(client):
    setup = setup_of()
    client.create_bucket(Bucket="half-done")
    client.put_bucket_tagging(Bucket="half-done", Tagging={"TagSet": setup.creation()["Tags"]})
    assert S3Storage(client, "half-done", setup=setup).ensure_bucket() is False
    assert client.get_public_access_block(Bucket="half-done")


def test_a_stacks_bucket_is_left_to_the_stack(client, monkeypatch):
    client.create_bucket(Bucket="of-a-stack")
    tags = [*setup_of().creation()["Tags"], {"Key": "aws:cloudformation:stack-name", "Value": "s"}]
    storage = S3Storage(client, "of-a-stack", setup=setup_of())
    monkeypatch.setattr(storage, "_tags", lambda: tags)
    assert storage.ensure_bucket() is False
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        client.get_bucket_lifecycle_configuration(Bucket="of-a-stack")


def test_tags_that_a_user_added_stay(client):
    storage = S3Storage(client, "tagged-bucket", setup=setup_of())
    storage.ensure_bucket()
    tags = [*setup_of().creation()["Tags"], {"Key": "Team", "Value": "data"}]
    client.put_bucket_tagging(Bucket="tagged-bucket", Tagging={"TagSet": tags})
    storage.ensure_bucket()
    assert client.get_bucket_tagging(Bucket="tagged-bucket")["TagSet"] == tags


def test_somebody_elses_settings_are_left_alone(client):
    client.create_bucket(Bucket="of-the-user")
    S3Storage(client, "of-the-user", setup=setup_of()).ensure_bucket()
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        client.get_bucket_lifecycle_configuration(Bucket="of-the-user")


def test_a_bucket_in_another_region_is_refused(client):
    regional("eu-west-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(StorageError, match="is in eu-west-1; the demo runs in us-east-1") as caught:
        S3Storage(client, "far-away", setup=setup_of()).ensure_bucket()
    assert "AWS_REGION=eu-west-1" in caught.value.hint


def without_policies(client):
    """moto denies what a policy denies under a condition, whatever the condition."""
    done = (SimpleNamespace(status_code=204), {})
    client.meta.events.register("before-call.s3.PutBucketPolicy", lambda **_: done)


def test_every_call_says_whose_the_bucket_must_be(client):
    seen = {}

    def note(params, model, **_):
        seen[model.name] = params["headers"].get("x-amz-expected-bucket-owner")

    client.meta.events.register("before-call.s3", note)
    without_policies(client)
    storage = S3Storage(client, "owned-bucket", setup=setup_of())
    storage.ensure_bucket()
    storage.put("a", b"x")
    storage.put("large", b"x" * (17 << 20))
    storage.get("a"), storage.list_objects(""), storage.delete(["a"])
    assert seen.pop("CreateBucket") is None  # has no owner yet
    assert len(seen) > 10 and set(seen.values()) == {ACCOUNT}


def test_a_large_object_goes_up_in_parts_with_checksums(client):
    calls = []
    client.meta.events.register(
        "before-call.s3", lambda params, model, **_: calls.append((model.name, params["headers"]))
    )
    storage = S3Storage(client, "parts-bucket")
    storage.ensure_bucket()
    body = bytes(range(256)) * (40 << 12)
    storage.put("large", body)
    parts = [headers for name, headers in calls if name == "UploadPart"]
    assert len(parts) == 3
    assert all(any("checksum" in h.lower() for h in headers) for headers in parts)
    assert storage.get("large") == body


def test_objects_come_back_and_a_missing_one_is_none(storage):
    storage.put("a/b", b"x")
    assert storage.get("a/b") == b"x" and storage.find("nope") is None
    with pytest.raises(StorageError) as caught:
        storage.get("nope")
    assert caught.value.where == "s3://raw-bucket/nope"


def test_listing_goes_past_one_page(storage):
    for i in range(1005):
        storage.put(f"p/{i:04d}", b"")
    assert len(storage.list_objects("p/")) == 1005
    storage.delete([o.key for o in storage.list_objects("p/")])
    assert storage.list_objects("p/") == []


def test_the_newest_committed_data_set_is_found(storage):
    datasets = store(storage, manifest("d1"))
    datasets.commit(manifest("d1"))
    store(storage, manifest("d2"))  # uploaded, never committed
    assert datasets.latest().dataset_id == "d1"


def test_an_empty_bucket_and_an_uncommitted_upload_are_told_apart(storage):
    datasets = RawDatasets(storage)
    with pytest.raises(StorageError, match="no complete raw data set") as caught:
        datasets.latest()
    assert "holds no raw data" in caught.value.cause
    store(storage, manifest("d1"))
    with pytest.raises(StorageError) as caught:
        datasets.latest()
    assert "incomplete uploads" in caught.value.cause


@pytest.mark.parametrize("damage", ["lost", "short"])
def test_a_damaged_data_set_is_refused(storage, damage):
    datasets = store(storage, manifest("d1"))
    datasets.commit(manifest("d1"))
    key = "raw/d1/concerts/part-0.json"
    if damage == "lost":
        storage.delete([key])
    else:
        storage.put(key, b"{")
    with pytest.raises(StorageError, match="a file of concerts is missing") as caught:
        datasets.latest()
    assert caught.value.where.endswith(key)


@pytest.mark.parametrize(
    "raw",
    [b"not json", b"[]", b'{"tables": {}}', b'{"tables": {"artists": {"files": []}}}',
     b'{"tables": {"artists": {"files": [{"path": "../x"}]}}}'],
)  # fmt: skip
def test_a_broken_manifest_is_refused_by_name(storage, raw):
    storage.put("raw/d1/_manifest.json", raw)
    with pytest.raises(StorageError, match="manifest of raw data set d1"):
        RawDatasets(storage).latest()


def test_a_manifest_written_by_hand_needs_only_paths():
    raw = {"tables": {t.name: {"files": [{"path": f"{t.name}/x.json"}]} for t in TABLES}}
    entry = manifest_from_dict(raw)
    assert entry.format == "json" and entry.tables["artists"].records is None


def test_a_manifest_survives_json():
    entry = manifest()
    assert manifest_from_dict(json.loads(json.dumps(entry.as_dict()))) == entry


def test_no_credentials_and_no_server_are_unreachable(monkeypatch, tmp_path, closed_port):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config = Config(retries={"max_attempts": 0}, connect_timeout=60)
    client = boto3.client("s3", region_name="us-east-1", config=config)
    with pytest.raises(UnreachableError, match="no AWS credentials"):
        S3Storage(client, "some-bucket").ensure_bucket()
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{closed_port}", config=config,
        region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x",
    )  # fmt: skip
    with pytest.raises(UnreachableError, match="does not answer"):
        S3Storage(client, "some-bucket").ensure_bucket()
