"""What grows with the data, and what a user waits for before anything grows."""

import gzip
import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import psutil
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.load_plan import LoadPlan, LoadSource, SourceFile
from src.local_cloud.local_cloud import LocalCloud
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.conftest import ROOT, Script


def _seconds(command, until_first_line=False):
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT)
    if until_first_line:
        process.stderr.readline()
        seconds = time.perf_counter() - started
        process.terminate()
    process.communicate()
    return seconds if until_first_line else time.perf_counter() - started


def startup(folder, repeats=9):
    """--help, and the first line of a real run, beside a Python that does nothing."""
    script = Script(folder)
    ways = {
        "python_pass": lambda: _seconds([sys.executable, "-c", "pass"]),
        "help": lambda: _seconds([sys.executable, str(ROOT / "run_demo_pipeline.py"), "--help"]),
        "first_line": lambda: _seconds(["env", f"DEMO_STATE_DIR={script.state}",
                                        *script.command()], until_first_line=True),
    }  # fmt: skip
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            times[name].append(run())
    return {f"{name}_ms": statistics.median(found) * 1000 for name, found in times.items()}


def growth(folder, sizes=(50_000, 500_000, 5_000_000)):
    """The whole pipeline: seconds and rows a second by stage, and the largest process of each."""
    figures = {}
    for sales in sizes:
        for name, value in _run(Script(folder / str(sales)), sales).items():
            figures[f"{sales}_{name}"] = value
    first, last = sizes[0], sizes[-1]
    figures["rows_ratio"] = figures[f"{last}_rows"] / figures[f"{first}_rows"]
    figures["time_ratio"] = figures[f"{last}_s"] / figures[f"{first}_s"]
    return figures


def _run(script, sales):
    """Run the pipeline; returns its rows, seconds, rates by stage, and peaks by process."""
    script.folder.mkdir()
    process = subprocess.Popen(
        script.command("--sales", str(sales)), env=script.environment(), cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    peaks = {}
    while process.poll() is None:
        _note_peaks(process.pid, peaks)
        time.sleep(0.1)
    out, err = process.communicate()
    assert process.returncode == 0, err
    report = json.loads(Path(out.strip()).read_text())
    rows = sum(entry["raw_records"] for entry in report["rows"].values())
    figures = {"rows": rows, "s": report["duration_seconds"]}
    for step, entry in report["steps"].items():
        figures[f"{step}_s"] = entry["seconds"]
        figures[f"{step}_rows_per_s"] = rows / max(entry["seconds"], 0.001)
        if "mb_per_s" in entry:
            figures[f"{step}_mb_per_s"] = entry["mb_per_s"]
    return figures | {f"peak_mb_{name}": peak / 2**20 for name, peak in peaks.items()}


def _note_peaks(pid, peaks):
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            words = " ".join(process.cmdline())
            name = next((n for n in ("rclone", "postgres", "duckdb_engine", "spawn_main")
                         if n in words), "script")  # fmt: skip
            memory = process.memory_info()
            private = memory.rss - (memory.shared if name == "postgres" else 0)
            peaks[name] = max(peaks.get(name, 0), private)
    except psutil.Error:
        return


def floors(folder, sales=10_000_000):
    """Each stage of a large run, and its share of what bounds it, measured on that run's data."""
    script = Script(folder / "run")
    figures = _run(script, sales)
    bodies = sorted((script.state / "s3").glob("*/raw/*/ticket_sales/*.json.gz"))
    some = [gzip.decompress(path.read_bytes()) for path in bodies[:8]]
    rows = sum(text.count(b"\n") for text in some)
    from isal import isal_zlib

    floor = {"data_generation": ("gzip_alone_1_core", rows, lambda: [
        isal_zlib.compress(text, 1) for text in some])}  # fmt: skip
    floor["glue_etl"] = ("duckdb_scan", sales, lambda: duckdb.sql(
        f"SELECT count(*), sum(quantity) FROM read_json({[str(path) for path in bodies]}, "
        "columns={sale_id: 'VARCHAR', concert_id: 'VARCHAR', purchased_at: 'VARCHAR', "
        "quantity: 'BIGINT', unit_price: 'VARCHAR', total_amount: 'VARCHAR', "
        "ticket_tier: 'VARCHAR', sales_channel: 'VARCHAR'}, format='newline_delimited', "
        "ignore_errors=true)").fetchall())  # fmt: skip
    with LocalCloud(script.state) as cloud:
        connection = psycopg2.connect(**cloud.redshift_address())
        cursor = connection.cursor()
        cursor.execute("CREATE TEMP TABLE bare (LIKE concert_dw.ticket_sales)")
        csv = io.BytesIO()
        cursor.copy_expert(
            "COPY (SELECT * FROM concert_dw.ticket_sales LIMIT 1000000) TO STDOUT (FORMAT csv)", csv
        )
        floor["redshift_load"] = ("bare_copy", 1_000_000, lambda: cursor.copy_expert(
            "COPY bare FROM STDIN (FORMAT csv)", io.BytesIO(csv.getvalue())))  # fmt: skip
        floor["data_verification"] = ("count_of_each_table", figures["rows"], lambda: [
            cursor.execute(f"SELECT COUNT(*) FROM concert_dw.{t}")
            for t in ("artists", "venues", "concerts", "ticket_sales")])  # fmt: skip
        for stage, (name, count, bound) in floor.items():
            started = time.perf_counter()
            bound()
            figures[f"{name}_rows_per_s"] = count / (time.perf_counter() - started)
            share = figures[f"{stage}_rows_per_s"] / figures[f"{name}_rows_per_s"]
            figures[f"{stage}_share_of_{name}"] = share
        connection.close()
    return figures


def incremental(folder, rows=500_000, shares=(0.01, 0.1, 1.0)):
    """A merge of a part of the sales, half of it new, beside a replacement of all of them."""
    generator = SyntheticDataGenerator(WorldSize(500, 200, rows // 40, rows), defect_rate=0.0)
    tables = {
        name: pa.concat_tables(list(generator.blocks(name)))
        for name in ("artists", "venues", "concerts", "ticket_sales")
    }
    figures = {"rows": rows}
    with LocalCloud(folder / ".demo") as cloud:
        storage = S3Storage(cloud.s3_client(), "bench-merge")
        storage.ensure_bucket()
        client = RedshiftClient(cloud.connect_redshift)
        client.create_tables()
        loader = RedshiftDataLoader(client, storage, iam_role="arn:aws:iam::000000000000:role/x")

        def load(name, sales, mode):
            plan = _plan(storage, name, {**tables, "ticket_sales": sales}, mode)
            started = time.perf_counter()
            loads = loader.load(plan)
            return time.perf_counter() - started, loads["ticket_sales"].table_rows

        load("warm", tables["ticket_sales"], "replace")
        replaced, _ = load("base", tables["ticket_sales"], "replace")
        figures["replace_s"] = replaced
        for share in shares:
            part = _half_new(tables["ticket_sales"], share)
            seconds, left = load(f"merge-{share}", part, "merge")
            again, same = load(f"again-{share}", part, "merge")
            assert left == same, "a repeated merge is not idempotent"
            assert left == rows + part.num_rows - part.num_rows // 2
            figures[f"merge_{share:.0%}_s"] = seconds
            figures[f"merge_{share:.0%}_to_replace"] = seconds / replaced
            figures[f"merge_{share:.0%}_again_s"] = again
            load("base", tables["ticket_sales"], "replace")
        client.close()
    return figures


def _half_new(sales, share):
    """Return a share of the rows: one half as they are, the other with keys nobody has."""
    part = sales.slice(0, max(int(sales.num_rows * share), 2))
    half = part.num_rows // 2
    fresh = pc.add(part.column("sale_id").slice(half), 10**9)
    keys = pa.chunked_array([*part.column("sale_id").slice(0, half).chunks, *fresh.chunks])
    return part.set_column(0, "sale_id", keys)


def _plan(storage, name, tables, mode):
    sources = {}
    for table, rows in tables.items():
        sink = io.BytesIO()
        pq.write_table(_typed(rows), sink, compression="zstd")
        key = f"{name}/{table}.parquet"
        storage.put(key, sink.getvalue())
        file = SourceFile(storage.uri(key), len(sink.getvalue()))
        sources[table] = LoadSource((file,), "parquet", rows.num_rows)
    return LoadPlan(name, mode, sources)


def _typed(rows):
    """Return raw rows in the warehouse's types."""
    connection = duckdb.connect()
    kinds = {"quantity": "INTEGER", "capacity": "INTEGER", "tickets_sold": "INTEGER",
             "purchased_at": "TIMESTAMP", "starts_at": "TIMESTAMP", "on_sale_at": "TIMESTAMP",
             "sale_id": "VARCHAR", "concert_id": "VARCHAR", "artist_id": "VARCHAR",
             "venue_id": "VARCHAR"}  # fmt: skip
    columns = ", ".join(
        f"CAST({name} AS {kinds[name]}) AS {name}" if name in kinds else name
        for name in rows.column_names
    )
    return connection.sql(f"SELECT {columns} FROM rows").to_arrow_table()
