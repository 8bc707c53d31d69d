"""The laws generated data must obey, checked on every row while it streams past."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from src.domain.tables import TABLE_BY_NAME, TABLES
from src.errors import GenerationError
from src.services.concert_world import World
from src.services.demand_model import Ints


class GenerationChecks:
    """Counts, keys, references, ranges, and sum(quantity) = tickets sold <= capacity."""

    def __init__(self, world: World) -> None:
        self._world = world
        size = world.size
        self._expected = dict(
            zip((t.name for t in TABLES),
                (size.artists, size.venues, size.concerts, size.sales), strict=True)
        )  # fmt: skip
        self._seen = dict.fromkeys(self._expected, 0)
        self._sold = np.zeros(size.concerts, dtype=np.int64)
        self.newest_sale = ""  # as the raw records write it

    def watch(self, table: str, blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Pass the blocks of a table on, raising GenerationError at the first broken law."""
        for block in blocks:
            self._check_block(table, block)
            self._seen[table] += block.num_rows
            yield block

    def finish(self) -> None:
        """Check what only the whole data set can show."""
        for table, expected in self._expected.items():
            if self._seen[table] != expected:
                _broken(table, f"{expected:,} rows", f"{self._seen[table]:,}")
        concerts = self._world.concerts
        wrong = np.flatnonzero(self._sold != concerts.tickets_sold)
        if len(wrong):
            _broken("ticket_sales", "sum(quantity) = tickets_sold", f"concert {wrong[0] + 1}")
        over = np.flatnonzero(self._sold > concerts.capacity)
        if len(over):
            _broken("ticket_sales", "sum(quantity) <= capacity", f"concert {over[0] + 1}")

    def _check_block(self, table: str, block: pa.Table) -> None:
        spec = TABLE_BY_NAME[table]
        keys = block.column(spec.key).to_numpy()
        expected_first = self._seen[table] + 1
        if not np.array_equal(keys, np.arange(expected_first, expected_first + len(keys))):
            _broken(table, "keys 1, 2, 3, ... without a gap", f"near row {expected_first}")
        for column in spec.columns:
            values = block.column(column.name)
            if column.required and values.null_count:
                _broken(table, f"{column.name} present", f"{values.null_count} nulls")
            if column.minimum is not None or column.maximum is not None:
                found = pc.min_max(values).as_py()
                low, high = column.minimum, column.maximum
                if (low is not None and found["min"] < low) or (
                    high is not None and found["max"] > high
                ):
                    _broken(table, f"{low} <= {column.name} <= {high}", str(found))
        for name, parent in spec.references:
            ids = block.column(name).to_numpy()
            if ids.min() < 1 or ids.max() > self._expected[parent]:
                _broken(table, f"{name} in {parent}", f"{ids.min()}..{ids.max()}")
        if table == "ticket_sales":
            self._add_sales(block)

    def _add_sales(self, block: pa.Table) -> None:
        concert = block.column("concert_id").to_numpy() - 1
        quantity = block.column("quantity").to_numpy()
        # Blocks are whole concerts in order, so only a slice of the sums is touched.
        first, last = int(concert.min()), int(concert.max())
        self.newest_sale = max(self.newest_sale, pc.max(block.column("purchased_at")).as_py())
        counts = np.bincount(concert - first, weights=quantity).astype(np.int64)
        self._sold[first : last + 1] += counts
        amount = _cents(block.column("unit_price")) * quantity
        if not np.array_equal(_cents(block.column("total_amount")), amount):
            _broken("ticket_sales", "total_amount = quantity x unit_price", "a mismatch")


def _cents(column: pa.ChunkedArray) -> Ints:
    """Read decimal128 values back as integer cents (the low word of each)."""
    words = [
        np.frombuffer(chunk.buffers()[1], dtype=np.int64)[::2][chunk.offset :][: len(chunk)]
        for chunk in column.chunks
    ]
    return np.concatenate(words)


def _broken(table: str, law: str, found: str) -> None:
    raise GenerationError(
        f"the generated {table} break a law: {law}",
        where=table,
        cause=f"found {found}",
        hint="this is a bug of the generator; please report the command line",
    )
