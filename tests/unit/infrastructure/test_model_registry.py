"""Saved models: versions are whole or absent, and nobody else's bytes are parsed."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from src.errors import SavedModelError, StorageError
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


STEPS = st.lists(
    st.sampled_from(["save", "promote", "hold", "roll back"]), min_size=1, max_size=12
)  # fmt: skip


class Memory(S3Storage):
    """A bucket that is a dict; what it compares is tested against moto below."""

    def __init__(self):
        self.bucket, self.objects = "memory", {}

    def put(self, key, body, *, content_type=None, over=None):
        self.objects[key] = body

    def find_tagged(self, key):
        return self.objects.get(key), "tag"

    def folders(self, prefix):
        return {key[len(prefix) :].split("/")[0] for key in self.objects if key.startswith(prefix)}


@given(steps=STEPS, numbers=st.randoms(use_true_random=False))
def test_aliases_keep_everything_that_was_decided(steps, numbers):
    """Whatever is done, the champion is the last promoted one, and no entry is lost."""
    name, seconds, start = "m", itertools.count(), datetime(2026, 1, 1, tzinfo=UTC)
    registry = ModelRegistry(
        Memory(), run_id="r1", now=lambda: start + timedelta(seconds=next(seconds))
    )
    champions, decided = [], []
    saved = 0
    for step in steps:
        if step == "save" or not saved:
            saved = registry.save(name, FILES, {})
            decided.append((saved, "not decided yet", "pending"))
            continue
        version, reason = numbers.randint(1, saved), f"because {next(seconds)}"
        if step == "promote":
            registry.promote(name, version, reason)
            champions.append((version, reason, "promoted"))
        if step == "roll back":
            registry.roll_back(name, version, reason)
            champions.append((version, reason, "rolled back to"))
            continue
        if step == "hold":
            registry.hold(name, version, reason)
        if decided[-1][0] == version and decided[-1][2] == "pending":
            decided.pop()
        decided.append((version, reason, "promoted" if step == "promote" else "held"))
    for kept, expected in ((registry.champions(name), champions),
                           (registry.decisions(name), decided)):  # fmt: skip
        assert [(e.version, e.reason, e.state) for e in reversed(kept)] == expected
        times = [entry.since for entry in reversed(kept)]
        assert times == sorted(times) and {entry.by for entry in kept} <= {"r1"}
    if champions:
        assert registry.champion(name).version == champions[-1][0]


def test_an_alias_of_the_first_version_of_this_program_is_read(storage):
    registry = ModelRegistry(storage)
    registry.promote("m", registry.save("m", FILES, {}), "first")
    entry = json.loads(storage.get("models/m/aliases/champion.json"))
    old = {name: entry[name] for name in ("version", "manifest_sha256", "reason")}
    storage.put("models/m/aliases/champion.json", json.dumps(old).encode())
    assert registry.champion("m").version == 1
    registry.promote("m", registry.save("m", FILES, {}), "better")
    assert [entry.version for entry in registry.champions("m")] == [2, 1]


@pytest.mark.parametrize("act", ["promote", "hold", "roll_back"])
def test_what_another_run_wrote_meanwhile_is_kept(storage, monkeypatch, act):
    """Two runs read the same alias; the second to write is refused, and changes nothing."""
    registry, other = ModelRegistry(storage), ModelRegistry(storage, run_id="other")
    for _ in range(2):
        registry.promote("m", registry.save("m", FILES, {}), "first")
    find = storage.find_tagged

    def find_and_lose(key):
        found = find(key)
        monkeypatch.setattr(storage, "find_tagged", find)
        if "aliases" in key:
            getattr(other, act)("m", 1, "the other's")
        else:
            monkeypatch.setattr(storage, "find_tagged", find_and_lose)
        return found

    monkeypatch.setattr(storage, "find_tagged", find_and_lose)
    with pytest.raises(StorageError, match="another run has written the m model") as caught:
        getattr(registry, act)("m", 2, "mine")
    assert caught.value.hint
    newest = registry.decisions("m")[0] if act == "hold" else registry.champions("m")[0]
    assert (newest.version, newest.by, newest.reason) == (1, "other", "the other's")


def test_a_version_that_two_runs_begin_at_once_belongs_to_one(storage, monkeypatch):
    registry = ModelRegistry(storage)
    registry.save("m", FILES, {})
    monkeypatch.setattr(registry, "versions", lambda _: [])  # as before the other had begun
    with pytest.raises(StorageError, match="another run has written"):
        registry.save("m", {**FILES, "a.skops": b"two"}, {})
    assert registry.load("m", 1).files == FILES


def test_a_repeated_write_whose_answer_was_lost_is_none_of_another_run(storage, monkeypatch):
    registry, put = ModelRegistry(storage), storage.put
    registry.save("m", FILES, {})

    def put_twice(key, body, **options):
        put(key, body, **options)
        put(key, body, **options)  # as botocore does after a connection that broke

    monkeypatch.setattr(storage, "put", put_twice)
    registry.promote("m", 1, "first")
    assert [entry.version for entry in registry.champions("m")] == [1]
