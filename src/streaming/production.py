"""A producer of live sales: which events, to which stream, and where it was when it ended."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from itertools import islice
from math import ceil
from pathlib import Path
from types import TracebackType

import numpy as np

from src.errors import CannotRunError
from src.infrastructure.streaming.producer_ledger import ProducerLedger
from src.infrastructure.streaming.stream_producer import StreamProducer
from src.infrastructure.streaming.stream_setup import ensure_stream
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.services.generation.sales_stream import LiveConcerts, LivePlan, SalesStream, hottest
from src.sql import files

_QUERY = Path(files.__file__).parent / "streaming" / "live_concerts.sql"
_NUMBERS = ("starts_at", "on_sale_at", "price_cents", "capacity", "sold")
HOTTEST, NONE = "hottest", "none"  # words for --on-sale besides a concert


def ledger_folder(environment: DemoEnvironment) -> Path:
    """Return where the ledger of the stream's producer is."""
    return (
        Path(environment.settings.state_dir).absolute() / "streaming" / environment.settings.stream
    )


def prepare_stream(environment: DemoEnvironment, shards: int) -> int:
    """Make the stream where it is missing; returns its open shards."""
    return ensure_stream(environment.kinesis_client(), environment.settings.stream, shards)


class Production:
    """Continues the newest plan of the ledger where it has the same options, or begins another.

    Use it as a context manager: it holds the ledger open. `sales` are the plan's events.
    """

    def __init__(self, environment: DemoEnvironment, options: LivePlan, *, shards: int = 4) -> None:
        client = environment.kinesis_client()
        self.shards = ensure_stream(client, environment.settings.stream, shards)
        self.ledger = ProducerLedger(ledger_folder(environment))
        concerts, as_of = read_concerts(environment)
        self.plan, self._is_new = self._plan(options, concerts, as_of)
        if self._is_new:
            save_concerts(self._file(self.plan.first), concerts)
        self.sales = SalesStream(load_concerts(self._file(self.plan.first)), self.plan)
        self.producer = StreamProducer(
            lambda: environment.kinesis_client(attempts=1), environment.settings.stream, self.ledger
        )

    def __enter__(self) -> Production:
        self.ledger.__enter__()
        if self._is_new:
            self.ledger.begin(_as_json(self.plan, self._digest, self._wanted))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.ledger.__exit__(kind, error, trace)

    def _file(self, first: int) -> Path:
        return self.ledger.folder / f"concerts-{first}.npz"

    def _plan(self, options: LivePlan, concerts: LiveConcerts, as_of: int) -> tuple[LivePlan, bool]:
        """Return the plan, and whether it is a new one."""
        facts = (concerts.ids, concerts.starts_at.tolist(), concerts.capacity.tolist(), as_of)
        self._digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        self._wanted = options.on_sale
        ledger, started_at = self.ledger, as_of
        if ledger.plans:
            last = ledger.plans[-1]
            newest = LivePlan(**last["plan"])
            like = replace(newest, started_at=0, first=0, on_sale=last["wanted"])
            if like == replace(options, started_at=0, first=0) and last["data"] == self._digest:
                return newest, False
            if ledger.acknowledged > newest.first:
                earlier = SalesStream(load_concerts(self._file(newest.first)), newest)
                # The first event that is left to send; of a plan that is over, the last one.
                last_two = islice(earlier.events(ledger.acknowledged - 1), 2)
                ended = [event.due_s for event in last_two][-1]
                started_at = max(as_of, ceil(earlier.world_time(ended)))
        on_sale = options.on_sale
        if on_sale == HOTTEST:
            on_sale = hottest(concerts, started_at)
        on_sale = "" if on_sale == NONE else on_sale
        first = ledger.acknowledged
        return replace(options, started_at=started_at, first=first, on_sale=on_sale), True


def read_concerts(environment: DemoEnvironment) -> tuple[LiveConcerts, int]:
    """Return the warehouse's concerts still to come, and the time up to which it has sales."""
    redshift, rows = environment.redshift, []
    if {"concerts", "ticket_sales"} <= set(redshift.table_names("concert_dw")):
        rows = redshift.query(files.read(_QUERY).statement)
    if not rows:
        raise CannotRunError(
            "the warehouse has no concert that is still to come",
            where="concert_dw",
            hint="python run_demo_pipeline.py",
        )
    columns = {name: np.array([int(row[name]) for row in rows], np.int64) for name in _NUMBERS}
    ids = tuple(str(row["concert_id"]) for row in rows)
    popularity = np.array([float(row["popularity"]) for row in rows])
    return LiveConcerts(ids, **columns, popularity=popularity), int(rows[0]["as_of"])


def save_concerts(file: Path, concerts: LiveConcerts) -> None:
    """Write what a plan's events depend on besides the plan."""
    arrays = {name: getattr(concerts, name) for name in (*_NUMBERS, "popularity")}
    with file.open("wb") as out:
        np.savez_compressed(out, ids=np.array(concerts.ids), **arrays)


def load_concerts(file: Path) -> LiveConcerts:
    """Read what `save_concerts` wrote."""
    with np.load(file, allow_pickle=False) as saved:
        numbers = {name: saved[name] for name in (*_NUMBERS, "popularity")}
        return LiveConcerts(tuple(str(name) for name in saved["ids"]), **numbers)


def _as_json(plan: LivePlan, digest: str, wanted: str) -> JsonObject:
    return {"plan": asdict(plan), "data": digest, "wanted": wanted}
