"""The Glue job on Spark and on DuckDB over at least a million dirty rows: the same rows out."""

import json
import os
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

from src.domain.cleaning import job_argument
from src.domain.tables import TABLES
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.conftest import ROOT, FolderSink

ENGINES = {"duckdb": "duckdb_engine.py", "spark": "spark_engine.py"}


def parity(folder, sales=1_000_000, defect_rate=0.3):
    """Run both; returns times, rows, and whether rows, types, rejects and counts are equal."""
    size = WorldSize(2_000, 500, sales // 20, sales)
    generator = SyntheticDataGenerator(size, seed=3, defect_rate=defect_rate)
    manifest = generator.export(FolderSink(folder / "in"), "json", "x")
    figures = {"rows": manifest.records, "dirty_rows": manifest.defects + manifest.untidy}
    for engine in ENGINES:
        figures[f"{engine}_s"] = run_job(engine, folder / "in", manifest, folder / engine)
    figures["spark_to_duckdb"] = figures["spark_s"] / figures["duckdb_s"]
    figures["equal"] = float(all(_equal(folder, table) for table in TABLES))
    assert figures["equal"], "the engines differ"
    return figures


def run_job(engine, inputs, manifest, out):
    """Run the job on a data set in a folder; returns its seconds, its process's start included."""
    files = {
        name: [str(inputs / f.path) for f in table.files] for name, table in manifest.tables.items()
    }
    arguments = [
        str(ROOT / "src/glue_jobs/concert_etl_job.py"),
        "--tables", job_argument(TABLES),
        "--input", json.dumps(files), "--format", manifest.format,
        "--output", str(out / "clean"), "--quarantine", str(out / "rejected"),
        "--summary", str(out / "summary"),
    ]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, str(ROOT / "src/local_cloud/glue" / ENGINES[engine]), str(out / "spill")],
        input=json.dumps(arguments), text=True, check=True, capture_output=True,
        env=dict(os.environ),
    )  # fmt: skip
    return time.perf_counter() - started


def _equal(folder, table):
    found = [
        pq.read_table(folder / engine / "clean" / table.name).sort_by(table.key)
        for engine in ENGINES
    ]
    duckdb, spark = (one.cast(_comparable(one.schema)) for one in found)
    rejected = [
        sorted(
            (str(row["record_key"]), row["rule"], row["raw_record"])
            for row in pq.read_table(folder / engine / "rejected" / table.name).to_pylist()
        )
        for engine in ENGINES
    ]
    return duckdb.equals(spark) and rejected[0] == rejected[1]


def _comparable(schema):
    """Return the schema without what a file may choose: the zone's name, large strings."""
    kinds = {
        f.name: pa.timestamp("us") if pa.types.is_timestamp(f.type) else f.type for f in schema
    }
    return pa.schema(list(kinds.items()))
