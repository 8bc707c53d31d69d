"""The laws generated data must obey, checked on every row when its block is made."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from src.domain.tables import TABLE_BY_NAME, TABLES, Column
from src.errors import GenerationError
from src.services.encoding.arrow_columns import cents_of, values_of
from src.services.generation.concert_world import World
from src.services.generation.raw_tables import Block


class GenerationChecks:
    """Counts, keys, references, ranges, and sum(quantity) = tickets sold <= capacity.

    Blocks are checked alone, wherever they are made; all of them together make the table.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._rows = {table.name: world.rows(table.name) for table in TABLES}

    def check(self, table: str, rows: pa.Table, block: Block) -> None:
        """Raise GenerationError at the first law that a block's rows break."""
        spec = TABLE_BY_NAME[table]
        first = block.before + 1
        expected = np.arange(first, first + block.rows)
        if not np.array_equal(values_of(rows.column(spec.key).chunk(0)), expected):
            _broken(table, "keys 1, 2, 3, ... without a gap", f"near row {first}")
        for column in spec.columns:
            values = rows.column(column.name)
            if column.required and values.null_count:
                _broken(table, f"{column.name} present", f"{values.null_count} nulls")
            if column.minimum is not None or column.maximum is not None:
                _check_range(table, column, values.chunk(0))
        for name, parent in spec.references:
            ids = values_of(rows.column(name).chunk(0))
            if ids.min() < 1 or ids.max() > self._rows[parent]:
                _broken(table, f"{name} in {parent}", f"{ids.min()}..{ids.max()}")
        if table == "ticket_sales":
            self._check_sales(rows, block)

    def check_blocks(self, table: str, blocks: Iterable[Block]) -> None:
        """Raise GenerationError unless the blocks are the whole table, each row of it once."""
        reached = self._world.sales_before if table == "ticket_sales" else 0
        for block in blocks:
            if block.before != reached:
                _broken(table, "blocks without a gap", f"{reached:,} rows, then {block}")
            reached += block.rows
        if reached != self._rows[table]:
            _broken(table, f"{self._rows[table]:,} rows", f"{reached:,}")

    def _check_sales(self, rows: pa.Table, block: Block) -> None:
        concert = values_of(rows.column("concert_id").chunk(0)) - 1
        quantity = values_of(rows.column("quantity").chunk(0))
        unit, total = (cents_of(rows.column(c).chunk(0)) for c in ("unit_price", "total_amount"))
        if not np.array_equal(total, unit * quantity):
            _broken("ticket_sales", "total_amount = quantity x unit_price", "a mismatch")
        if block.day:
            day = self._world.days[block.day - 1]
            sold = np.bincount(concert, weights=quantity, minlength=self._rows["concerts"])
            if not np.array_equal(sold[day.concerts].astype(np.int64), day.tickets):
                _broken("ticket_sales", "sum(quantity) = the day's tickets", f"day {block.day}")
            return
        # A block is all rows of its concerts.
        concerts, mine = self._world.opening, slice(block.first, block.last)
        span = block.last - block.first
        if concert.min() < block.first or concert.max() >= block.last:
            _broken("ticket_sales", "blocks of whole concerts", f"{concert.min()}..{concert.max()}")
        sold = np.bincount(concert - block.first, weights=quantity, minlength=span)
        wrong = np.flatnonzero(sold.astype(np.int64) != concerts.tickets_sold[mine])
        if len(wrong):
            at = block.first + int(wrong[0]) + 1
            _broken("ticket_sales", "sum(quantity) = tickets_sold", f"concert {at}")
        over = np.flatnonzero(sold > concerts.capacity[mine])
        if len(over):
            at = block.first + int(over[0]) + 1
            _broken("ticket_sales", "sum(quantity) <= capacity", f"concert {at}")


def _check_range(table: str, column: Column, values: pa.Array) -> None:
    low, high = column.minimum, column.maximum
    numbers, unit = (cents_of(values), 100) if column.kind == "decimal" else (values_of(values), 1)
    found = numbers.min() / unit, numbers.max() / unit
    if (low is not None and found[0] < low) or (high is not None and found[1] > high):
        _broken(table, f"{low} <= {column.name} <= {high}", f"{found[0]:g} to {found[1]:g}")


def _broken(table: str, law: str, found: str) -> None:
    raise GenerationError(
        f"the generated {table} break a law: {law}",
        where=table,
        cause=f"found {found}",
        hint="this is an error of the generator; please report the command line",
    )
