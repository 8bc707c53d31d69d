"""Measures ratios inside one run: `python -m tests.benchmarks`; a table, and a JSON beside it.

Each figure stands beside a named floor or reference measured in the same run, because the
machine is shared and absolute times mean little.
"""

import argparse
import gzip
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from faker import Faker

from src.local_cloud.local_cloud import LocalCloud
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.benchmarks.etl import etl
from tests.benchmarks.generation import encoders, generation, installed, memory, record, timed
from tests.benchmarks.parity import parity
from tests.benchmarks.scale import floors, growth, incremental, startup
from tests.benchmarks.spread import compare, spread
from tests.conftest import Script

DEFAULTS = {"artists": 1_000, "venues": 500, "concerts": 10_000, "ticket_sales": 50_000}
COLUMNS = {
    "artists": "artist_id, name, genre, popularity, country",
    "venues": "venue_id, name, city, country, venue_type, capacity",
    "concerts": "concert_id, artist_id, venue_id, starts_at, on_sale_at, base_price, status, "
    "tickets_sold",
    "ticket_sales": "sale_id, concert_id, purchased_at, quantity, unit_price, total_amount, "
    "ticket_tier, sales_channel",
}


# -- the default run against the naive reference ---------------------------------------------


def fake_row(table, i, fake):
    """One row as a first attempt makes it: a Faker call for every field."""
    number = fake.random_int
    if table == "artists":
        return (i, fake.name(), fake.word(), number(0, 100), fake.country_code())
    if table == "venues":
        return (i, fake.company(), fake.city(), fake.country_code(), fake.word(), number(100, 9999))
    if table == "concerts":
        show = fake.date_time_between("-3y")
        return (i, number(1, 1000), number(1, 500), show, show, number(20, 200), fake.word(), 0)
    quantity, price = number(1, 8), number(20, 200)
    return (i, number(1, 10_000), fake.date_time_between("-3y"), quantity, price, quantity * price,
            fake.word(), fake.word())  # fmt: skip


def naive(connection, share):
    """Faker per row and one committed INSERT per row, on a share of the default counts."""
    fake = Faker()
    connection.autocommit = True
    rows = 0
    with connection.cursor() as cursor:
        for table, count in DEFAULTS.items():
            names = COLUMNS[table]
            marks = ", ".join(["%s"] * len(names.split(",")))
            statement = f"INSERT INTO concert_dw.{table} ({names}) VALUES ({marks})"
            for i in range(1, int(count * share) + 1):
                cursor.execute(statement, fake_row(table, i, fake))
                rows += 1
    return rows


def default_run(folder, repeats):
    script = Script(folder)
    cold, done = timed(script.run)
    assert done.returncode == 0, done.stderr
    warm = []
    for _ in range(repeats):
        seconds, done = timed(script.run)
        assert done.returncode == 0, done.stderr
        warm.append(seconds)
    report = json.loads(Path(done.stdout.strip()).read_text())
    steps = {name: step["seconds"] for name, step in report["steps"].items()}
    figures = {"cold_s": cold, "warm_s": statistics.median(warm), "steps_s": steps}
    figures["outside_steps_s"] = warm[-1] - sum(steps.values())
    watched = script.run(PYTHONPROFILEIMPORTTIME="1")
    own = [line.split("|")[0] for line in watched.stderr.splitlines() if "import time:" in line]
    figures["imports_s"] = sum(int(us.split(":")[1]) for us in own if us[-1:].isspace()
                               and us.split(":")[1].strip().isdigit()) / 1e6  # fmt: skip
    total = sum(DEFAULTS.values())
    cloud = LocalCloud(script.state)
    figures["servers_start_s"], _ = timed(cloud.__enter__)
    figures["servers_stop_s"], _ = timed(lambda: cloud.__exit__(None, None, None))
    with cloud:
        for name, share, connect in (
            ("naive_local_redshift", 0.02, cloud.connect_redshift),
            ("naive_bare_postgres", 0.1, lambda: psycopg2.connect(**cloud.redshift_address())),
        ):
            connection = connect()
            seconds, rows = timed(lambda c=connection, s=share: naive(c, s))
            connection.close()
            figures[f"{name}_s"] = seconds / rows * total  # extrapolated: it is linear
            figures[f"ratio_to_{name}"] = figures[f"{name}_s"] / figures["warm_s"]
    return figures


# -- COPY ------------------------------------------------------------------------------------

SALES_DDL = (
    "CREATE TABLE public.sales (sale_id VARCHAR(64) NOT NULL, concert_id VARCHAR(64) "
    "NOT NULL, purchased_at TIMESTAMP NOT NULL, quantity INTEGER NOT NULL, unit_price "
    "DECIMAL(10,2) NOT NULL, total_amount DECIMAL(14,2), ticket_tier VARCHAR(20), "
    "sales_channel VARCHAR(20))"
)
COPIES = {
    "csv": "CSV IGNOREHEADER 1",
    "json": "FORMAT AS JSON 'auto'",
    "parquet": "FORMAT AS PARQUET",
    "csv_1_percent_bad": "CSV IGNOREHEADER 1 MAXERROR 100000",
}


def copy(folder, rows, repeats=7):
    """COPY through the Redshift layer against PostgreSQL's own COPY of the same CSV."""
    figures = {"rows": rows}
    with LocalCloud(folder / ".demo") as cloud:
        s3 = cloud.s3_client()
        s3.create_bucket(Bucket="bench")
        connection = cloud.connect_redshift()
        cursor = connection.cursor()
        cursor.execute(SALES_DDL)
        connection.commit()
        bodies = sales_bodies(rows)
        ways = {"bare_postgres": lambda: bare_copy(cursor, bodies["csv"])}
        for kind in COPIES:
            s3.put_object(Bucket="bench", Key=f"{kind}/part", Body=bodies[kind])
            ways[kind] = lambda k=kind: cursor.execute(copy_statement(k, "bench"))
        if installed("pytest_mock_resources"):
            ways["pytest_mock_resources_csv"] = lambda: mocked_copy(cursor, s3)
        times, work = {way: [] for way in ways}, {way: [] for way in ways}
        for _ in range(repeats):  # in turn, because the machine's speed changes
            for way, run in ways.items():
                before = cpu_seconds(connection)
                times[way].append(timed(run)[0])
                work[way].append(cpu_seconds(connection) - before)
                connection.rollback()
        for way, seconds in times.items():
            figures[f"{way}_rows_per_s"] = rows / statistics.median(seconds)
            shares = [bare / one for bare, one in zip(times["bare_postgres"], seconds, strict=True)]
            figures[f"{way}_ratio_to_bare"] = statistics.median(shares)
            bare = statistics.median(work["bare_postgres"])
            figures[f"{way}_cpu_ratio_to_bare"] = bare / statistics.median(work[way])
        connection.close()
    return figures


def cpu_seconds(connection):
    """The processor's time of this process and of the connection's server process."""
    stat = Path(f"/proc/{connection.get_backend_pid()}/stat").read_text().rsplit(")", 1)[1].split()
    return time.process_time() + (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def copy_statement(kind, prefix):
    return f"COPY public.sales FROM 's3://{prefix}/{kind}/' IAM_ROLE default {COPIES[kind]}"


def mocked_copy(cursor, s3):
    """COPY as pytest-mock-resources plays it: the file in memory, CSV with a header, no errors."""
    from pytest_mock_resources.patch.redshift import mock_s3_copy

    mock_s3_copy.boto3 = SimpleNamespace(client=lambda *_, **__: s3)
    bare = psycopg2.extensions.cursor(cursor.connection)
    keys = "aws_access_key_id=x;aws_secret_access_key=x"
    mock_s3_copy.mock_s3_copy_command(
        f"COPY sales FROM 's3://bench/csv/part' CREDENTIALS '{keys}' CSV", bare
    )


def bare_copy(cursor, body):
    cursor.copy_expert("COPY public.sales FROM STDIN (FORMAT csv, HEADER)", io.BytesIO(body))


def sales_bodies(rows):
    """The same sales in each format, uncompressed; and with each hundredth quantity no number."""
    found = {}

    class Keep:
        def put(self, path, body):
            if path.startswith("ticket_sales"):
                found.setdefault(path.split(".", 1)[1], []).append(body)

    generator = SyntheticDataGenerator(WorldSize(2_000, 500, rows // 20, rows), defect_rate=0.0)
    generator.export(Keep(), "json", "x")
    generator.export(Keep(), "csv", "x")
    parts = [gzip.decompress(part) for part in found["csv.gz"]]
    csv = parts[0] + b"".join(part.split(b"\n", 1)[1] for part in parts[1:])
    kinds = {"sale_id": pa.string(), "concert_id": pa.string(), "quantity": pa.int32(),
             "unit_price": pa.decimal128(10, 2), "total_amount": pa.decimal128(14, 2)}  # fmt: skip
    options = pa_csv.ConvertOptions(column_types=kinds)
    sink = io.BytesIO()
    table = pa_csv.read_csv(io.BytesIO(csv), convert_options=options)
    pq.write_table(table, sink, row_group_size=100_000)  # what a reader holds at once
    lines = csv.split(b"\n")
    lines[100::100] = [line.replace(b'",', b'",x', 1) for line in lines[100::100]]
    return {
        "csv": csv,
        "json": b"".join(gzip.decompress(part) for part in found["json.gz"]),
        "parquet": sink.getvalue(),
        "csv_1_percent_bad": b"\n".join(lines),
    }


def copy_memory(folder, rows):
    """Peak memory of a process that COPYs `rows` rows, and ten times as many, of each format."""
    figures = {"rows": rows}
    with LocalCloud(folder / ".demo") as cloud:
        s3 = cloud.s3_client()
        s3.create_bucket(Bucket="bench")
        connection = cloud.connect_redshift()
        connection.cursor().execute(SALES_DDL)
        connection.commit()
        connection.close()
        for size in (rows, rows * 10):
            for kind, body in sales_bodies(size).items():
                s3.put_object(Bucket="bench", Key=f"{size}/{kind}/part", Body=body)
        credentials = json.dumps([cloud.redshift_address(), s3_options(s3)])
        for kind in COPIES:
            small, large = (
                child_peak(
                    "import json, sys, boto3; from src.local_cloud.redshift.connection import "
                    "connect; from tests.benchmarks.__main__ import copy_statement;"
                    "address, options = json.loads(sys.stdin.read());"
                    "c = connect(s3=boto3.client('s3', **options), **address);"
                    f"c.cursor().execute(copy_statement('{kind}', 'bench/{size}'))",
                    credentials,
                )
                for size in (rows, rows * 10)
            )
            figures[f"{kind}_peak_bytes"] = large
            figures[f"{kind}_growth"] = large / small
    return figures


def s3_options(s3):
    keys = s3._request_signer._credentials
    return {
        "endpoint_url": s3.meta.endpoint_url,
        "region_name": s3.meta.region_name,
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
    }


# -- memory ----------------------------------------------------------------------------------


def child_peak(code, stdin=""):
    """Peak memory in bytes of a Python process that runs `code`."""
    # Not ru_maxrss, which a child inherits from the process that started it.
    read = "import re; print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    command = [sys.executable, "-c", f"{code}\n{read}"]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024


# -- models ----------------------------------------------------------------------------------


def median_time(function, repeats):
    return statistics.median(timed(function)[0] for _ in range(repeats))


def models():
    """Fit and predict through the service against the bare trees on the same matrix.

    Over many worlds: `python -m tests.benchmarks.worlds`.
    """
    from src.services.demand.censored_demand import tree_model
    from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
    from tests.unit.modelling.sales_rows import sales_rows

    rows, batch = sales_rows(8_000), sales_rows(2_000, seed=1)
    service = TicketSalesPredictionService(1)
    fit_s, _ = timed(lambda: service.fit(rows[:6_000]).calibrate(rows[6_000:]))
    learned = service.fitted
    columns = learned.columns(service.encode(rows[:6_000]))
    target = rows["tickets_sold"][:6_000].to_numpy(float)
    bare_fit_s, trees = timed(lambda: tree_model(1).fit(columns.matrix, target))
    record = batch.iloc[0].to_dict()
    record["starts_at"] = record["starts_at"].to_pydatetime()
    many = learned.columns(service.encode(batch)).matrix
    row_s = median_time(lambda: service.predict([record]), 200)
    bare_row_s = median_time(lambda: trees.predict(many[:1]), 200)
    batch_s = median_time(lambda: service.predict_frame(batch), 20)
    bare_batch_s = median_time(lambda: trees.predict(many), 20)
    return {
        "fit_s": fit_s,
        "bare_trees_fit_s": bare_fit_s,
        "cost_ratio_fit_to_bare_trees": fit_s / bare_fit_s,
        "one_row_ms": row_s * 1000,
        "one_row_bare_ms": bare_row_s * 1000,
        "batch_2000_ms": batch_s * 1000,
        "cost_ratio_batch_to_bare_trees": batch_s / bare_batch_s,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        choices=(
            "startup",
            "run",
            "growth",
            "generation",
            "record",
            "encoders",
            "floors",
            "copy",
            "copy_memory",
            "memory",
            "incremental",
            "models",
            "etl",
            "parity",
        ),
    )
    parser.add_argument("--out", default="reports/benchmarks.json")
    parser.add_argument(
        "--compare", action="store_true", help="run --repeat times; name what became slower"
    )
    parser.add_argument("--keep", action="store_true", help="the same; make these the committed")
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    compares = chosen.compare or chosen.keep
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = {
            "run": lambda: default_run(folder / "run", 5),
            "generation": lambda: generation(folder / "generation"),
            "record": lambda: record(folder / "record"),
            "encoders": lambda: encoders(folder / "encoders"),
            "copy": lambda: copy(folder / "copy", 500_000),
            "copy_memory": lambda: copy_memory(folder / "copy_memory", 250_000),
            "memory": lambda: memory(folder / "memory"),
            "models": models,
            "etl": lambda: etl(folder / "etl", rounds=1 if compares else 3),
            "parity": lambda: parity(folder / "parity"),
            "startup": lambda: startup(folder / "startup"),
            "growth": lambda: growth(folder / "growth"),
            "floors": lambda: floors(folder / "floors"),
            "incremental": lambda: incremental(folder / "incremental"),
        }
        for part in parts:
            (folder / part).mkdir()
        wanted = [chosen.only] if chosen.only else list(parts)
        if compares:
            found = {part: spread([parts[part]() for _ in range(chosen.repeat)]) for part in wanted}
            sys.exit(min(compare(found, keep=chosen.keep), 1))
        figures = {part: parts[part]() for part in wanted}
    for part, found in figures.items():
        print(part)
        for label, value in found.items():
            shown = json.dumps(value) if isinstance(value, dict) else f"{value:,.2f}"
            print(f"  {label:<32} {shown:>16}")
    out = Path(chosen.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
