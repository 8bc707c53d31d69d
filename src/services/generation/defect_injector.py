"""Defects, injected on purpose and written down, so that finding them can be measured.

Every defect is an extra row that breaks exactly one rule; besides, some valid rows are made
untidy (white space, letter case) in ways that cleaning must undo. The ledger lists which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from src.domain.tables import TABLES, Column, TableSpec
from src.services.arrays import Array, Ints
from src.services.encoding import arrow_columns as ac
from src.services.generation.concert_world import STREAM_DEFECTS, stream

UNTIDY = "untidy"  # the ledger's word for a valid row that cleaning repairs
_BROKEN_DATES = ("2025-02-30 20:00:00", "not a date", "2024-13-01 19:30:00", "31/12/2024")
_ORPHAN_OFFSET = 900_000_000_000
_UNUSED_OFFSET = 800_000_000_000  # keys of broken rows in a table that grows by the day


@dataclass(frozen=True)
class Injected:
    """A block with its defects, and the ledger of them: (table, key, rule) by row."""

    rows: pa.Table
    ledger: pa.Table
    defects: int
    untidy: int


def defect_rules(spec: TableSpec) -> tuple[str, ...]:
    """Return the rules that injected rows of this table break, in the order they are dealt.

    Only what rejects a row: an optional value that cannot be used costs the value, not the row.
    """
    rules = ["duplicate_key"]
    for column in spec.columns[1:]:
        if column.references:
            rules.append(f"orphan:{column.name}")
        elif not column.required:
            continue
        elif column.kind == "timestamp":
            rules.append(f"invalid_timestamp:{column.name}")
        elif column.minimum is not None:
            rules.append(f"out_of_range:{column.name}")
        else:
            rules.append(f"missing:{column.name}")
    rules.extend(rule.name for rule in spec.rules)
    return tuple(rules)


class DefectInjector:
    """Adds `rate` x rows defective rows to a table's blocks, and makes as many rows untidy.

    What happens to a block depends on seed, table and block only, on no other block.
    """

    def __init__(
        self, spec: TableSpec, *, rows: int, rate: float, seed: int, grows: bool = False
    ) -> None:
        self._spec = spec
        self._rows = rows
        self._unused = _UNUSED_OFFSET if grows else rows
        self._wanted = round(rows * rate)
        self._seed = seed
        self._rules = defect_rules(spec)
        self._table_number = [t.name for t in TABLES].index(spec.name)

    def due(self, before: int, rows: int) -> int:
        """Return the defective rows of a block of `rows` that so many come before."""
        return self._made(before + rows) - self._made(before)

    def _made(self, passed: int) -> int:
        return self._wanted * passed // self._rows

    def inject(self, block: pa.Table, nth: int, before: int) -> Injected:
        """Return the nth block with its share of defects appended."""
        due = self.due(before, block.num_rows)
        if not due:
            return Injected(block, self._ledger(np.arange(0), np.arange(0)), 0, 0)
        rng = stream(self._seed, STREAM_DEFECTS + 1 + self._table_number, nth)
        chosen = rng.choice(block.num_rows, size=min(2 * due, block.num_rows), replace=False)
        sources, untidy = chosen[: max(len(chosen) // 2, 1)], chosen[len(chosen) // 2 :]
        tidied = _Untidying(self._spec, np.sort(untidy))
        columns = [tidied.column(block, column) for column in self._spec.columns]
        block = pa.Table.from_arrays(columns, names=block.column_names)
        origin = block.take(ac.integers(rng.choice(sources, size=due)))
        broken, turns = self._break(origin, self._made(before))
        keys, key_of_broken = (ac.values_of(t.column(0).chunk(0)) for t in (block, broken))
        ledger = self._ledger(
            np.concatenate([keys[tidied.rows], key_of_broken]),
            np.concatenate([np.full(len(tidied.rows), -1), turns]),
        )
        return Injected(pa.concat_tables([block, broken]), ledger, due, len(tidied.rows))

    def _break(self, origin: pa.Table, first: int) -> tuple[pa.Table, Ints]:
        """Break one rule of each row, in turns; `first` rows were broken before."""
        rows = {c.name: _Values(c, origin.column(c.name).chunk(0)) for c in self._spec.columns}
        numbers = np.arange(first, first + origin.num_rows)
        turns = numbers % len(self._rules)
        for turn, rule in enumerate(self._rules):
            mine = np.flatnonzero(turns == turn)
            if rule != "duplicate_key" and len(mine):
                rows[self._spec.key].numbers[mine] = self._unused + 1 + numbers[mine]
                kind, _, name = rule.partition(":")
                _BREAKERS[kind](rows, name, mine, numbers[mine])
        columns = [rows[c.name].array() for c in self._spec.columns]
        return pa.Table.from_arrays(columns, names=origin.column_names), turns

    def _ledger(self, keys: Ints, turns: Ints) -> pa.Table:
        """Return the lines of these keys; the turns index the rules, -1 is untidy."""
        return pa.table(
            {
                "table": ac.categories(np.zeros(len(keys)), [self._spec.name]),
                "key": ac.integers(keys).cast(pa.string()),
                "rule": ac.categories(turns + 1, (UNTIDY, *self._rules)),
            }
        )


@dataclass(frozen=True)
class _Untidying:
    """Which rows of a block become untidy: its text columns share them in turns."""

    spec: TableSpec
    chosen: Array  # row numbers, ascending

    @property
    def _texts(self) -> list[Column]:
        return [c for c in self.spec.columns if c.kind == "text" and (c.required or c.case)]

    @property
    def rows(self) -> Array:
        return self.chosen if self._texts else self.chosen[:0]

    def column(self, block: pa.Table, column: Column) -> pa.Array:
        values = block.column(column.name).chunk(0)
        if column not in self._texts:
            return values
        turn, turns = self._texts.index(column), len(self._texts)
        mine = self.chosen[turn::turns]
        if not len(mine):
            return values
        if pa.types.is_dictionary(values.type):  # its names a second time, untidy
            names = values.dictionary.to_pylist()
            codes = ac.values_of(values.indices).copy()
            codes[mine] += len(names)
            return ac.categories(codes, [*names, *(_untidy(name, column) for name in names)])
        changed = np.zeros(len(values), bool)
        changed[mine] = True
        dirty = [_untidy(values[int(row)].as_py(), column) for row in mine]
        return pc.replace_with_mask(values, ac.flags(changed), ac.texts(dirty))


def _untidy(value: str, column: Column) -> str:
    if column.case == "lower":
        return f" {value.upper()} "
    if column.case == "upper":
        return f"{value.lower()}  "
    return f"  {value} "


class _Values:
    """A column of rows to be broken: numbers, of decimals cents, of texts where they are listed."""

    def __init__(self, column: Column, array: pa.Array) -> None:
        self._column = column
        self._is_encoded = pa.types.is_dictionary(array.type)
        self._texts: list[str] = []
        if self._is_encoded:
            self.numbers = ac.values_of(array.indices).copy()
            self._texts = array.dictionary.to_pylist()
        elif pa.types.is_string(array.type):
            self.numbers, self._texts = np.arange(len(array)), array.to_pylist()
        else:
            self.numbers = (ac.cents_of if self.is_money else ac.values_of)(array).copy()

    @property
    def is_money(self) -> bool:
        return self._column.kind == "decimal"

    def text(self, row: int) -> str:
        return str(self._texts[self.numbers[row]])

    def set_texts(self, rows: Array, texts: Sequence[str | None]) -> None:
        kinds = sorted({text for text in texts if text is not None})
        codes: dict[str | None, int] = {None: -1}
        codes.update({kind: len(self._texts) + i for i, kind in enumerate(kinds)})
        self._texts += kinds
        self.numbers[rows] = [codes[text] for text in texts]

    def array(self) -> pa.Array:
        if self._is_encoded:
            return ac.categories(self.numbers, self._texts)
        if self._texts:
            return ac.texts([None if i < 0 else self._texts[i] for i in self.numbers])
        if self.is_money:
            return ac.decimals(self.numbers, self._column.precision)
        return ac.integers(self.numbers)


_Rows = dict[str, _Values]


# A breaker breaks the rows `mine`; `numbers` count them over the whole table.


def _orphan(rows: _Rows, name: str, mine: Array, numbers: Array) -> None:
    rows[name].numbers[mine] = _ORPHAN_OFFSET + numbers


def _missing(rows: _Rows, name: str, mine: Array, numbers: Array) -> None:
    rows[name].set_texts(mine, [None if number % 2 else "   " for number in numbers])


def _broken_date(rows: _Rows, name: str, mine: Array, numbers: Array) -> None:
    rows[name].set_texts(mine, [_BROKEN_DATES[number % len(_BROKEN_DATES)] for number in numbers])


def _out_of_range(rows: _Rows, name: str, mine: Array, numbers: Array) -> None:
    rows[name].numbers[mine] = -500 if rows[name].is_money else -1 - numbers % 3


def _wrong_amount(rows: _Rows, name: str, mine: Array, numbers: Array) -> None:
    rows["total_amount"].numbers[mine] += 100


def _late_sale(rows: _Rows, name: str, mine: Array, numbers: Array) -> None:
    starts = [datetime.fromisoformat(rows["starts_at"].text(row)) for row in mine]
    late = [
        str(start + timedelta(days=1 + int(number) % 5))
        for start, number in zip(starts, numbers, strict=True)
    ]
    rows["on_sale_at"].set_texts(mine, late)


_BREAKERS = {
    "orphan": _orphan,
    "missing": _missing,
    "invalid_timestamp": _broken_date,
    "out_of_range": _out_of_range,
    "amount_mismatch": _wrong_amount,
    "on_sale_after_start": _late_sale,
}
