"""Generates concert data: seeded, in blocks, validated while it streams out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

from src.domain.dataset import LEDGER_NAME, TRUTH_NAME, DataFile, DatasetManifest, TableFiles
from src.domain.tables import TABLES, TableSpec
from src.services import raw_tables
from src.services.concert_world import World, WorldSize, build_world
from src.services.defect_injector import UNTIDY, Defect, DefectInjector
from src.services.demand_model import r2_ceiling
from src.services.generation_checks import GenerationChecks
from src.services.record_encoding import EXTENSION, PartWriter, RawFormat, part_writer

ROWS_PER_PART = 250_000
OnRows = Callable[[str, int], None]


class Sink(Protocol):
    """Where the files of a data set go."""

    def put(self, path: str, body: bytes) -> None:
        """Store one file at a path relative to the data set."""


class SyntheticDataGenerator:
    """Generates artists, venues, concerts and ticket sales.

    Same arguments, same bytes. Exactly the numbers of `size` are valid rows; defects
    (`defect_rate` x rows per table) come on top. Memory does not grow with the sales rows.

    >>> generator = SyntheticDataGenerator(WorldSize(10, 5, 40, 200), seed=1)
    >>> sum(block.num_rows for block in generator.blocks("ticket_sales"))
    200
    """

    def __init__(self, size: WorldSize, *, seed: int = 42, defect_rate: float = 0.01) -> None:
        self.size = size
        self.seed = seed
        self.defect_rate = defect_rate

    @cached_property
    def world(self) -> World:
        """Return the world; raises UsageError where it cannot carry the sales asked for."""
        return build_world(self.size, self.seed)

    def rows(self, table: str) -> int:
        """Return the number of valid rows of a table."""
        return {
            "artists": self.size.artists,
            "venues": self.size.venues,
            "concerts": self.size.concerts,
            "ticket_sales": self.size.sales,
        }[table]

    def blocks(self, table: str) -> Iterator[pa.Table]:
        """Yield the valid rows of a table in key order."""
        if table == "artists":
            return iter([raw_tables.artists_table(self.world)])
        if table == "venues":
            return iter([raw_tables.venues_table(self.world)])
        if table == "concerts":
            return raw_tables.concert_blocks(self.world)
        return raw_tables.sales_blocks(self.world)

    def export(
        self, sink: Sink, raw_format: RawFormat, dataset_id: str, on_rows: OnRows | None = None
    ) -> DatasetManifest:
        """Write every table, the ledger and the ground truth to `sink`; return the manifest.

        The manifest itself is the caller's to write, last. `on_rows(table, rows)` hears of
        each finished block. Raises GenerationError where the data breaks its own laws.
        """
        checks = GenerationChecks(self.world)
        ledger: list[Defect] = []
        tables: dict[str, TableFiles] = {}
        for spec in TABLES:
            injector = DefectInjector(
                spec, rows=self.rows(spec.name), rate=self.defect_rate, seed=self.seed
            )
            dirty = injector.inject(checks.watch(spec.name, self.blocks(spec.name)))
            tables[spec.name] = self._write_table(sink, spec, dirty, raw_format, on_rows)
            ledger.extend(injector.ledger)
        checks.finish()
        sink.put(LEDGER_NAME, _ledger_bytes(ledger))
        truth = raw_tables.truth_table(self.world)
        sink.put(TRUTH_NAME, _parquet_bytes(truth))
        untidy = sum(defect.rule == UNTIDY for defect in ledger)
        return DatasetManifest(
            dataset_id=dataset_id,
            format=raw_format,
            source="synthetic",
            tables=tables,
            as_of=datetime.fromtimestamp(self.world.as_of, UTC).isoformat(),
            parameters={
                "seed": self.seed,
                "size": asdict(self.size),
                "defect_rate": self.defect_rate,
                "tickets": self.world.tickets,
                "newest_sale": checks.newest_sale,
                "r2_ceiling": _ceilings(truth),
            },
            defects=len(ledger) - untidy,
            untidy=untidy,
        )

    def _write_table(
        self,
        sink: Sink,
        spec: TableSpec,
        blocks: Iterator[pa.Table],
        raw_format: RawFormat,
        on_rows: OnRows | None,
    ) -> TableFiles:
        files: list[DataFile] = []
        part: _Part | None = None
        for block in blocks:
            if part is None:
                name = f"part-{len(files):05d}.{EXTENSION[raw_format]}"
                schema = raw_tables.raw_schema(spec)
                part = _Part(f"{spec.name}/{name}", part_writer(raw_format, schema))
            part.add(block)
            if on_rows:
                on_rows(spec.name, block.num_rows)
            if part.rows >= ROWS_PER_PART:
                files.append(part.store(sink))
                part = None
        if part is not None:
            files.append(part.store(sink))
        return TableFiles(tuple(files), self.rows(spec.name), spec.column_names)


class _Part:
    """One file being written, and its digest."""

    def __init__(self, path: str, writer: PartWriter) -> None:
        self.path = path
        self.rows = 0
        self._writer = writer

    def add(self, block: pa.Table) -> None:
        self._writer.write(block)
        self.rows += block.num_rows

    def store(self, sink: Sink) -> DataFile:
        body = self._writer.finish()
        sink.put(self.path, body)
        return DataFile(self.path, len(body), self.rows, self._writer.content_sha256())


def _ledger_bytes(ledger: list[Defect]) -> bytes:
    import gzip

    lines = "".join(json.dumps(vars(defect)) + "\n" for defect in ledger)
    return gzip.compress(lines.encode(), compresslevel=1, mtime=0)


def _parquet_bytes(table: pa.Table) -> bytes:
    import io

    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _ceilings(truth: pa.Table) -> dict[str, Any]:
    column = {name: truth.column(name).to_numpy() for name in truth.column_names}
    return {
        "oracle": round(r2_ceiling(column["mean"], column["variance"]), 6),
        "columns": round(r2_ceiling(column["columns_mean"], column["columns_variance"]), 6),
    }
