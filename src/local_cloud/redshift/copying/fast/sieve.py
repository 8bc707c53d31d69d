"""Takes the records that need Redshift's own rules out of delimited text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv as pa_csv

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.fast.block_records import BlockRecords
from src.local_cloud.redshift.copying.fast.plain_fields import plain_fields
from src.local_cloud.redshift.copying.field_rules import TargetColumn
from src.local_cloud.redshift.copying.lines import (
    NO_QUOTE,
    LeftOver,
    NotPlainError,
    ends_alike,
    require,
)

_MOST_LEFT = 0.25  # of a block's records: beyond it one way for the whole file costs less
_MOST_BYTES = 64 << 20  # that are held until the plain records are loaded


class Sieve:
    """Blocks of a file go in, their plain records come out; the others are kept for later."""

    def __init__(self, command: CopyCommand, columns: list[TargetColumn]) -> None:
        self._command = command
        self._columns = columns
        self._left: dict[int, tuple[bytes, list[int]]] = {}  # by the number of a block's first line

    def numbered(self, blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield each block with the number of its first line."""
        first = self._command.ignore_header + 1
        for body in blocks:
            yield first, body
            first += body.count(b"\n")

    def plain(self, block: tuple[int, bytes]) -> bytes:
        """Return a block's plain records; several threads may do so at once.

        Raises NotPlainError where they are too few, or where it is not certain where they end.
        """
        first, body = block
        require(ends_alike(body))
        records = BlockRecords(body, self._command)
        self._drop_marked(records)
        try:
            table = self._parsed(records)
        except pa.ArrowException:  # it tells the first fault only
            records.drop_unparsable(len(self._columns))
            table = self._parsed_at_last(records)
        self._drop_odd_fields(records, table)
        if records.dropped:
            _require_few(records)
            self._left[first] = records.dropped_lines(first)
            require(sum(len(left) for left, _ in list(self._left.values())) <= _MOST_BYTES)
        return records.kept_body()

    def left_over(self) -> LeftOver | None:
        """Return the records that were not plain, or None."""
        found = [self._left[first] for first in sorted(self._left)]
        lines = [line for _, lines in found for line in lines]
        return LeftOver(b"".join(body for body, _ in found), lines) if found else None

    def _drop_marked(self, records: BlockRecords) -> None:
        """Drop what the parsers may read differently, whatever the column."""
        records.drop_misquoted()
        records.drop_with(b"\0")
        if self._command.null_as:
            records.drop_with(self._command.null_as.encode())
        if self._command.format != "csv":
            records.drop_with(NO_QUOTE)

    def _drop_odd_fields(self, records: BlockRecords, table: pa.Table) -> None:
        numbers = None
        for values, column in zip(table.columns, self._columns, strict=True):
            plain = plain_fields(values.combine_chunks(), column, self._command)
            if plain is not None:
                numbers = records.kept_numbers() if numbers is None else numbers
                require(len(numbers) == len(plain))
                records.drop(numbers[~plain])

    def _parsed_at_last(self, records: BlockRecords) -> pa.Table:
        _require_few(records)
        try:
            return self._parsed(records)
        except pa.ArrowException:
            raise NotPlainError from None

    def _parsed(self, records: BlockRecords) -> pa.Table:
        """Return the fields of the records that are left, as texts."""
        body = records.kept_body()
        require(body)
        names = [str(index) for index in range(len(self._columns))]
        return pa_csv.read_csv(
            pa.BufferReader(body),
            pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
            pa_csv.ParseOptions(
                delimiter=self._command.delimiter,
                quote_char=self._command.quote if records.has_quotes else False,
                newlines_in_values=records.has_quotes,
                ignore_empty_lines=False,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )


def _require_few(records: BlockRecords) -> None:
    require(records.dropped <= _MOST_LEFT * records.count)
