"""A live run: sales are produced, ingested, shown, and at the end compared event by event."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from src.domain.judgement import tally
from src.domain.live_sales import LiveSale
from src.errors import DemoError, QualityError, StreamError, UnreachableError, WarehouseError
from src.infrastructure.streaming.producer_ledger import ProducerLedger
from src.infrastructure.warehouse.streamed_sales import StreamedSales, StreamedTotals
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.workflow import Stage, StepOutcome, Workflow
from src.reporting.terminal.console import Console, StageProgress
from src.services.generation.sales_stream import LivePlan, SalesStream
from src.settings import Settings
from src.streaming.audit import Auditor, Produced
from src.streaming.children import Child
from src.streaming.ingestion import PATIENCE_S, Ingestion
from src.streaming.production import ledger_folder, load_concerts, prepare_stream
from src.waiting import (
    Clock,
    Sleep,
    attempts,
    every,
    growing,
    poll_until,
    real_clock,
    real_sleep,
)  # fmt: skip

T = TypeVar("T")
DRAIN_S = 120.0
_LOOK_S = 0.5
_LEAST_S = 0.1
_LINE_S = 5.0  # between lines where the stage's own cannot be rewritten
_MOST_STEPS = 600  # that the report keeps
_LAST_STEP = "SELECT MAX(ingested_at) FROM concert_live.ingest_log"
_DELAYS = (
    "SELECT ingested_at, records, delay_p50_ms, delay_p99_ms FROM concert_live.ingest_log "
    "WHERE delay_p99_ms IS NOT NULL AND NOT is_rebuilt AND ingested_at > COALESCE(%s, '1970-01-01')"
    " ORDER BY ingested_at"
)


class LiveRun:
    """The four stages of `python -m src.streaming run`, for one set of options."""

    def __init__(
        self, settings: Settings, arguments: argparse.Namespace, *, console: Console,
        should_stop: Callable[[], bool], clock: Clock = real_clock, sleep: Sleep = real_sleep,
    ) -> None:  # fmt: skip
        self.workflow = Workflow("streaming", settings, console=console)
        self._settings, self._arguments, self._console = settings, arguments, console
        self._should_stop, self._clock, self._sleep = should_stop, clock, sleep
        self._opened = ExitStack()
        self._environment: DemoEnvironment | None = None
        self._first = 0  # the number of the first event of this run
        self._before = StreamedTotals()
        self._last_before: datetime | None = None  # the newest step before this run
        self._started = 0.0
        self._facts: JsonObject = {}
        self._is_stopped = False

    def run(self) -> JsonObject:
        """Run the stages, write the report, and return it."""
        settings, a = self._settings, self._arguments
        stages = [
            Stage("set_up", self._set_up),
            Stage("live", self._live),
            Stage("drain", self._drain),
            Stage("verify", self._verify),
        ]
        pace = f"speed {a.speed:g}" if a.speed else f"{a.rate:g} sales/s"
        header = f"Concert demo live  run {self.workflow.run_id}  target {settings.target}  {pace}"
        try:
            with self._opened:
                self.workflow.run(stages, header)
                if self._is_stopped and a.seconds and self.workflow.error is None:
                    self.workflow.exit_code = 130
                report = self.workflow.write_report({"streaming": self._facts})
        finally:
            self.workflow.close()
        return report

    # -- stages --------------------------------------------------------------------------------

    def _set_up(self, progress: StageProgress) -> StepOutcome:
        progress.note("starting")
        self._environment = self._opened.enter_context(
            DemoEnvironment(self._settings, needs_glue=False, role="visitor")
        )
        self._ingestion = ingestion = Ingestion(self._environment, self._arguments.refresh)
        ingestion.require_concerts()
        shards = prepare_stream(self._environment, self._arguments.shards)
        ingestion.set_up()
        progress.note("taking what is on the stream already")
        taken = ingestion.tick()
        self._first = self._acknowledged()
        self._before = self._sales.totals()
        self._last_before = self._env.redshift.query_value(_LAST_STEP)
        log = self._folder
        self._producer = Child("produce", self._produce_options, self._settings,
                               log / "produce.log")  # fmt: skip
        self._ingester = Child("ingest", lambda: ["--refresh", f"{self._arguments.refresh:g}"],
                               self._settings, log / "ingest.log")  # fmt: skip
        earlier = f", {taken.records:,} earlier records taken" if taken.records else ""
        facts = {"shards": shards, "earlier_records": taken.records, "first_event": self._first}
        return StepOutcome("success", f"{shards} shards{earlier}", facts)

    def _live(self, progress: StageProgress) -> StepOutcome:
        self._started = self._clock()
        self._ingester.start()
        self._producer.start()
        self._opened.callback(self._ingester.stop)
        self._opened.callback(self._producer.stop)
        self._console.line(
            f"     the ingester is process {self._ingester.pid}, the producer "
            f"{self._producer.pid}: kill -9 loses nothing"
        )
        shown = self._clock()

        def look() -> bool:
            nonlocal shown
            self._revive(self._ingester)
            line = self._line()
            progress.note(line)
            if not self._console.is_terminal and self._clock() - shown >= _LINE_S:
                shown = self._clock()
                self._console.line(f"     {line}")
            if self._should_stop() and not self._is_stopped:
                self._is_stopped = True
                self._producer.stop()
            if self._producer.end is not None and self._producer.end < 0 and not self._is_stopped:
                self._revive(self._producer)
            return self._producer.end is not None

        poll_until(look, bool, pauses_s=every(_LOOK_S), sleep=self._sleep)
        # One that has to stop before it could take that up ends by the signal itself.
        if self._producer.end not in (0, 130) and not self._is_stopped:
            cause, hint = self._producer.failure()
            raise StreamError("the producer failed", where=str(self._folder / "produce.log"),
                              cause=cause, hint=hint)  # fmt: skip
        said = self._producer.last_line()  # its count, or why it sent less than it was asked to
        why = "" if "acknowledged" in said else f"; {said}"
        detail = f"{self._acknowledged() - self._first:,} events produced{why}"
        return StepOutcome("success", detail, {"last_line_of_producer": said})

    def _drain(self, progress: StageProgress) -> StepOutcome:
        """Wait until all that was acknowledged is in the tables."""

        def look() -> int:
            self._revive(self._ingester)
            progress.note(self._line())
            return self._in_flight()

        left = poll_until(look, lambda n: not n, pauses_s=every(_LOOK_S), timeout_s=DRAIN_S,
                          sleep=self._sleep)  # fmt: skip
        code = self._ingester.stop()
        self._answered(self._ingestion.tick)  # what came after its last look
        line = self._line()
        if left:
            cause, hint = self._ingester.failure()
            raise StreamError(f"{left:,} events are still in flight after {DRAIN_S:.0f} s",
                              where=str(self._folder / "ingest.log"),
                              cause=cause, hint=hint)  # fmt: skip
        return StepOutcome("success", line, {"exit_code_of_ingester": code})

    def _verify(self, progress: StageProgress) -> StepOutcome:
        progress.note("comparing event by event")
        produced = Produced.of(events_of(self._ledger(), self._first))
        moved = self._moved()
        auditor = Auditor(self._env.redshift, self._settings.seed)
        checks = self._answered(lambda: auditor.audit(produced, moved))
        self._facts |= self._figures(produced, moved) | {"checks": checks}
        failed = [check for check in checks if check.verdict == "failed"]
        if failed:
            raise QualityError(
                f"{len(failed)} of {len(checks)} checks failed", where=failed[0].name,
                cause=f"{failed[0].title}: expected {failed[0].expected}, found {failed[0].found}",
                hint='python -m src.local_cloud psql -c "SELECT * FROM concert_live.ingest_log"',
            )  # fmt: skip
        return StepOutcome("success", f"{len(checks)} of {len(checks)} checks: 0 lost, 0 doubled",
                           {"tally": tally(check.verdict for check in checks)})  # fmt: skip

    # -- figures -------------------------------------------------------------------------------

    @property
    def _env(self) -> DemoEnvironment:
        if self._environment is None:
            raise DemoError("the live run was not set up", hint="python -m src.streaming run")
        return self._environment

    @property
    def _sales(self) -> StreamedSales:
        return StreamedSales(self._env.redshift)

    @property
    def _folder(self) -> Path:
        return self.workflow.folder

    def _produce_options(self) -> list[str]:
        a = self._arguments
        pace = ["--speed", f"{a.speed:g}"] if a.speed else ["--rate", f"{a.rate:g}"]
        # One that was killed has the rest of the time; 0 would be without end.
        left = a.seconds and max(a.seconds - (self._clock() - self._started), _LEAST_S)
        return [
            *pace, "--for", f"{left:g}", "--broken", f"{a.broken_share:g}", "--on-sale",
            a.on_sale, "--shards", str(a.shards), "--seed", str(self._settings.seed),
        ]  # fmt: skip

    def _revive(self, child: Child) -> None:
        if child.end is not None:
            how = f"signal {-child.end}" if child.end < 0 else f"exit code {child.end}"
            self._console.line(f"     {child.name} ended ({how}) and is started again")
            child.start()

    def _ledger(self) -> ProducerLedger:
        return ProducerLedger(ledger_folder(self._env))

    def _acknowledged(self) -> int:
        return self._ledger().acknowledged

    def _moved(self) -> StreamedTotals:
        return self._answered(self._sales.totals) - self._before

    def _answered(self, ask: Callable[[], T]) -> T:
        """Return an answer of the warehouse; one that is gone for a while is asked again."""

        def may_repeat(error: Exception) -> bool:
            is_lost = isinstance(error, WarehouseError) and error.is_lost
            if isinstance(error, UnreachableError) or is_lost:
                self._console.line(f"     {error}: it is asked again")
                return True
            return False

        return attempts(ask, may_repeat=may_repeat, pauses_s=growing(0.5, longest_s=5.0),
                        timeout_s=PATIENCE_S, sleep=self._sleep, clock=self._clock)  # fmt: skip

    def _in_flight(self) -> int:
        return max(self._acknowledged() - self._first - self._moved().records, 0)

    def _line(self) -> str:
        """Return the line that always balances."""
        acknowledged = self._acknowledged() - self._first
        moved = self._moved()
        in_flight = max(acknowledged - moved.records, 0)
        return balance(moved, in_flight)

    def _figures(self, produced: Produced, moved: StreamedTotals) -> JsonObject:
        client = self._env.redshift
        rows = self._answered(lambda: client.query(_DELAYS, (self._last_before,)))
        delays = [int(row["delay_p50_ms"]) for row in rows]
        return {
            "produced": moved.records, "acknowledged": produced.events, "totals": moved,
            "sent_again": max(moved.records - produced.events, 0), "in_flight": 0,
            "defects": len(produced.broken) + produced.duplicates,
            "restarts": self._ingester.starts + self._producer.starts - 2,
            "delay_p50_ms": sorted(delays)[len(delays) // 2] if delays else None,
            "delay_p99_ms": max((int(row["delay_p99_ms"]) for row in rows), default=None),
            "ticks": rows[-_MOST_STEPS:],
        }  # fmt: skip


def balance(moved: StreamedTotals, in_flight: int) -> str:
    """Return what was produced and what became of it, in one line."""
    return (
        f"produced {moved.records + in_flight:,} = {moved.sales:,} in the warehouse "
        f"+ {moved.rejected:,} rejected + {moved.duplicates:,} duplicates + {in_flight:,} in flight"
    )


def events_of(ledger: ProducerLedger, first: int) -> list[LiveSale]:
    """Return the acknowledged events from a number on, made anew from their plans."""
    plans = [LivePlan(**line["plan"]) for line in ledger.plans]
    ends = [plan.first for plan in plans[1:]] + [ledger.acknowledged]
    found: list[LiveSale] = []
    for plan, end in zip(plans, ends, strict=True):
        start = max(plan.first, first)
        if start < end:
            concerts = load_concerts(ledger.folder / f"concerts-{plan.first}.npz")
            found += islice(SalesStream(concerts, plan).events(start), end - start)
    return found
