"""Reads the user's own files: one table's records as blocks of text columns, in warehouse order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import pyarrow as pa

from src.services.input.csv_records import CsvFile
from src.services.input.input_columns import Block, plain_name
from src.services.input.input_errors import refused, shown
from src.services.input.input_folder import InputFile, InputTable, format_of
from src.services.input.json_records import JsonFile
from src.services.input.parquet_records import ParquetFile

ROWS_PER_BLOCK = 50_000
RECORD_NUMBER = "record_number"  # of a record among all of its table, from 1, as text

AnyFile = CsvFile | JsonFile | ParquetFile


def opened(file: InputFile) -> AnyFile:
    """Return the reader of a file, by its name."""
    kind = format_of(file.path.name)
    if kind == ".csv":
        return CsvFile(file.path)
    return ParquetFile(file.path) if kind == ".parquet" else JsonFile(file.path)


class InputReader:
    """Reads one table's files as blocks: the table's columns that they have, and record_number.

    `columns` are theirs in warehouse order; `ignored` are the names of columns no table has;
    `missing` are the optional ones that no file has. All read as much as they need.
    """

    def __init__(self, table: InputTable) -> None:
        self.table = table

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the table's columns that the files have, in warehouse order."""
        own = {plain_name(name) for name in self._names}
        return tuple(name for name in self.table.spec.column_names if name in own)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the table's columns that no file has."""
        return tuple(n for n in self.table.spec.column_names if n not in self.columns)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Return the names of the columns that are not the table's, as they are written."""
        known = self.table.spec.column_names
        return tuple(sorted({shown(n) for n in self._names if plain_name(n) not in known}))

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of the blocks: all text, the record's number last."""
        return pa.schema([(name, pa.string()) for name in (*self.columns, RECORD_NUMBER)])

    def peek(self) -> None:
        """Read the start of every file; raises InputDataError where that shows it unusable."""
        for file in self.table.files:
            reader = opened(file)
            if isinstance(reader, JsonFile):
                reader.peek()
            else:
                self._names_of(file, reader)

    def blocks(self) -> Iterator[pa.Table]:
        """Yield the records of all files; raises InputDataError at the first unusable one."""
        read = 0
        for file in self.table.files:
            given = self._given(file)
            wanted = [name for name in self.columns if name not in given]
            for block in opened(file).blocks(wanted, ROWS_PER_BLOCK):
                arrays = dict(zip(wanted, block.columns, strict=True))
                texts = [
                    _constant(given[name], block.rows) if name in given else arrays[name]
                    for name in self.columns
                ]
                yield self._table(block, texts, read)
                read += block.rows

    def _table(self, block: Block, texts: list[pa.Array | None], read: int) -> pa.Table:
        numbers = pa.array(range(read + 1, read + block.rows + 1), pa.int64()).cast(pa.string())
        columns = [pa.nulls(block.rows, pa.string()) if t is None else t for t in texts]
        return pa.Table.from_arrays([*columns, numbers], schema=self.schema)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Return the names of all columns; JSON Lines may name new ones in any line."""
        seen: dict[str, None] = {}
        for file in self.table.files:
            seen.update(dict.fromkeys(self._names_of(file, opened(file))))
            seen.update(dict.fromkeys(name for name, _ in file.partition))
        return tuple(seen)

    def _names_of(self, file: InputFile, reader: AnyFile) -> tuple[str, ...]:
        given = self._given(file)
        required = [n for n in self.table.spec.required_names if n not in given]
        names = reader.names(required)
        both = [name for name in names if plain_name(name) in given]
        if both:
            raise refused(
                file.path,
                f"has column {shown(both[0])}, and its folder's name gives it as well",
                f"{shown(plain_name(both[0]))}={shown(given[plain_name(both[0])])}",
                "remove the column from the file, or move the file to another folder",
            )
        return names

    def _given(self, file: InputFile) -> dict[str, str | None]:
        """Return the table's columns whose value a folder's name gives."""
        known = self.table.spec.column_names
        return {plain_name(k): v for k, v in file.partition if plain_name(k) in known}


def _constant(value: str | None, rows: int) -> pa.Array:
    return pa.nulls(rows, pa.string()) if value is None else pa.repeat(value, rows)
