"""Makes the files of a data set, each from nothing but the world: in this process or in several.

A part's bytes depend on the world and the part alone, so it is all the same who makes it.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from src.domain.bucket_layout import TRUTH_NAME, part_file
from src.domain.tables import TABLE_BY_NAME
from src.errors import GenerationError
from src.services.encoding.arrow_columns import latest, values_of
from src.services.encoding.record_encoding import (
    EXTENSION,
    Bytes,
    encode_json_lines,
    part_writer,
)
from src.services.encoding.sink import ROWS_PER_PART
from src.services.generation.concert_world import World
from src.services.generation.defect_injector import DefectInjector
from src.services.generation.demand_model import r2_ceiling
from src.services.generation.generation_checks import GenerationChecks
from src.services.generation.later_days import world_at
from src.services.generation.raw_tables import (
    Block,
    block_table,
    blocks_of,
    raw_schema,
    truth_table,
)
from src.services.generation.recipe import Recipe
from src.signals import die_with, keep_freed_memory

_AHEAD = 2  # parts in progress or waiting to be stored, for each worker
WORTH_WORKERS = 1_000_000  # rows: starting a worker takes as long as making some 500,000


@dataclass(frozen=True)
class Part:
    """One file to make: its place in the table, and its blocks."""

    table: str
    number: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class MadePart:
    """One file made: its body, what is in it, and the defects it was given.

    One that its maker has `stored`, so many bytes, comes without its body.
    """

    path: str
    body: bytes
    rows: int
    content_sha256: str
    ledger: bytes = b""  # JSON lines
    defects: int = 0
    untidy: int = 0
    newest_sale: str = ""
    ceilings: dict[str, float] | None = None  # of the ground truth
    stored: int | None = None


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


TRUTH = Part("", 0, ())  # what a perfect model would use


class PartMaker:
    """Makes parts in this process."""

    def __init__(self, recipe: Recipe, world: World) -> None:
        self.recipe = recipe
        self._world = world
        self._checks = GenerationChecks(world)

    def _injector(self, table: str) -> DefectInjector:
        size, r = self.recipe.size, self.recipe
        rows = {"artists": size.artists, "venues": size.venues, "concerts": size.concerts,
                "ticket_sales": size.sales}[table]  # fmt: skip
        return DefectInjector(
            TABLE_BY_NAME[table],
            rows=rows,
            rate=r.defect_rate,
            seed=r.seed,
            grows=r.clock.as_of is not None,
        )

    def parts(self, table: str) -> list[Part]:
        """Return a table's parts; raises GenerationError unless they are the whole table."""
        injector, blocks = self._injector(table), blocks_of(self._world, table)
        self._checks.check_blocks(table, blocks)
        parts: list[Part] = []
        mine: list[Block] = []
        rows = 0
        for block in blocks:
            mine.append(block)
            rows += block.rows + injector.due(block.before, block.rows)
            if rows >= ROWS_PER_PART:
                parts.append(Part(table, len(parts), tuple(mine)))
                mine, rows = [], 0
        if mine:
            parts.append(Part(table, len(parts), tuple(mine)))
        return parts

    def make(self, part: Part) -> MadePart:
        """Make one part; raises GenerationError where its rows break a law."""
        if part == TRUTH:
            return self._truth()
        spec, raw_format = TABLE_BY_NAME[part.table], self.recipe.raw_format
        injector = self._injector(part.table)
        writer = part_writer(raw_format, raw_schema(spec))
        ledger: list[Bytes] = []
        rows, defects, untidy, newest = 0, 0, 0, ""
        for block in part.blocks:
            valid = block_table(self._world, part.table, block)
            self._checks.check(part.table, valid, block)
            if part.table == "ticket_sales":
                newest = max(newest, latest(valid.column("purchased_at").chunk(0)))
            injected = injector.inject(valid, block.nth, block.before)
            writer.write(injected.rows)
            ledger += encode_json_lines(injected.ledger)
            rows += injected.rows.num_rows
            defects, untidy = defects + injected.defects, untidy + injected.untidy
        path = part_file(part.table, part.number, EXTENSION[raw_format])
        body = writer.finish()
        return MadePart(
            path, body, rows, writer.content_sha256(), b"".join(ledger), defects, untidy, newest
        )

    def _truth(self) -> MadePart:
        import pyarrow as pa
        import pyarrow.parquet as pq

        truth = truth_table(self._world)
        sink = pa.BufferOutputStream()
        pq.write_table(truth, sink, compression="zstd")
        column = {name: values_of(truth.column(name).chunk(0)) for name in truth.column_names}
        ceilings = {
            "oracle": round(r2_ceiling(column["mean"], column["variance"]), 6),
            "columns": round(r2_ceiling(column["columns_mean"], column["columns_variance"]), 6),
        }
        return MadePart(TRUTH_NAME, sink.getvalue().to_pybytes(), 0, "", ceilings=ceilings)


def made_parts(
    maker: PartMaker, parts: Sequence[Part], *, workers: int
) -> Generator[MadePart, None, None]:
    """Yield the parts in order, made by `workers` processes, or by this one if that is faster.

    The ground truth is yielded last, but begun first: it takes as long as many parts.
    Raises GenerationError where a worker dies.
    """
    rows = sum(block.rows for part in parts for block in part.blocks)
    if workers <= 1 or rows < WORTH_WORKERS:
        yield from map(maker.make, [*parts, TRUTH])
        return
    # spawn: this process has threads, which a fork would leave half-copied.
    pool = ProcessPoolExecutor(
        min(workers, len(parts)), get_context("spawn"), _start_worker, (maker.recipe, os.getpid())
    )
    try:
        truth = pool.submit(_make, TRUTH)
        waiting: deque[Future[MadePart]] = deque()
        for part in parts:
            waiting.append(pool.submit(_make, part))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        yield truth.result()
    except BrokenProcessPool as error:
        raise GenerationError(
            "a process that was generating data died",
            where=f"{workers} workers",
            cause="it was killed, mostly for memory",
            hint="run the same command with --workers 1",
        ) from error
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # a caller that stops early does not wait for parts in progress
        pool.shutdown(cancel_futures=True)


_maker: Any = None


def _start_worker(recipe: Recipe, parent: int) -> None:
    """Build the world again, in a worker: that is faster than sending it."""
    global _maker  # noqa: PLW0603 (a worker has one)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops us
    die_with(parent)
    keep_freed_memory()
    _maker = PartMaker(recipe, world_at(recipe.size, recipe.seed, recipe.clock))


def _make(part: Part) -> MadePart:
    made: MadePart = _maker.make(part)
    return made
