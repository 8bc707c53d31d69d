"""A warehouse with three concerts, and a stream of the tests' own in front of it."""

import contextlib
import json
from datetime import UTC, datetime

import pytest

from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.streamed_sales import StreamedSales
from tests.streams import Stream

SENT = "2026-03-01T12:00:00.000Z"
CONCERTS = (("c1", "2026-12-01 20:00:00", 10), ("c2", "2026-12-01 20:00:00", None),
            ("over", "2026-01-01 20:00:00", 500))  # fmt: skip


def sale(number, **changes):
    event = {
        "sale_id": f"live-{number}", "concert_id": "c2", "purchased_at": SENT, "quantity": 2,
        "unit_price": 12.5, "total_amount": 25.0, "ticket_tier": "vip", "sales_channel": "web",
        "sent_at": SENT, **changes,
    }  # fmt: skip
    return {name: value for name, value in event.items() if value is not ...}


class Live:
    """The live layer over a stream, with a client of its own."""

    def __init__(self, cloud, stream):
        self.stream = stream

        def connect():
            connection = cloud.connect_redshift()
            connection.streams = lambda: stream
            return connection

        self.client = RedshiftClient(connect, sleep=lambda s: None)
        self.sales = StreamedSales(self.client, now=lambda: datetime.now(UTC))

    def put(self, *events, shard=0):
        for event in events:
            data = event if isinstance(event, bytes) else json.dumps(event).encode()
            self.stream.put(shard, data)

    def ingest(self):
        self.sales.refresh()
        return self.sales.ingest()

    def rows(self, query, arguments=None):
        return [tuple(row.values()) for row in self.client.query(query, arguments)]

    def rejected(self):
        return self.rows("SELECT record_key, rule FROM concert_dw.rejected_records "
                         "WHERE run_id = 'stream' ORDER BY 1, 2")  # fmt: skip

    def sold(self):
        return self.rows("SELECT sale_id, quantity FROM concert_dw.ticket_sales "
                         "WHERE streamed_at IS NOT NULL ORDER BY 1")  # fmt: skip


def drop(client):
    for schema in ("concert_live", "concert_stream"):
        with client.transaction():
            client.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@pytest.fixture
def live(cloud):
    found = Live(cloud, Stream())
    client = found.client
    with contextlib.closing(client):
        client.create_tables()
        drop(client)
        with client.transaction():
            for table in ("concerts", "venues", "ticket_sales", "rejected_records"):
                client.execute(f"DELETE FROM concert_dw.{table}")
            for name, starts_at, capacity in CONCERTS:
                client.execute("INSERT INTO concert_dw.venues (venue_id, name, city, capacity) "
                               "VALUES (%s, 'Hall', 'Bonn', %s)", (name, capacity))  # fmt: skip
                client.execute(
                    "INSERT INTO concert_dw.concerts (concert_id, artist_id, venue_id, starts_at) "
                    "VALUES (%s, 'a', %s, %s)", (name, name, starts_at))  # fmt: skip
        found.sales.set_up("sales", "")
        yield found
        drop(client)
