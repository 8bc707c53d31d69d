"""Defects, injected on purpose and written down, so that finding them can be measured.

Every defect is an extra row that breaks exactly one rule; besides, some valid rows are made
untidy (white space, letter case) in ways that cleaning must undo. The ledger says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from src.domain.tables import TABLES, Column, TableSpec
from src.services.concert_world import STREAM_DEFECTS, stream

UNTIDY = "untidy"  # the ledger's word for a valid row that cleaning repairs
_BROKEN_DATES = ("2025-02-30 20:00:00", "not a date", "2024-13-01 19:30:00", "31/12/2024")
_ORPHAN_OFFSET = 900_000_000_000


@dataclass(frozen=True)
class Defect:
    """One line of the ledger."""

    table: str
    key: str
    rule: str


def defect_rules(spec: TableSpec) -> tuple[str, ...]:
    """Return the rules that injected rows of this table break, in the order they are dealt."""
    rules = ["duplicate_key"]
    for column in spec.columns[1:]:
        if column.references:
            rules.append(f"orphan:{column.name}")
        elif column.kind == "timestamp":
            rules.append(f"invalid_timestamp:{column.name}")
        elif column.minimum is not None and column.fill is None:
            rules.append(f"out_of_range:{column.name}")
        elif column.required:
            rules.append(f"missing:{column.name}")
    rules.extend(rule.name for rule in spec.rules)
    return tuple(rules)


class DefectInjector:
    """Adds `rate` x rows defective rows to a table's blocks, and makes as many rows untidy.

    What happens to a block depends on seed, table and block only, on no other block.
    """

    def __init__(self, spec: TableSpec, *, rows: int, rate: float, seed: int) -> None:
        self._spec = spec
        self._rows = rows
        self._wanted = round(rows * rate)
        self._seed = seed
        self._rules = defect_rules(spec)
        self._table_number = [t.name for t in TABLES].index(spec.name)

    def due(self, before: int, rows: int) -> int:
        """Return the defective rows of a block of `rows` that so many come before."""
        return self._made(before + rows) - self._made(before)

    def _made(self, passed: int) -> int:
        return self._wanted * passed // self._rows

    def inject(self, block: pa.Table, nth: int, before: int) -> tuple[pa.Table, list[Defect]]:
        """Return the nth block with its share of defects appended, and the ledger of them."""
        due = self.due(before, block.num_rows)
        if not due:
            return block, []
        rng = stream(self._seed, STREAM_DEFECTS + 1 + self._table_number, nth)
        chosen = rng.choice(block.num_rows, size=min(2 * due, block.num_rows), replace=False)
        sources, untidy = chosen[: max(len(chosen) // 2, 1)], chosen[len(chosen) // 2 :]
        ledger: list[Defect] = []
        block = self._make_untidy(block, np.sort(untidy), ledger)
        origin = block.take(pa.array(rng.choice(sources, size=due))).to_pylist()
        first = self._made(before)
        broken = [self._break(row, first + i, ledger) for i, row in enumerate(origin)]
        return pa.concat_tables([block, pa.Table.from_pylist(broken, schema=block.schema)]), ledger

    def _make_untidy(self, block: pa.Table, rows: Any, ledger: list[Defect]) -> pa.Table:
        text = [c for c in self._spec.columns if c.kind == "text" and (c.required or c.case)]
        if not text or not len(rows):
            return block
        result = block
        keys = block.column(self._spec.key).take(pa.array(rows)).to_pylist()
        for turn, column in enumerate(text):
            mine = rows[turn :: len(text)]
            if not len(mine):
                continue
            values = result.column(column.name).combine_chunks()
            mask = np.zeros(len(values), dtype=bool)
            mask[mine] = True
            dirty = [_untidy(value, column) for value in values.take(pa.array(mine)).to_pylist()]
            changed = pc.replace_with_mask(values, mask, pa.array(dirty, pa.string()))
            at = result.schema.get_field_index(column.name)
            result = result.set_column(at, result.schema.field(at), changed)
        ledger.extend(Defect(self._spec.name, str(key), UNTIDY) for key in keys)
        return result

    def _break(self, row: dict[str, Any], number: int, ledger: list[Defect]) -> dict[str, Any]:
        rule = self._rules[number % len(self._rules)]
        if rule != "duplicate_key":
            row[self._spec.key] = self._rows + 1 + number
            kind, _, name = rule.partition(":")
            _BREAKERS[kind](row, name, number)
        ledger.append(Defect(self._spec.name, str(row[self._spec.key]), rule))
        return row


def _untidy(value: str, column: Column) -> str:
    if column.case == "lower":
        return f" {value.upper()} "
    if column.case == "upper":
        return f"{value.lower()}  "
    return f"  {value} "


def _orphan(row: dict[str, Any], name: str, number: int) -> None:
    row[name] = _ORPHAN_OFFSET + number


def _missing(row: dict[str, Any], name: str, number: int) -> None:
    row[name] = None if number % 2 else "   "


def _broken_date(row: dict[str, Any], name: str, number: int) -> None:
    row[name] = _BROKEN_DATES[number % len(_BROKEN_DATES)]


def _out_of_range(row: dict[str, Any], name: str, number: int) -> None:
    row[name] = Decimal("-5.00") if isinstance(row[name], Decimal) else -1 - number % 3


def _wrong_amount(row: dict[str, Any], name: str, number: int) -> None:
    row["total_amount"] += Decimal("1.00")


def _late_sale(row: dict[str, Any], name: str, number: int) -> None:
    start = datetime.fromisoformat(row["starts_at"])
    row["on_sale_at"] = str(start + timedelta(days=1 + number % 5))


_BREAKERS = {
    "orphan": _orphan,
    "missing": _missing,
    "invalid_timestamp": _broken_date,
    "out_of_range": _out_of_range,
    "amount_mismatch": _wrong_amount,
    "on_sale_after_start": _late_sale,
}
