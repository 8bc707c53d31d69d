"""Generation beside the ways somebody else makes such rows, and encoders of JSON.gz side by side.

Packages of requirements-bench.txt that are not installed are left out.
"""

import gzip
import importlib.util
import io
import json
import os
import random
import statistics
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from faker import Faker

from src.services.encoding.arrow_columns import plain
from src.services.encoding.record_encoding import encode_json_lines, join_json_lines
from src.services.generation.concert_world import WorldSize
from src.services.generation.raw_tables import block_table, blocks_of
from src.services.synthetic_data_generator import SyntheticDataGenerator

_TIERS, _CHANNELS = ["standard", "balcony", "premium", "vip"], ["web", "app", "box_office"]
# The same eight columns and types; no law between them holds.
DUCKDB_SALES = """
    SELECT i + 1 AS sale_id, i // 40 + 1 AS concert_id,
           strftime(TIMESTAMP '2022-01-01' + to_seconds(CAST(random() * 1e8 AS BIGINT)),
                    '%Y-%m-%d %H:%M:%S') AS purchased_at,
           quantity, unit_price, CAST(quantity * unit_price AS DECIMAL(14,2)) AS total_amount,
           ['standard', 'balcony', 'premium', 'vip'][1 + tier] AS ticket_tier,
           ['web', 'app', 'box_office', 'partner'][1 + channel] AS sales_channel
    FROM (SELECT i, 1 + CAST(floor(random() * 8) AS BIGINT) AS quantity,
                 CAST(20 + random() * 180 AS DECIMAL(10,2)) AS unit_price,
                 CAST(floor(random() * 4) AS INTEGER) AS tier,
                 CAST(floor(random() * 4) AS INTEGER) AS channel
          FROM range({rows}) t(i))
"""


class Nowhere:
    """A sink that keeps nothing."""

    def put(self, path, body):
        pass


def timed(function):
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def installed(package):
    return importlib.util.find_spec(package) is not None


def generation(folder, rows=5_000_000):
    """Rows a second: ours on one and two cores, and those of others, made in the same run."""
    size = WorldSize(2_000, 500, rows // 40, rows)  # the sales are what is measured
    generator = SyntheticDataGenerator(size, defect_rate=0.01)
    generator.world  # noqa: B018 (built before the clock starts)
    blocks_s, _ = timed(lambda: sum(b.num_rows for b in generator.blocks("ticket_sales")))
    figures = {"rows": rows, "generate_rows_per_s": rows / blocks_s}
    for raw_format in ("json", "csv", "parquet"):
        for workers in (1, 2):
            seconds, manifest = timed(
                lambda f=raw_format, w=workers: generator.export(Nowhere(), f, "x", workers=w)
            )
            figures[f"export_{raw_format}_{workers}_rows_per_s"] = manifest.records / seconds
    fake = Faker()
    figures |= _per_row("faker", lambda i: _fields(i, fake.random_int, fake.date_time_between,
                                                   fake.random_element))  # fmt: skip
    figures |= _per_row("random", _with_random)
    if installed("mimesis"):
        from mimesis import Datetime, Numeric

        number, times = Numeric().integer_number, Datetime()
        figures |= _per_row("mimesis", lambda i: _fields(
            i, number, lambda start: times.datetime(2022, 2026), random.choice))  # fmt: skip
    figures |= _duckdb(folder, rows)
    figures |= _tpchgen(folder)
    for name in ("faker", "mimesis", "random"):
        if f"{name}_rows_per_s" in figures:
            rate = figures["generate_rows_per_s"] / figures[f"{name}_rows_per_s"]
            figures[f"generate_ratio_to_{name}"] = rate
    return figures


def _per_row(name, row, count=20_000):
    seconds, _ = timed(lambda: [row(i) for i in range(count)])
    return {f"{name}_rows_per_s": count / seconds}


def _fields(i, number, moment, choice):
    """One sale as a first attempt makes it: a call for every field."""
    quantity, price = number(1, 8), number(20, 200)
    return (i, number(1, 10_000), moment("-3y"), quantity, price, quantity * price,
            choice(_TIERS), choice(_CHANNELS))  # fmt: skip


def _with_random(i):
    """The same with nothing but the standard library."""
    start = datetime(2022, 1, 1)
    return _fields(i, random.randint, lambda _: start + timedelta(seconds=random.random() * 1e8),
                   random.choice)  # fmt: skip


def _duckdb(folder, rows):
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    query = DUCKDB_SALES.format(rows=rows)
    figures = {}
    for name, target in {
        "parquet": "sales.parquet' (FORMAT parquet, COMPRESSION snappy)",
        "json": "sales.json.gz' (FORMAT json, COMPRESSION gzip)",
    }.items():
        seconds, _ = timed(lambda t=target: connection.execute(f"COPY ({query}) TO '{folder}/{t}"))
        figures[f"duckdb_sql_{name}_2_rows_per_s"] = rows / seconds
    return figures


def record(folder, rows=50_000_000, rounds=3):
    """A long run on both cores beside the fastest generator known, in turns."""
    figures = {"rows": rows}
    rates = {}
    for _ in range(rounds):
        for raw_format in ("json", "parquet"):
            generator = SyntheticDataGenerator(WorldSize(2_000, 500, rows // 800, rows))
            seconds, _ = timed(
                lambda f=raw_format, g=generator: g.export(Nowhere(), f, "x", workers=2)
            )
            rates.setdefault(f"export_{raw_format}_2_rows_per_s", []).append(rows / seconds)
        for name, rate in _tpchgen(folder, scale=5).items():
            rates.setdefault(name, []).append(rate)
    tpchgen = rates.get("tpchgen_parquet_2_rows_per_s")
    for name, found in rates.items():
        figures[name] = statistics.median(found)
        if tpchgen and not name.startswith("tpchgen"):
            ratios = [ours / theirs for ours, theirs in zip(found, tpchgen, strict=True)]
            figures[name.replace("rows_per_s", "ratio_to_tpchgen")] = statistics.median(ratios)
    return figures


def _tpchgen(folder, scale=1):
    """The Rust record: TPC-H's lineitem, 16 columns, nothing of it JSON."""
    program = Path(sys.executable).with_name("tpchgen-cli")
    if not program.exists():
        return {}
    command = [str(program), "parquet", "-s", str(scale), "--tables", "lineitem",
               "--output-dir", str(folder), "--overwrite", "--quiet"]  # fmt: skip
    seconds, _ = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    rows = pq.ParquetFile(folder / "lineitem.parquet").metadata.num_rows
    return {"tpchgen_parquet_2_rows_per_s": rows / seconds}


# -- JSON.gz ---------------------------------------------------------------------------------


def encoders(folder, rows=500_000):
    """The same rows as JSON.gz, by ours and by others; one core, DuckDB and polars two."""
    size = WorldSize(2_000, 500, rows // 40, rows)
    generator = SyntheticDataGenerator(size, defect_rate=0.0)
    blocks = [
        block_table(generator.world, "ticket_sales", block)
        for block in blocks_of(generator.world, "ticket_sales")
    ]
    table = pa.concat_tables([plain(block) for block in blocks])
    some = table.slice(0, rows // 10)
    connection = duckdb.connect()
    connection.register("rows_", table)
    ways = {
        "ours": (rows, lambda: [_isal(encode_json_lines(block)) for block in blocks]),
        "ours_text_only": (rows, lambda: [encode_json_lines(block) for block in blocks]),
        "joined_by_arrow": (rows, lambda: [_isal([join_json_lines(block)]) for block in blocks]),
        "json_dumps_gzip_6": (len(some), lambda: _by_row(some, _dumps, 6)),
        "duckdb_copy": (rows, lambda: connection.execute(
            f"COPY rows_ TO '{folder}/t.json.gz' (FORMAT json, COMPRESSION gzip)")),
        "pandas_to_json": (len(some), lambda: some.to_pandas().to_json(
            folder / "p.json.gz", orient="records", lines=True)),
    }  # fmt: skip
    if installed("orjson"):
        import orjson

        ways["orjson_gzip_1"] = (len(some), lambda: _by_row(some, orjson.dumps, 1))
    if installed("polars"):
        import polars

        def by_polars():
            sink = io.BytesIO()
            polars.from_arrow(table).write_ndjson(sink)
            _isal([sink.getvalue()])

        ways["polars_isal_1"] = (rows, by_polars)
    figures = {"rows": rows}
    for name, (count, way) in ways.items():
        figures[f"{name}_rows_per_s"] = count / min(timed(way)[0] for _ in range(3))
    return figures


def _isal(texts):
    from isal import isal_zlib

    compress = isal_zlib.compressobj(1, wbits=31)
    return sum(len(compress.compress(text)) for text in texts) + len(compress.flush())


def _dumps(row):
    return json.dumps(row, default=float).encode()


def _by_row(table, dumps, level):
    lines = []
    for row in table.to_pylist():
        row["unit_price"], row["total_amount"] = (
            float(row["unit_price"]),
            float(row["total_amount"]),
        )
        lines.append(dumps(row))
    return gzip.compress(b"\n".join(lines), level)


# -- memory ----------------------------------------------------------------------------------


def memory(folder, sizes=(5_000_000, 50_000_000)):
    """Peak memory of the generating process and of its largest worker, at 5 and 50 million."""
    figures = {}
    for rows in sizes:
        code = (
            "from tests.benchmarks.generation import measured_export\n"
            "if __name__ == '__main__': measured_export({rows})"
        )
        script = folder / "export.py"
        script.write_text(code.format(rows=rows))
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run([sys.executable, str(script)], env=environment, check=True,
                              capture_output=True, text=True)  # fmt: skip
        for name, value in json.loads(done.stdout).items():
            figures[f"{name}_{rows}"] = value
    for name in ("parent_bytes", "worker_bytes"):
        figures[f"{name}_growth"] = figures[f"{name}_{sizes[1]}"] / figures[f"{name}_{sizes[0]}"]
    return figures


def measured_export(rows):
    import resource

    size = WorldSize(5_000, 1_000, 60_000, rows)
    seconds, _ = timed(
        lambda: SyntheticDataGenerator(size).export(Nowhere(), "json", "x", workers=2)
    )
    peak = {name: resource.getrusage(who).ru_maxrss * 1024
            for name, who in (("parent_bytes", resource.RUSAGE_SELF),
                              ("worker_bytes", resource.RUSAGE_CHILDREN))}  # fmt: skip
    print(json.dumps({"rows_per_s": rows / seconds, **peak}))
