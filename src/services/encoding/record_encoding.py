"""Raw records as compressed JSON Lines, CSV or Parquet bytes, one block at a time.

The same blocks always give the same bytes: gzip headers carry no time, and Parquet writes one
row group per block.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from src.services.encoding.arrow_columns import plain
from src.services.encoding.json_rows import encode_rows

RawFormat = Literal["json", "csv", "parquet"]
Bytes = bytes | bytearray | memoryview
EXTENSION: dict[str, str] = {"json": "json.gz", "csv": "csv.gz", "parquet": "parquet"}


class PartWriter(Protocol):
    """Collects blocks of one table and gives the part's bytes."""

    def write(self, block: pa.Table) -> None:
        """Add one block."""

    def finish(self) -> bytes:
        """Return the whole part; the writer is spent."""

    def content_sha256(self) -> str:
        """Return the digest of the content (before gzip), once finished."""


def part_writer(raw_format: RawFormat, schema: pa.Schema) -> PartWriter:
    """Return a writer of one part in this format."""
    if raw_format == "parquet":
        return _ParquetPart(schema)
    return _TextPart(raw_format)


class _TextPart:
    def __init__(self, raw_format: RawFormat) -> None:
        self._encode = encode_json_lines if raw_format == "json" else encode_csv
        self._compress = _gzip_compressor()
        self._chunks: list[bytes] = []
        self._first = True
        self._digest = hashlib.sha256()

    def write(self, block: pa.Table) -> None:
        for text in self._encode(block, header=self._first):
            self._digest.update(text)
            self._chunks.append(self._compress.compress(text))
        self._first = False

    def finish(self) -> bytes:
        self._chunks.append(self._compress.flush())
        return b"".join(self._chunks)

    def content_sha256(self) -> str:
        return self._digest.hexdigest()


class _ParquetPart:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._sink = io.BytesIO()
        self._writer: Any = None

    def write(self, block: pa.Table) -> None:
        if self._writer is None:
            self._open(block.schema, [f.name for f in block.schema if _of_few_kinds(block, f)])
        self._writer.write_table(block, row_group_size=max(block.num_rows, 1))

    def finish(self) -> bytes:
        if self._writer is None:
            self._open(self._schema, [])
        self._writer.close()
        return self._sink.getvalue()

    def _open(self, schema: pa.Schema, of_few_kinds: list[str]) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="snappy",  # zstd is a third smaller and takes half as long again
            use_dictionary=of_few_kinds,
            store_schema=False,  # in the file, categories are strings like any
            write_statistics=False,  # whole files are read, and no filter would use them
        )

    def content_sha256(self) -> str:
        return hashlib.sha256(self._sink.getbuffer()).hexdigest()


def _of_few_kinds(block: pa.Table, field: pa.Field) -> bool:
    """Tell whether a column is written faster and smaller by a dictionary."""
    if pa.types.is_dictionary(field.type):
        return True
    some = block.column(field.name).slice(0, 1_000)
    return bool(len(some.unique()) * 20 < len(some))


def _gzip_compressor() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:  # optional speed: the standard library writes the same content
        import zlib

        return zlib.compressobj(1, wbits=31)
    return isal_zlib.compressobj(1, wbits=31)


def encode_json_lines(table: pa.Table, *, header: bool = False) -> Sequence[Bytes]:
    """Return one JSON object a line, in pieces.

    Numbers are bare, strings quoted and escaped, nulls null.
    """
    rows = encode_rows(table)
    return rows if rows is not None else [join_json_lines(table)]


def join_json_lines(table: pa.Table) -> memoryview:
    """Return the same lines of any table, value by value; several times as slow."""
    table = plain(table)
    if table.num_rows == 0:
        return memoryview(b"")
    pieces: list[Any] = []
    for index, field in enumerate(table.schema):
        pieces.append(("{" if index == 0 else ",") + f'"{field.name}":')
        pieces.append(_json_values(table.column(index), field.type))
    pieces.append("}\n")
    lines = pc.binary_join_element_wise(*pieces, "")
    return _joined(lines)


def _json_values(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return pc.fill_null(column.cast(pa.string()), "null")
    text = column
    if pc.any(pc.match_substring_regex(text, r'["\\\x00-\x1f]')).as_py():
        import json

        escaped = [None if v is None else json.dumps(v, ensure_ascii=False)
                   for v in text.to_pylist()]  # fmt: skip
        text = pa.chunked_array([pa.array(escaped, pa.string())])
    else:
        text = pc.binary_join_element_wise('"', text, '"', "")
    return pc.fill_null(text, "null")


def _joined(lines: pa.ChunkedArray) -> memoryview:
    """Return the strings of one array as one buffer: they are already stored end to end."""
    array = lines.combine_chunks() if isinstance(lines, pa.ChunkedArray) else lines
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    offsets, data = array.buffers()[1], array.buffers()[2]
    width = 8 if pa.types.is_large_string(array.type) else 4
    view = memoryview(offsets).cast("q" if width == 8 else "i")
    start, end = view[array.offset], view[array.offset + len(array)]
    return memoryview(data)[start:end]


def encode_csv(table: pa.Table, *, header: bool = True) -> Sequence[bytes]:
    """Return RFC 4180 CSV with LF line ends, in one piece; nulls are empty."""
    import pyarrow.csv as pa_csv

    sink = io.BytesIO()
    options = pa_csv.WriteOptions(include_header=header, quoting_style="needed")
    pa_csv.write_csv(plain(table), sink, options)
    return [sink.getvalue()]
