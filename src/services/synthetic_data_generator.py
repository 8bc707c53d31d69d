"""Generates concert data: seeded, in blocks, validated while it streams out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property, partial

import pyarrow as pa

from src.domain.bucket_layout import LEDGER_NAME
from src.domain.dataset import DataFile, DatasetManifest, TableFiles
from src.domain.tables import TABLES
from src.errors import UsageError
from src.json_object import JsonObject
from src.services.encoding.arrow_columns import plain
from src.services.encoding.parallel_writes import SideBySide
from src.services.encoding.record_encoding import RawFormat
from src.services.encoding.sink import Sink
from src.services.generation import raw_tables
from src.services.generation.concert_world import World, WorldSize
from src.services.generation.later_days import WorldClock, world_at
from src.services.generation.parts import TRUTH, MadePart, Part, PartMaker, made_parts
from src.services.generation.recipe import Recipe

OnRows = Callable[[str, int], None]
Make = Callable[[PartMaker, Sequence[Part]], Generator[MadePart, None, None]]
_FIRST_DAY = WorldClock()


class SyntheticDataGenerator:
    """Generates artists, venues, concerts and ticket sales.

    Same arguments, same bytes. Exactly the numbers of `size` are valid rows; defects
    (`defect_rate` x rows per table) come on top. Memory does not grow with the sales rows.
    With a `clock` the data is of a later day: more concerts and sales than `size` has been given.

    >>> generator = SyntheticDataGenerator(WorldSize(10, 5, 40, 200), seed=1)
    >>> sum(block.num_rows for block in generator.blocks("ticket_sales"))
    200
    """

    def __init__(
        self,
        size: WorldSize,
        *,
        seed: int = 42,
        defect_rate: float = 0.01,
        clock: WorldClock = _FIRST_DAY,
    ) -> None:
        self.size = size
        self.seed = seed
        self.defect_rate = defect_rate
        self.clock = clock

    @cached_property
    def world(self) -> World:
        """Return the world; raises UsageError where it cannot carry the requested sales."""
        return world_at(self.size, self.seed, self.clock)

    def rows(self, table: str) -> int:
        """Return the number of valid rows of a table, those of earlier data sets left out."""
        world = self.world
        return world.rows(table) - (world.sales_before if table == "ticket_sales" else 0)

    def blocks(self, table: str) -> Iterator[pa.Table]:
        """Yield the valid rows of a table in key order."""
        for block in raw_tables.blocks_of(self.world, table):
            yield plain(raw_tables.block_table(self.world, table, block))

    def export(
        self,
        sink: Sink,
        raw_format: RawFormat,
        dataset_id: str,
        on_rows: OnRows | None = None,
        *,
        workers: int = 1,
        make: Make | None = None,
    ) -> DatasetManifest:
        """Write every table, the ledger and the ground truth to `sink`; return the manifest.

        The manifest itself is the caller's to write, last. `on_rows(table, rows)` is notified of
        each stored part. Whatever the number of worker processes, and whatever else is to `make`
        the parts, the bytes are the same. Raises GenerationError where the data breaks its own
        rules.
        """
        recipe = Recipe(self.size, self.seed, self.defect_rate, raw_format, self.clock)
        maker = PartMaker(recipe, self.world)
        # Fed part by part: of many million rows the lines would take more memory than all else.
        ledger, ledger_body = zlib.compressobj(1, wbits=31), bytearray()
        files: dict[str, list[DataFile]] = {spec.name: [] for spec in TABLES}
        newest_sale, defects, untidy, ceilings = "", 0, 0, None
        parts = self._parts(maker)
        all_parts = (make or partial(made_parts, workers=workers))(maker, parts)
        with SideBySide(sink) as uploads, closing(all_parts) as all_made:
            for part, made in zip([*parts, TRUTH], all_made, strict=True):
                if made.stored is None:
                    uploads.put(made.path, made.body)
                ledger_body += ledger.compress(made.ledger)
                defects, untidy = defects + made.defects, untidy + made.untidy
                newest_sale = max(newest_sale, made.newest_sale)
                ceilings = ceilings or made.ceilings
                if part != TRUTH:
                    size = len(made.body) if made.stored is None else made.stored
                    file = DataFile(made.path, size, made.rows, made.content_sha256)
                    files[part.table].append(file)
                    if on_rows:
                        on_rows(part.table, made.rows)
            uploads.put(LEDGER_NAME, bytes(ledger_body + ledger.flush()))
        return DatasetManifest(
            dataset_id=dataset_id,
            format=raw_format,
            source="synthetic",
            tables={
                spec.name: TableFiles(
                    tuple(files[spec.name]), self.rows(spec.name), spec.column_names
                )
                for spec in TABLES
            },
            as_of=datetime.fromtimestamp(self.world.as_of, UTC).isoformat(),
            parameters=self._parameters() | {"newest_sale": newest_sale, "r2_ceiling": ceilings},
            defects=defects,
            untidy=untidy,
        )

    def _parts(self, maker: PartMaker) -> list[Part]:
        """Return the parts of all tables; raises UsageError where there is no sale."""
        parts = [part for spec in TABLES for part in maker.parts(spec.name)]
        if not any(part.table == "ticket_sales" for part in parts):
            raise UsageError(
                f"no ticket was sold between {self.clock.since} and {self.clock.as_of}",
                hint="name a later day with --as-of",
            )
        return parts

    def _parameters(self) -> JsonObject:
        """Return what the data was made with."""
        found = {
            "seed": self.seed,
            "size": asdict(self.size),
            "defect_rate": self.defect_rate,
            "tickets": self.world.tickets,
        }
        return found | ({"since": str(self.clock.since)} if self.clock.since else {})
