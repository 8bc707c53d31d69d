"""Saved models: versions are whole or absent, and nobody else's bytes are parsed."""

import json

import boto3
import pytest
from moto import mock_aws

from src.errors import SavedModelError
from src.infrastructure.storage.model_registry import ModelRegistry
from src.infrastructure.storage.s3_storage import S3Storage

FILES = {"a.skops": b"one", "state.json": b"{}"}


@pytest.fixture
def storage():
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x",
                              aws_secret_access_key="x")  # fmt: skip
        storage = S3Storage(client, "models-bucket")
        storage.ensure_bucket()
        yield storage


def test_versions_count_up_and_the_promoted_one_is_the_champion(storage, tmp_path):
    registry = ModelRegistry(storage, tmp_path)
    assert registry.save("m", FILES, {"note": 1}) == 1
    assert registry.save("m", {**FILES, "a.skops": b"two"}, {"note": 2}) == 2
    registry.promote("m", 2, "better")
    saved = registry.champion("m")
    assert saved.version == 2 and saved.files["a.skops"] == b"two" and saved.facts["note"] == 2
    assert registry.load("m", 1).files == FILES
    assert (tmp_path / "m/1/a.skops").read_bytes() == b"one"
    assert json.loads((tmp_path / "m/2/manifest.json").read_text())["version"] == 2


def test_no_champion_is_named_with_what_to_type(storage):
    with pytest.raises(SavedModelError, match="no saved m model") as caught:
        ModelRegistry(storage).champion("m")
    assert caught.value.hint == "python train_demo_models.py" and caught.value.exit_code == 2


def test_saved_is_not_promoted(storage):
    registry = ModelRegistry(storage)
    registry.save("m", FILES, {})
    with pytest.raises(SavedModelError, match="version 1 is a candidate only"):
        registry.champion("m")
    registry.promote("m", 1, "first")
    registry.hold("m", registry.save("m", FILES, {}), "worse than version 1")
    assert registry.champion("m").version == 1


def test_why_a_candidate_was_not_promoted_is_kept(storage):
    registry = ModelRegistry(storage)
    registry.hold("m", registry.save("m", FILES, {}), "gate coverage failed")
    with pytest.raises(SavedModelError) as caught:
        registry.champion("m")
    assert "gate coverage failed" in caught.value.cause


@pytest.mark.parametrize("alias", [b"", b"[]", b"{}", b'{"version": "x", "manifest_sha256": ""}'])
def test_an_alias_that_cannot_be_read_is_a_clear_error(storage, alias):
    storage.put("models/m/aliases/champion.json", alias)
    with pytest.raises(SavedModelError, match="failed its integrity check"):
        ModelRegistry(storage).champion("m")


@pytest.mark.parametrize("manifest", [b"x", b"[]", b"{}", b'{"files": 1}', b'{"files": {"a": 1}}'])
def test_a_manifest_of_wrong_content_is_a_clear_error(storage, manifest):
    storage.put("models/m/versions/1/manifest.json", manifest)
    with pytest.raises(SavedModelError, match="failed its integrity check"):
        ModelRegistry(storage).load("m", 1)


@pytest.mark.parametrize(
    ("file", "body", "words"),
    [
        ("a.skops", b"evil", "a.skops has changed"),
        ("a.skops", b"on", "a.skops has changed"),
        ("manifest.json", b'{"files": {}}', "not the one that was promoted"),
        ("manifest.json", None, "manifest is missing"),
        ("state.json", None, "state.json is missing"),
    ],
)
def test_a_version_that_was_touched_is_refused(storage, file, body, words):
    registry = ModelRegistry(storage)
    registry.promote("m", registry.save("m", FILES, {}), "first")
    key = f"models/m/versions/1/{file}"
    if body is None:
        storage.delete([key])
    else:
        storage.put(key, body)
    with pytest.raises(SavedModelError, match="failed its integrity check") as caught:
        registry.champion("m")
    assert words in caught.value.cause


def test_an_interrupted_save_is_no_version_and_its_number_is_not_reused(storage):
    registry = ModelRegistry(storage)
    registry.promote("m", registry.save("m", FILES, {}), "first")
    storage.put("models/m/versions/2/a.skops", b"half")
    assert registry.champion("m").version == 1
    assert registry.save("m", FILES, {}) == 3
