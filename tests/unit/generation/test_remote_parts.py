"""Generation by a cluster's tasks, without the cluster: what is shipped, and what each stores."""

import json
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

import src
from src.errors import UsageError
from src.infrastructure.aws.job_library import generator_library, generator_modules
from src.orchestration.pipeline.generation_stage import generated
from src.services.generation.concert_world import WorldSize
from src.services.generation.later_days import WorldClock
from src.services.generation.recipe import Recipe, recipe_from
from src.services.generation.remote_parts import place
from src.services.synthetic_data_generator import SyntheticDataGenerator
from src.settings import Settings
from tests.conftest import FolderSink

PACKAGE = Path(src.__file__).parent
SIZE = WorldSize(60, 30, 3_000, 600_000)  # three files of sales
# Runs the tasks from the last to the first: no part depends on another.
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
from src.services.generation import remote_parts
assert remote_parts.__file__.startswith(sys.argv[1]), remote_parts.__file__

class Context:
    def parallelize(self, items, slices):
        assert slices == len(items)
        self.items = items
        return self
    def map(self, task):
        self.task = task
        return self
    def collect(self):
        made = [self.task(item) for item in reversed(self.items)]
        assert not any(one.body for one in made)
        return made[::-1]

remote_parts.generate(Context(), sys.argv[2], sys.argv[3])
"""


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("raw_format", ["json", "parquet"])
def test_the_shipped_modules_alone_make_the_same_files(tmp_path, raw_format):
    recipe = Recipe(SIZE, 5, 0.05, raw_format, WorldClock(date(2025, 10, 2)))
    library = tmp_path / "modules.zip"
    library.write_bytes(generator_library(PACKAGE))
    command = [sys.executable, "-c", ALONE, str(library), recipe.as_text(), str(tmp_path / "far")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    generator = SyntheticDataGenerator(
        SIZE, seed=recipe.seed, defect_rate=recipe.defect_rate, clock=recipe.clock
    )
    manifest = generator.export(FolderSink(tmp_path / "near"), raw_format, "")
    far = files_of(tmp_path / "far")
    left = json.loads(far.pop("_generated.json"))
    assert far == files_of(tmp_path / "near")
    assert left == json.loads(json.dumps(manifest.as_dict()))
    assert manifest.tables["ticket_sales"].files[2:]


def test_the_same_modules_are_the_same_file_whatever_their_times(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "src" / "domain").mkdir(parents=True)
        (tmp_path / name / "src" / "domain" / "x.py").write_text("X = 1\n")
    first, second = (generator_library(tmp_path / name / "src") for name in ("a", "b"))
    assert first == second
    (tmp_path / "b" / "src" / "domain" / "x.py").write_text("X = 2\n")
    assert generator_library(tmp_path / "b" / "src") != first


def test_the_cluster_computes_with_the_versions_installed_here():
    pinned = dict(text.split("==") for text in generator_modules())
    assert pinned.keys() >= {"numpy", "scipy", "pyarrow", "faker", "isal"}
    assert pinned == {name: version(name) for name in pinned}


@pytest.mark.parametrize("clock", [WorldClock(), WorldClock(date(2025, 10, 7), date(2025, 10, 1))])
def test_a_recipe_survives_its_text(clock):
    recipe = Recipe(SIZE, 2**63 - 1, 0.125, "csv", clock)
    assert recipe_from(recipe.as_text()) == recipe


def test_a_task_stores_its_files_in_a_folder_or_a_bucket(tmp_path, monkeypatch):
    place(str(tmp_path / "x/")).put("artists/part-0", b"here")
    assert files_of(tmp_path) == {"x/artists/part-0": b"here"}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="raw-of-a-test")
        place("s3://raw-of-a-test/raw/d/").put("artists/part-0", b"there")
        found = s3.get_object(Bucket="raw-of-a-test", Key="raw/d/artists/part-0")
        assert found["Body"].read() == b"there"


def test_sales_that_the_concerts_cannot_carry_are_refused_before_a_job_starts():
    class Environment:
        """Has no Glue and no bucket: nothing may be asked of them."""

    settings = Settings(artists=10, venues=5, concerts=20, sales=10**9, generate_on="glue")
    with pytest.raises(UsageError, match="more rows than"):
        generated(Environment(), settings, "d", None, print)
