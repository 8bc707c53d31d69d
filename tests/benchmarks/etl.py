"""The ETL job on DuckDB beside DuckDB SQL that an engineer would write for just these tables."""

import resource
import statistics
import time

import duckdb
import pyarrow.parquet as pq

from src.domain.tables import TABLES
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests.benchmarks.parity import run_job
from tests.conftest import FolderSink

# Column: (kind, condition that an accepted value meets). No reason is given for what is left
# out, nothing of it is kept, and an untidy number or time is not repaired.
_SQL = {
    "artists": ({"artist_id": "VARCHAR", "name": "VARCHAR", "genre": "lower",
                 "popularity": "DECIMAL(5,2)", "country": "upper"},
                "name IS NOT NULL AND popularity BETWEEN 0 AND 100"),
    "venues": ({"venue_id": "VARCHAR", "name": "VARCHAR", "city": "VARCHAR", "country": "upper",
                "venue_type": "lower", "capacity": "INTEGER"},
               "name IS NOT NULL AND city IS NOT NULL AND capacity BETWEEN 1 AND 500000"),
    "concerts": ({"concert_id": "VARCHAR", "artist_id": "VARCHAR", "venue_id": "VARCHAR",
                  "starts_at": "TIMESTAMP", "on_sale_at": "TIMESTAMP",
                  "base_price": "DECIMAL(10,2)", "status": "lower", "tickets_sold": "INTEGER"},
                 "starts_at IS NOT NULL AND on_sale_at <= starts_at AND base_price >= 0 AND "
                 "tickets_sold >= 0 AND artist_id IN (SELECT artist_id FROM artists) "
                 "AND venue_id IN (SELECT venue_id FROM venues)"),
    "ticket_sales": ({"sale_id": "VARCHAR", "concert_id": "VARCHAR", "purchased_at": "TIMESTAMP",
                      "quantity": "INTEGER", "unit_price": "DECIMAL(10,2)",
                      "total_amount": "DECIMAL(14,2)", "ticket_tier": "lower",
                      "sales_channel": "lower"},
                     "purchased_at IS NOT NULL AND quantity > 0 AND unit_price >= 0 AND "
                     "total_amount = quantity * unit_price AND concert_id IN "
                     "(SELECT concert_id FROM concerts)"),
}  # fmt: skip


def etl(folder, sales=1_000_000, rounds=3):
    """Seconds of both over the same JSON.gz, in turns; both accept the same number of rows."""
    generator = SyntheticDataGenerator(WorldSize(2_000, 500, sales // 40, sales))
    manifest = generator.export(FolderSink(folder / "in"), "json", "x")
    ours, theirs, our_cpu, their_cpu = [], [], [], []
    for _ in range(rounds):
        started = _cpu_s()
        ours.append(run_job("duckdb", folder / "in", manifest, folder / "job"))
        our_cpu.append(_cpu_s() - started)
        clock, started = time.perf_counter(), _cpu_s()
        _written_by_hand(folder / "in", folder / "hand")
        theirs.append(time.perf_counter() - clock)
        their_cpu.append(_cpu_s() - started)
    for table in TABLES:
        found = [_rows(folder / "job/clean" / table.name), _rows(folder / "hand" / table.name)]
        assert found[0] == found[1] == manifest.tables[table.name].valid_rows, (table.name, found)
    return {
        "rows": manifest.records,
        "job_cpu_s": min(our_cpu),
        "hand_written_cpu_s": min(their_cpu),
        "job_cpu_ratio_to_hand_written": min(their_cpu) / min(our_cpu),
        "job_rows_per_s": manifest.records / statistics.median(ours),
        "hand_written_rows_per_s": manifest.records / statistics.median(theirs),
        "job_ratio_to_hand_written": statistics.median(
            theirs_s / ours_s for ours_s, theirs_s in zip(ours, theirs, strict=True)
        ),
    }


def _cpu_s():
    """User and system time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _rows(folder):
    return sum(pq.ParquetFile(path).metadata.num_rows for path in folder.rglob("*.parquet"))


def _written_by_hand(source, target):
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET memory_limit = '2GB'")
    for table, (columns, accepted) in _SQL.items():
        values = ", ".join(_value(name, kind) for name, kind in columns.items())
        raw = ", ".join(f"{name}: 'VARCHAR'" for name in columns)
        key = next(iter(columns))
        connection.execute(
            f"CREATE TABLE {table} AS SELECT * FROM (SELECT {values} FROM "
            f"read_json('{source}/{table}/*.json.gz', format='newline_delimited', "
            f"columns={{{raw}}})) WHERE {accepted} "
            f"QUALIFY row_number() OVER (PARTITION BY {key}) = 1"
        )
        (target / table).mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"COPY {table} TO '{target}/{table}/part.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def _value(name, kind):
    text = f"nullif(trim({name}), '')"
    if kind in ("lower", "upper"):
        return f"{kind}({text}) AS {name}"
    return f"try_cast({text} AS {kind}) AS {name}"
