"""What is shown while sales stream in: figures that the warehouse alone is asked for.

Throttles are the producer's to count; from the warehouse a shard is shown as full where it
delivers what Kinesis takes at most: 1,000 records a second.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from src.errors import DemoError
from src.infrastructure.redshift_client import RedshiftClient
from src.json_object import JsonObject
from src.sql import files
from src.sql.quoting import literal
from src.waiting import Clock, real_clock

SHARD_LIMIT = 1_000  # records a second
_FULL = 0.9
_RECENT = timedelta(seconds=30)  # of the shows that are listed
_RATE_S = 3.0  # over which rates are taken
_KEPT_LOOKS = 240
_CURVE = Path(files.__file__).parent / "streaming" / "booking_curve.sql"


@dataclass(frozen=True)
class Show:
    """One concert: what is sold of it, and what its booking curve makes of that."""

    concert_id: str
    name: str
    tickets: int  # of the last seconds
    sold: int
    capacity: int | None
    usual_share: float | None  # of its final tickets, sold by now by shows before it
    forecast: int | None


@dataclass
class Figures:
    """One look; `note` is why there are none, or why they are old."""

    at: str = ""
    note: str = ""
    records: int = 0
    sales: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0
    waiting: int = 0
    rate: float = 0.0
    delay_p50_ms: int = 0
    delay_p99_ms: int = 0
    silent_s: float = 0.0  # since the newest step
    shards: list[JsonObject] = field(default_factory=list)
    shows: list[Show] = field(default_factory=list)
    sold_out: int = 0
    newly_sold_out: list[str] = field(default_factory=list)
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def balance(self) -> str:
        """Return the line that is always right."""
        read = self.sales + self.rejected + self.duplicates + self.waiting
        return (f"{read:,} read from the stream = {self.sales:,} in the warehouse + "
                f"{self.rejected:,} rejected + {self.duplicates:,} duplicates + "
                f"{self.waiting:,} in flight")  # fmt: skip

    def as_json(self) -> JsonObject:
        """Return the figures for programs, and for the page."""
        return {**asdict(self), "balance": self.balance}


class LiveView:
    """Looks at the warehouse; each look is a few small queries."""

    def __init__(self, redshift: RedshiftClient, *, clock: Clock = real_clock) -> None:
        self._redshift, self._clock = redshift, clock
        self._looks: deque[tuple[float, dict[str, int]]] = deque(maxlen=_KEPT_LOOKS)
        self._curve: list[float] | None = None
        self._sold_out: dict[str, str] | None = None
        self._new: dict[str, str] = {}
        self._last = Figures(note="nothing was ingested yet: python -m src.streaming ingest")

    def look(self) -> Figures:
        """Return the figures of now; where the warehouse does not answer, the last ones."""
        try:
            self._last = self._figures()
        except DemoError as error:
            self._last.note = f"{error.message}; figures of {self._last.at or 'no time'}"
        return self._last

    def _figures(self) -> Figures:
        if "ingest_log" not in self._redshift.table_names("concert_live"):
            return Figures(note="nothing was ingested yet: python -m src.streaming ingest")
        queries = {file.name: file.statement for file in files.read_all("streaming/watch")}
        totals = self._redshift.query(queries["10_totals"])
        if not totals:
            return Figures(note="no event has come yet: python -m src.streaming produce")
        total = totals[0]
        now = datetime.now(UTC)
        newest = _utc(total["ingested_at"])
        shards = {row["shard_id"]: int(row["records"])
                  for row in self._redshift.query(queries["30_shards"])}  # fmt: skip
        rates = self._rates({"": int(total["records"]), **shards})
        since = literal(f"{newest - _RECENT:%Y-%m-%d %H:%M:%S}")
        sold_out = self._redshift.query(queries["50_sold_out"])
        self._note_sold_out({row["concert_id"]: row["artist"] for row in sold_out})
        return Figures(
            at=f"{now:%Y-%m-%dT%H:%M:%SZ}", records=int(total["records"]),
            sales=int(total["sales"]), rejected=int(total["rejected"]),
            duplicates=int(total["duplicates"]), late=int(total["late"]),
            waiting=int(self._redshift.query_value(queries["20_waiting"])),
            rate=rates[""], delay_p50_ms=int(total["delay_p50_ms"] or 0),
            delay_p99_ms=int(total["delay_p99_ms"] or 0),
            silent_s=max((now - newest).total_seconds(), 0.0),
            shards=[{"name": f"shard {int(name.rpartition('-')[2])}", "records": count,
                     "rate": rates[name], "is_full": rates[name] >= _FULL * SHARD_LIMIT}
                    for name, count in shards.items()],
            shows=[self._show(row) for row in
                   self._redshift.query(files.bind(queries["40_shows"], lambda _: since))],
            sold_out=len(sold_out), newly_sold_out=list(self._new.values())[-5:],
            rejects={row["rule"]: int(row["events"])
                     for row in self._redshift.query(queries["60_rejects"])},
        )  # fmt: skip

    def _rates(self, counts: dict[str, int]) -> dict[str, float]:
        """Return each count's growth in a second, over the last few seconds."""
        now = self._clock()
        self._looks.append((now, counts))
        # Of the last few seconds; where looks are rarer than that, since the one before.
        recent = [look for look in self._looks if now - look[0] <= _RATE_S]
        before = recent[0] if len(recent) > 1 else [*self._looks][-2:][0]
        seconds = now - before[0]
        return {
            name: max(count - before[1].get(name, 0), 0) / seconds if seconds > 0 else 0.0
            for name, count in counts.items()
        }

    def _note_sold_out(self, found: dict[str, str]) -> None:
        known = found if self._sold_out is None else self._sold_out
        self._new |= {name: artist for name, artist in found.items() if name not in known}
        self._sold_out = {**known, **found}

    def _show(self, row: JsonObject) -> Show:
        capacity, sold = row["capacity"], int(row["tickets_sold"])
        usual = forecast = None
        if row["on_sale_at"] is not None:
            window = (row["starts_at"] - row["on_sale_at"]).total_seconds()
            elapsed = (row["world_time"] - row["on_sale_at"]).total_seconds()
            usual = self._usual_share(min(max(elapsed / max(window, 1.0), 0.0), 1.0))
            forecast = round(sold / usual) if usual >= 0.02 else None
        if capacity is not None and forecast is not None:
            forecast = min(forecast, int(capacity))
        name = ", ".join(filter(None, (row["artist"], row["venue"], row["city"])))
        size = None if capacity is None else int(capacity)
        return Show(row["concert_id"], name, int(row["tickets"]), sold, size, usual, forecast)

    def _usual_share(self, elapsed: float) -> float:
        """Return the share of their tickets that shows before this one had sold by then."""
        if self._curve is None:
            tickets = [0.0] * 20
            for row in self._redshift.query(files.read(_CURVE).statement):
                tickets[int(row["twentieth"])] = float(row["tickets"])
            whole = sum(tickets) or 1.0
            self._curve = [share / whole for share in accumulate(tickets, initial=0.0)]
        place = elapsed * 20
        low, high = list(pairwise(self._curve))[min(int(place), 19)]
        return low + (high - low) * (place - min(int(place), 19))


def _utc(moment: Any) -> datetime:
    found: datetime = moment
    return found.replace(tzinfo=UTC)


def show_until(
    view: LiveView, show: Callable[[Figures], None], every_s: float, end: float,
    is_stopped: threading.Event,
) -> None:  # fmt: skip
    """Look and show, at equal times, until an end or until asked to stop."""
    due = real_clock()
    while due < end and not is_stopped.is_set():
        show(view.look())
        due = max(due + every_s, real_clock())
        is_stopped.wait(max(min(due, end) - real_clock(), 0.0))
