"""Laws of model.tar.gz: one version, one file; what is read was saved, or is refused."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import SavedModelError
from src.serving.model_package import package, read_package
from src.serving.predictor import Predictor

FILES = st.dictionaries(st.sampled_from(["state.json", "trees.npz", "golden.json", "point.skops"]),
                        st.binary(max_size=200), min_size=1)  # fmt: skip


@given(FILES, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_same_version_gives_the_same_bytes(tmp_path_factory, files, dice):
    names = dice.sample(list(files), len(files))
    packed = package(files, {"name": "ticket_sales", "version": 1})
    shuffled = package({n: files[n] for n in names}, {"version": 1, "name": "ticket_sales"})
    assert packed == shuffled
    path = tmp_path_factory.getbasetemp() / "model.tar.gz"
    path.write_bytes(packed)
    found, manifest = read_package(path)
    is_left_out = "trees.npz" in files
    assert found == {n: b for n, b in files.items() if not (is_left_out and n == "point.skops")}
    assert package(found, manifest) == packed


def test_a_package_answers_as_the_folder_does(saved, tmp_path):
    files, manifest = saved
    path = tmp_path / "model.tar.gz"
    path.write_bytes(package(files, manifest))
    assert path.stat().st_size <= 1_000_000
    record = {"capacity": "800", "starts_at": "2026-05-01 20:00"}
    assert Predictor.load(path).one(record) == Predictor.of_files(files, manifest).one(record)


def test_a_damaged_package_is_refused(saved, tmp_path):
    body = package(*saved)
    dice, path = random.Random(5), tmp_path / "model.tar.gz"
    for _ in range(60):
        place = dice.randrange(
            10, len(body) - 8
        )  # the header's time and name, and the end, are free
        damaged = bytearray(body)
        damaged[place] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged if dice.random() < 0.8 else body[:place])
        try:
            found = read_package(path)
        except SavedModelError:
            continue
        assert found[0] == read_package_of(body, tmp_path)  # a bit that means nothing to gzip


def read_package_of(body, folder):
    (folder / "whole.tar.gz").write_bytes(body)
    return read_package(folder / "whole.tar.gz")[0]


@pytest.mark.parametrize("name", ["../state.json", "/etc/passwd", "a/b"])
def test_a_name_that_leaves_the_folder_is_refused(name, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {name: {"sha256": "0"}}}))
    with pytest.raises(SavedModelError, match="no whole saved model"):
        read_package(tmp_path)


def test_a_model_that_predicts_otherwise_is_refused(saved):
    files, manifest = saved
    golden = files["golden.json"].replace(b'"predictions": [', b'"predictions": [1', 1)
    with pytest.raises(SavedModelError, match="does not predict what it predicted"):
        Predictor.of_files({**files, "golden.json": golden}, manifest)


def test_another_model_is_refused(saved):
    files, manifest = saved
    with pytest.raises(SavedModelError, match="not ticket_sales"):
        Predictor.of_files(files, {**manifest, "name": "venue_popularity"})
