"""The files of an UNLOAD: rows of text values as delimited text, CSV, JSON or Parquet."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from src.local_cloud.redshift.unloading.unload_command import UnloadCommand

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPED = re.compile(r"\\([bfnrtv\\])")
_ARROW = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 700: pa.float32(),
    701: pa.float64(), 1082: pa.date32(), 1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}  # fmt: skip
_NUMERIC, _BOOLEAN, _SUPER = 1700, 16, 4000
_NUMBERS = (20, 21, 23, 700, 701, _NUMERIC)


class Sink(Protocol):
    """Where the rows of one part go."""

    rows: int

    def write(self, row: list[str | None]) -> None:
        """Write one row of text values."""

    def size(self) -> int:
        """Return the bytes written so far."""

    def close(self) -> None:
        """Finish the file."""


def open_sink(target: IO[bytes], columns: list[Any], command: UnloadCommand) -> Sink:
    """Return what writes rows in the command's format."""
    if command.format == "parquet":
        return _ParquetSink(target, columns)
    return _TextSink(target, columns, command)


class _TextSink:
    """Delimited text, CSV or JSON lines, compressed as requested."""

    def __init__(self, target: IO[bytes], columns: list[Any], command: UnloadCommand) -> None:
        self._target = target
        self._command = command
        self._names = [column.name for column in columns]
        self._types = [column.type_code for column in columns]
        self._stream = _compressing(target, command.compression)
        self.rows = 0
        if command.header:
            self._line(self._delimited(self._names))

    def write(self, row: list[str | None]) -> None:
        self.rows += 1
        if self._command.format == "json":
            named = zip(self._names, self._types, row, strict=True)
            fields = (f"{json.dumps(n)}:{_json_value(kind, value)}" for n, kind, value in named)
            self._line("{" + ",".join(fields) + "}")
        else:
            self._line(self._delimited(row))

    def size(self) -> int:
        return self._target.tell()

    def close(self) -> None:
        if self._stream is not self._target:
            self._stream.close()

    def _line(self, text: str) -> None:
        self._stream.write(text.encode() + b"\n")

    def _delimited(self, row: list[str | None] | list[str]) -> str:
        command = self._command
        return command.delimiter.join(
            command.null_as if value is None else self._field(value) for value in row
        )

    def _field(self, value: str) -> str:
        command = self._command
        if command.format == "csv":
            needs = any(c in value for c in (command.delimiter, '"', "\n", "\r"))
            return '"' + value.replace('"', '""') + '"' if needs or value == "" else value
        if command.escape:
            for special in ("\\", "\n", "\r", command.delimiter, '"', "'"):
                value = value.replace(special, "\\" + special)
        return '"' + value + '"' if command.add_quotes else value


class _ParquetSink:
    """Parquet with the types of the query's columns."""

    _BATCH = 50_000

    def __init__(self, target: IO[bytes], columns: list[Any]) -> None:
        self._target = target
        self._schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
        self._writer = pq.ParquetWriter(target, self._schema, compression="snappy")
        self._held: list[list[str | None]] = []
        self.rows = 0

    def write(self, row: list[str | None]) -> None:
        self.rows += 1
        self._held.append(row)
        if len(self._held) == self._BATCH:
            self._flush()

    def size(self) -> int:
        return self._target.tell()

    def close(self) -> None:
        if self._held:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        columns = zip(self._schema, zip(*self._held, strict=True), strict=True)
        arrays = [_as_array(field.type, values) for field, values in columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._held = []


def _as_array(kind: pa.DataType, values: Sequence[str | None]) -> pa.Array:
    """Return PostgreSQL's texts as values of a type."""
    if pa.types.is_string(kind):
        return pa.array(values, kind)
    lines = "".join(f"{'' if value is None else value}\n" for value in values)
    table = pa_csv.read_csv(
        io.BytesIO(lines.encode()),
        read_options=pa_csv.ReadOptions(column_names=["value"]),
        parse_options=pa_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={"value": kind}, null_values=[""], true_values=["t"], false_values=["f"]
        ),
    )
    return table.column("value").combine_chunks()


@dataclass(frozen=True)
class _Numeric:
    """A column of numbers whose type has no scale: PostgreSQL's sums and quotients have none."""

    name: str
    scale: int
    precision: int = 38
    type_code: int = _NUMERIC


def with_scales(columns: list[Any], rows: IO[bytes]) -> list[Any]:
    """Return the columns, each number's with a scale: where it has none, what its values need.

    Redshift gives its sums and quotients a scale by their operands' types.
    """
    bare = [i for i, c in enumerate(columns) if c.type_code == _NUMERIC and (c.scale or 0) > 38]
    if not bare:
        return columns
    scales = dict.fromkeys(bare, 0)
    rows.seek(0)
    for row in text_rows(rows):
        for index in bare:
            _, _, decimals = (row[index] or "").partition(".")
            scales[index] = max(scales[index], len(decimals))
    changed = {i: _Numeric(columns[i].name, min(scale, 37)) for i, scale in scales.items()}
    return [changed.get(index, column) for index, column in enumerate(columns)]


def text_rows(rows: IO[bytes]) -> Iterator[list[str | None]]:
    """Yield the rows that PostgreSQL wrote in its text format; NULL is None."""
    for line in rows:
        yield [_unescaped(value) for value in line.decode().removesuffix("\n").split("\t")]


def _unescaped(value: str) -> str | None:
    if "\\" not in value:
        return value
    return None if value == "\\N" else _ESCAPED.sub(lambda found: _ESCAPES[found[1]], value)


def _compressing(target: IO[bytes], compression: str | None) -> Any:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=target, mode="wb", mtime=0)
    if compression == "bzip2":
        return bz2.BZ2File(target, "wb")
    if compression == "zstd":
        return pa.CompressedOutputStream(pa.PythonFile(target, "wb"), "zstd")
    return target


def _arrow_type(column: Any) -> pa.DataType:
    if column.type_code == _NUMERIC:
        precision = column.precision if column.precision and column.precision < 39 else 38
        return pa.decimal128(precision, column.scale or 0)
    return _ARROW.get(column.type_code, pa.string())


def _json_value(kind: int, value: str | None) -> str:
    """Return a value as JSON; numbers keep the digits they came with."""
    if value is None:
        return "null"
    if kind == _BOOLEAN:
        return "true" if value == "t" else "false"
    if kind == _SUPER:
        return value
    if kind in _NUMBERS:
        return value if value.lower() not in ("nan", "infinity", "-infinity") else "null"
    return json.dumps(value, ensure_ascii=False)
