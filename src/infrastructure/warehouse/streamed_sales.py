"""Moves streamed sales from the streaming view into the tables: each event once, by the rules.

A step is one transaction: events behind the positions -> judged -> sales, rejected records, log,
and the positions behind them. It can be done again at any time, by any number of processes: the
positions are locked first. The statements are those of src/sql/streaming.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from src.domain.sale_events import STREAM_RUN
from src.domain.tables import SCHEMA
from src.errors import CannotRunError, LoadError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse import stream_statements
from src.sql.files import bind, read_all
from src.sql.quoting import identifier, literal
from src.waiting import attempts

LIVE = "concert_live"
EXTERNAL = "concert_stream"  # the streams of Kinesis; src/sql/streaming/setup names it
VIEW = f"{LIVE}.sales_stream"
MOST_HELD = 2_000
PAUSES_S = (0.05, 0.2, 1.0, 2.0, 5.0)  # between attempts of a step that another transaction stopped
_OF_EACH_STEP = ("tick", "next", "taken", "judged", "checked")
_STREAM_READ = ("SELECT stream_name FROM sys_stream_scan_states WHERE mv_name = 'sales_stream' "
                "ORDER BY record_time DESC LIMIT 1")  # fmt: skip
_CHANGED_AT_ONCE = 5_000  # numbers in one IN list
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamedTotals:
    """What became of all records that were taken from the view."""

    records: int = 0
    sales: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0

    def __add__(self, other: StreamedTotals) -> StreamedTotals:
        return StreamedTotals(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    def __sub__(self, other: StreamedTotals) -> StreamedTotals:
        return StreamedTotals(
            *(getattr(self, f.name) - getattr(other, f.name) for f in fields(self))
        )

    @property
    def is_balanced(self) -> bool:
        """Tell whether each record is accounted for."""
        return self.records == self.sales + self.rejected + self.duplicates


class StreamedSales:
    """The live layer of one warehouse."""

    def __init__(
        self, client: RedshiftClient, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._now = now
        self._prepared: object = None  # the connection that has the temporary tables
        self._held = 0  # records that those have held
        self._filled: set[str] = set()  # those that have had any

    # -- what there is -------------------------------------------------------------------------

    def exists(self) -> bool:
        """Tell whether the live layer was set up."""
        return {"positions", "ingest_log"} <= set(self._client.table_names(LIVE))

    def set_up(self, stream: str, iam_role: str) -> None:
        """Create what is not there yet; `iam_role` is empty for the warehouse's default role.

        Raises CannotRunError where the view reads another stream.
        """
        fragments = {
            "role": literal(iam_role) if iam_role else "default", "stream": identifier(stream)
        }  # fmt: skip
        client = self._client
        files = {file.name: file for file in read_all("streaming/setup")}
        external = files.pop("10_external_schema")
        if not client.has_schema(EXTERNAL):  # IF NOT EXISTS needs the right to create any
            client.execute(bind(external.statement, fragments.__getitem__))
        client.create_schema(LIVE)
        view = files.pop("20_sales_stream")
        if not self._has_view():
            client.execute(bind(view.statement, fragments.__getitem__))
        elif (read := self._stream_read()) not in ("", stream):
            why = "the view of live sales reads another stream"
            raise CannotRunError(why, where=f"{VIEW}, of {read}", hint=f"--stream {read}")
        with client.transaction():
            for file in files.values():
                client.execute(file.statement)
            if not int(client.query_value(f"SELECT COUNT(*) FROM {LIVE}.concert_seats")):
                self.count_seats()
        for table in (f"{LIVE}.concert_seats", f"{SCHEMA}.ticket_sales"):
            client.execute(f"ANALYZE {table}")  # each step joins them

    def _has_view(self) -> bool:
        statement = "SELECT 1 FROM svv_mv_info WHERE schema_name = %s AND name = 'sales_stream'"
        return bool(self._client.query(statement, (LIVE,)))

    def _stream_read(self) -> str:
        """Return the stream that the newest refresh read, as its name is not in the catalog."""
        rows = self._client.query(_STREAM_READ)
        return str(rows[0]["stream_name"]).strip() if rows else ""

    def count_seats(self) -> None:
        """Count what is sold of each concert, in the caller's transaction."""
        self._client.execute(f"DELETE FROM {LIVE}.concert_seats")
        self._client.execute(
            f"INSERT INTO {LIVE}.concert_seats (concert_id, starts_at, capacity, tickets_sold) "
            "SELECT c.concert_id, c.starts_at, v.capacity, COALESCE(s.quantity, 0) "
            f"FROM {SCHEMA}.concerts c LEFT JOIN {SCHEMA}.venues v ON v.venue_id = c.venue_id "
            "LEFT JOIN (SELECT concert_id, SUM(quantity) AS quantity "
            f"FROM {SCHEMA}.ticket_sales GROUP BY concert_id) AS s ON s.concert_id = c.concert_id"
        )

    def totals(self) -> StreamedTotals:
        """Return what became of the records until now."""
        (row,) = self._client.query(
            "SELECT COALESCE(SUM(records), 0) AS records, COALESCE(SUM(sales), 0) AS sales, "
            "COALESCE(SUM(rejected), 0) AS rejected, COALESCE(SUM(duplicates), 0) AS duplicates, "
            f"COALESCE(SUM(late), 0) AS late FROM {LIVE}.ingest_log"
        )
        return StreamedTotals(**{name: int(value) for name, value in row.items()})

    # -- from the stream to the tables ---------------------------------------------------------

    def refresh(self) -> None:
        """Read what is new in the stream into the view."""
        self._client.execute(f"REFRESH MATERIALIZED VIEW {VIEW}")

    def _find_shards(self) -> None:
        known = {row["shard_id"] for row in
                 self._client.query(f"SELECT shard_id FROM {LIVE}.positions")}  # fmt: skip
        for shard in self._shards():
            if shard not in known:
                self._client.execute(
                    f"INSERT INTO {LIVE}.positions (shard_id, position, records) "
                    f"VALUES ({literal(shard)}, '', 0)"
                )

    def _shards(self) -> Iterator[str]:
        """Yield the shards that the view has rows of: each by the sort key, no scan is needed."""
        last = ""
        while True:
            found = self._client.query_value(
                f"SELECT shard_id FROM {VIEW} WHERE shard_id > {literal(last)} "
                "ORDER BY shard_id LIMIT 1"
            )
            if found is None:
                return
            last = str(found)
            yield last

    def ingest(self, *, find_shards: bool = True) -> StreamedTotals:
        """Move the next records into the tables; returns what became of them.

        With `find_shards` it takes up shards of the view that have no position yet.
        It is done again where another transaction stopped it, or the connection was lost: what
        was committed is behind the positions, and not taken twice.
        """

        def step() -> StreamedTotals:
            self._prepare()
            with self._client.transaction():
                self.lock()
                if find_shards:
                    self._find_shards()
                return self._step(is_rebuilt=False)

        def may_repeat(error: Exception) -> bool:
            return isinstance(error, WarehouseError) and error.passes

        return attempts(step, may_repeat=may_repeat, pauses_s=PAUSES_S)

    def lock(self) -> None:
        """Keep ingesters out until the caller's transaction ends; to be its first statement."""
        self._client.execute(f"LOCK {LIVE}.positions")

    def restore(self, *, is_replaced: bool) -> StreamedTotals:
        """Bring the live layer in line with a load, in its transaction, which holds the lock."""
        if is_replaced:
            return self.rebuild()
        self.count_seats()
        return self.totals()

    def rebuild(self) -> StreamedTotals:
        """Judge all records of the view anew, in the caller's transaction, which holds the lock.

        The batch's tables have been replaced. Raises LoadError where the view no longer has all
        records that were ingested: their sales would be lost.
        """
        client = self._client
        self._require_all_records()
        client.execute(f"UPDATE {LIVE}.positions SET position = '', records = 0")
        for table in ("ingest_log", "late_sales"):
            client.execute(f"DELETE FROM {LIVE}.{table}")
        client.execute(
            f"DELETE FROM {SCHEMA}.rejected_records WHERE run_id = {literal(STREAM_RUN)}"
        )
        client.execute(f"DELETE FROM {SCHEMA}.ticket_sales WHERE streamed_at IS NOT NULL")
        self.count_seats()
        self._find_shards()
        self._create_tables()
        while self._step(is_rebuilt=True).records:
            pass
        self._drop_tables()
        return self.totals()

    def _require_all_records(self) -> None:
        wanted = self.totals().records
        found = int(self._client.query_value(
            f"SELECT COUNT(*) FROM {VIEW} v JOIN {LIVE}.positions p "
            "ON p.shard_id = v.shard_id AND v.position <= p.position"
        ))  # fmt: skip
        if found < wanted:
            raise LoadError(
                f"replacing the sales would lose streamed ones: {VIEW} has {found:,} of "
                f"{wanted:,} records that were ingested",
                where=VIEW,
                cause="the view was dropped and made anew, or its rows were moved",
                hint="python run_demo_pipeline.py --load-mode merge",
            )

    def _prepare(self) -> None:
        """Create the temporary tables of the steps, in a transaction of their own.

        They are used again, as are the translations of the statements. What is deleted from one
        stays on disk, and the planner counts it: once it is much, they are truncated.
        """
        connection = self._client.connection
        if self._prepared is not connection:
            with self._client.transaction():
                self._create_tables()
        elif self._held > MOST_HELD:
            for name in sorted(self._filled):
                self._client.execute(f"TRUNCATE {name}")
        else:
            return
        self._prepared, self._held = connection, 0
        self._filled.clear()

    def _create_tables(self) -> None:
        for statement in stream_statements.session_tables().values():
            self._client.execute(statement)

    def _drop_tables(self) -> None:
        for name in stream_statements.session_tables():
            self._client.execute(f"DROP TABLE {name}")
        self._filled.clear()

    def _step(self, *, is_rebuilt: bool) -> StreamedTotals:
        client = self._client
        for name in sorted(self._filled):
            client.execute(f"DELETE FROM {name}")
        self._filled |= {f"streamed_{name}" for name in _OF_EACH_STEP}
        now = self._now().astimezone(UTC).replace(tzinfo=None)
        client.execute("INSERT INTO streamed_tick VALUES (%s, %s)", (now, is_rebuilt))
        positions = client.query(f"SELECT shard_id, position FROM {LIVE}.positions")
        client.execute(
            stream_statements.next_records((p["shard_id"], p["position"]) for p in positions)
        )
        self._run("10_taken")
        (taken,) = client.query(
            "SELECT COUNT(*) AS records, SUM(CASE WHEN is_plain THEN 0 ELSE 1 END) AS others "
            "FROM streamed_taken"
        )
        records = int(taken["records"])
        if not records:
            return StreamedTotals()
        self._held += records
        self._run("20_judged")
        if int(taken["others"]):
            self._judge_others()
        self._run("30_checked")
        self._refuse_beyond_capacity()
        totals = self._counted()
        if totals.rejected:  # looking for their texts costs more than all else
            self._run("50_rejected_records")
        for name in ("55_late_sales", "60_ticket_sales", "70_concert_seats", "80_positions",
                     "90_ingest_log"):  # fmt: skip
            self._run(name)
        return totals

    def _run(self, name: str) -> None:
        self._client.execute(stream_statements.step()[name])

    def _counted(self) -> StreamedTotals:
        (row,) = self._client.query(
            "SELECT COUNT(*) AS records, SUM(CASE WHEN outcome IS NULL THEN 1 ELSE 0 END) AS sales,"
            " SUM(CASE WHEN outcome <> 'duplicate' THEN 1 ELSE 0 END) AS rejected,"
            " SUM(CASE WHEN outcome = 'duplicate' THEN 1 ELSE 0 END) AS duplicates "
            "FROM streamed_checked"
        )
        return StreamedTotals(**{name: int(value or 0) for name, value in row.items()})

    def _judge_others(self) -> None:
        """Judge events that are not plain by the SQL of the batch."""
        for name, query in stream_statements.batch_steps():
            self._client.execute(f"INSERT INTO {name} {query}")
            self._filled.add(name)
        self._client.execute(stream_statements.batch_judgement())

    def _refuse_beyond_capacity(self) -> None:
        """Of a concert that is nearly sold out, take the orders in turn, as far as they fit."""
        left: dict[str, int] = {}
        refused: list[int] = []
        for row in self._client.query(stream_statements.step()["40_full_concerts"]):
            seats = left.setdefault(row["concert_id"], int(row["seats_left"]))
            if int(row["quantity"]) <= seats:
                left[row["concert_id"]] = seats - int(row["quantity"])
            else:
                refused.append(int(row["n"]))
        for start in range(0, len(refused), _CHANGED_AT_ONCE):
            numbers = ", ".join(map(str, refused[start : start + _CHANGED_AT_ONCE]))
            self._client.execute(
                f"UPDATE streamed_checked SET outcome = 'over_capacity' WHERE n IN ({numbers})"
            )
