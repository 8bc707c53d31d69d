"""Storage against moto's S3, which enforces what the local server leaves out."""

import json

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from src.domain.dataset import DataFile, DatasetManifest, TableFiles, manifest_from_dict
from src.domain.tables import TABLES
from src.errors import StorageError, UnreachableError
from src.infrastructure.s3_storage import RawDatasets, S3Storage


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


def test_a_bucket_elsewhere_gets_its_region():
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x",
                              aws_secret_access_key="x")  # fmt: skip
        S3Storage(client, "eu-bucket", region="eu-west-1").ensure_bucket()
        answer = client.get_bucket_location(Bucket="eu-bucket")
        assert answer["LocationConstraint"] == "eu-west-1"


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
    with pytest.raises(StorageError, match="concerts has lost a file") as caught:
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


def test_no_credentials_and_no_server_are_unreachable(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config = Config(retries={"max_attempts": 0}, connect_timeout=1)
    client = boto3.client("s3", region_name="us-east-1", config=config)
    with pytest.raises(UnreachableError, match="no AWS credentials"):
        S3Storage(client, "some-bucket").ensure_bucket()
    client = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", region_name="us-east-1", config=config,
        aws_access_key_id="x", aws_secret_access_key="x",
    )  # fmt: skip
    with pytest.raises(UnreachableError, match="does not answer"):
        S3Storage(client, "some-bucket").ensure_bucket()
