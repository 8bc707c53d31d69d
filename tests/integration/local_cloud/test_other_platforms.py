"""The whole pipeline with the code paths of a system that is not Linux."""

import sys

from tests.conftest import ROOT, SMALL

# Other packages choose their code when they are imported: theirs must stay that of this system.
AS_MACOS = f"""
import os, sys
import boto3, duckdb, faker, jinja2, jsonschema, numpy, pandas, psutil, psycopg2, pyarrow.parquet
import rich.console, scipy.stats, sqlglot
sys.platform = "darwin"
if hasattr(os, "sched_getaffinity"):
    del os.sched_getaffinity
sys.path.insert(0, {str(ROOT)!r})
from run_demo_pipeline import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_pipeline_runs_without_what_only_linux_has(script):
    options = [*SMALL, "--workers", "1", "--report-dir", str(script.folder / "r")]
    done = script.run_command([sys.executable, "-c", AS_MACOS, *options])
    assert done.returncode == 0, done.stderr
    assert "28 of 28 checks passed" in done.stderr
