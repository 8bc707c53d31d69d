"""Keeps the tables up to date with the stream: refresh, ingest, wait, without end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from src.errors import CannotRunError, UnreachableError, WarehouseError
from src.infrastructure.warehouse.stream_statements import MOST
from src.infrastructure.warehouse.streamed_sales import StreamedSales, StreamedTotals
from src.orchestration.environment import DemoEnvironment
from src.waiting import Clock, Sleep, growing, real_clock, real_sleep

SHARDS_S = 2.0  # between looks for shards that are new
PATIENCE_S = 60.0  # with a stream or a warehouse that does not answer
_LOOK_S = 0.1  # between looks at whether to stop
# Reads that an index spares in PostgreSQL; Redshift's distribution and sort keys do it there.
_LOCAL_INDEXES = (("concert_dw", "ticket_sales", "sale_id"),
                  ("concert_live", "concert_seats", "concert_id"))  # fmt: skip


class Ingestion:
    """Moves what is on the stream into the warehouse, every `refresh_s` seconds."""

    def __init__(
        self, environment: DemoEnvironment, refresh_s: float, *,
        clock: Clock = real_clock, sleep: Sleep = real_sleep,
    ) -> None:  # fmt: skip
        self._environment, self._refresh_s = environment, refresh_s
        self._clock, self._sleep = clock, sleep
        self._sales = StreamedSales(environment.redshift)
        self._looked_at = float("-inf")

    def require_concerts(self) -> None:
        """Raise CannotRunError where the warehouse has no concerts that sales could be of."""
        client = self._environment.redshift
        if "concerts" not in client.table_names("concert_dw") or not client.row_count(
            "concert_dw", "concerts"
        ):
            raise CannotRunError(
                "the warehouse is empty: there are no concerts that tickets could be sold for",
                where="concert_dw.concerts",
                hint="python run_demo_pipeline.py",
            )

    def set_up(self) -> None:
        """Create what is missing of the live layer; raises CannotRunError without concerts."""
        environment = self._environment
        self.require_concerts()
        environment.redshift.create_tables()
        self._set_up_live_layer()
        if environment.local_cloud is not None:
            with closing(environment.local_cloud.connect_redshift()) as connection:
                for schema, table, column in _LOCAL_INDEXES:
                    connection.cursor().execute_postgres(
                        f"CREATE INDEX IF NOT EXISTS {table}_of_stream ON {schema}.{table} "
                        f"({column})"
                    )
                connection.commit()

    def _set_up_live_layer(self) -> None:
        stream = self._environment.settings.stream
        try:
            self._sales.set_up(stream, self._environment.redshift_role)
        except WarehouseError as error:
            if f'stream "{stream}" does not exist' not in (error.cause or ""):
                raise
            raise CannotRunError(
                "the stream does not exist",
                where=stream,
                hint="python -m src.streaming produce",
            ) from error

    def tick(self) -> StreamedTotals:
        """Refresh once, and move all that the view has."""
        self._sales.refresh()
        total = StreamedTotals()
        while True:
            done = self._sales.ingest(find_shards=self._looks_for_shards())
            total += done
            if done.records < MOST:
                return total

    def _looks_for_shards(self) -> bool:
        now = self._clock()
        is_due = now - self._looked_at >= SHARDS_S
        if is_due:
            self._looked_at = now
        return is_due

    def run(
        self, *, for_s: float = float("inf"),
        should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[StreamedTotals], None] = lambda totals: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> StreamedTotals:  # fmt: skip
        """Ingest until a time or until asked to stop; `report` gets what each tick moved.

        What does not answer is asked again for PATIENCE_S: nothing is lost meanwhile.
        """
        started, due = self._clock(), self._clock()
        total, failing_since, pauses = StreamedTotals(), None, iter(growing(0.25, longest_s=5.0))
        while not should_stop() and self._clock() - started < for_s:
            try:
                done = self.tick()
            except (WarehouseError, UnreachableError) as error:
                failing_since = failing_since or self._clock()
                if self._clock() - failing_since > PATIENCE_S:
                    raise
                pause = next(pauses)
                note(f"{error.message}: {error.cause or ''}; again in {pause:.2g} s")
                self._rest(self._clock() + pause, should_stop)
                continue
            if failing_since is not None:
                note(f"ingesting again after {self._clock() - failing_since:.1f} s")
            failing_since, pauses = None, iter(growing(0.25, longest_s=5.0))
            total += done
            report(done)
            due = max(due + self._refresh_s, self._clock())
            self._rest(due, should_stop)
        return total

    def _rest(self, until: float, should_stop: Callable[[], bool]) -> None:
        while not should_stop() and (left := until - self._clock()) > 0:
            self._sleep(min(left, _LOOK_S))
