"""Streamed sales beside bare COPY, and their delay: `python -m tests.benchmarks.streaming`."""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.streamed_sales import StreamedSales
from src.local_cloud.local_cloud import LocalCloud
from tests.conftest import ROOT
from tests.streams import Stream

SENT = "2026-03-01T12:00:00.000Z"
WORLD = ["--artists", "300", "--venues", "150", "--concerts", "3000", "--sales", "12000"]
PACES = ((1_000, 1.0), (3_000, 0.25))


def records(count, start=0):
    return [
        f'{{"sale_id":"live-1-{n}","concert_id":"c{n % 1000}","purchased_at":"{SENT}",'
        f'"quantity":2,"unit_price":12.50,"total_amount":25.00,"ticket_tier":"vip",'
        f'"sales_channel":"web","sent_at":"{SENT}"}}'
        for n in range(start, start + count)
    ]  # fmt: skip


def against_copy(folder, count):
    """Seconds of REFRESH and of the step, beside a bare COPY of the same bytes."""
    stream = Stream(shards=4)
    with LocalCloud(folder / "copy") as cloud:

        def connect():
            connection = cloud.connect_redshift()
            connection.streams = lambda: stream
            return connection

        client = RedshiftClient(connect)
        with contextlib.closing(client):
            client.create_tables()
            with client.transaction():
                client.execute("INSERT INTO concert_dw.venues (venue_id, name, city) "
                               "VALUES ('v', 'V', 'Bonn')")  # fmt: skip
                values = ", ".join(f"('c{n}', 'a', 'v', '2027-01-01')" for n in range(1000))
                client.execute("INSERT INTO concert_dw.concerts (concert_id, artist_id, venue_id, "
                               f"starts_at) VALUES {values}")  # fmt: skip
            sales = StreamedSales(client)
            sales.set_up("sales", "")
            for start in (0, count):  # the first round translates the statements
                bodies = records(count, start)
                for number, body in enumerate(bodies):
                    stream.put(number % 4, body)
                began = time.perf_counter()
                sales.refresh()
                refreshed = time.perf_counter()
                while sales.ingest().records:
                    pass
                ended = time.perf_counter()
            with client.connection.cursor() as cursor:
                cursor.execute_postgres("CREATE TEMP TABLE bare (body text)")
                copied = time.perf_counter()
                cursor.copy_expert("COPY bare FROM STDIN", io.StringIO("\n".join(bodies) + "\n"))
                copied = time.perf_counter() - copied
    return {
        "rows": count,
        "REFRESH, rows a second": round(count / (refreshed - began)),
        "step into the tables, rows a second": round(count / (ended - refreshed)),
        "both, rows a second": round(count / (ended - began)),
        "bare COPY of the same bytes, rows a second": round(count / copied),
        "REFRESH against bare COPY": round(copied / (refreshed - began), 3),
    }


def delays(folder, seconds):
    """Milliseconds from a record's arrival to the transaction that ingested it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DEMO_", "REDSHIFT_"))}
    environment |= {"DEMO_STATE_DIR": str(folder / "live"), "DEMO_REPORT_DIR": str(folder / "r")}

    def run(*command):
        return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout  # fmt: skip

    run("run_demo_pipeline.py", *WORLD, "-q")
    found = {}
    for rate, refresh in PACES:
        live = json.loads(
            run("-m", "src.streaming", "run", "--rate", str(rate), "--refresh", str(refresh),
                "--for", str(seconds), "--on-sale", "none", "--shards", "8", "--json")
        )["streaming"]  # fmt: skip
        steps = sorted(
            (step for step in live["ticks"][len(live["ticks"]) // 4 :]),
            key=lambda step: step["delay_p99_ms"],
        )
        found[f"{rate:,} a second, refresh {refresh:g} s"] = {
            "events": live["acknowledged"],
            "delay p50 ms": live["delay_p50_ms"],
            "delay p99 ms, median step": steps[len(steps) // 2]["delay_p99_ms"],
            "delay p99 ms, longest step": live["delay_p99_ms"],
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        print(json.dumps(against_copy(folder, chosen.rows), indent=1), flush=True)
        if chosen.seconds:
            print(json.dumps(delays(folder, chosen.seconds), indent=1))
    print("load:", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
