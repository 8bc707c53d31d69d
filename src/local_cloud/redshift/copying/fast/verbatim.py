"""Files that PostgreSQL may load as they are, because Redshift would read the same in them.

A block of records is plain when each of its fields is written in a way that both understand
alike. Anything else (a bad row, an unusual form, an option that changes fields) is left to
the staging table, which applies all of Redshift's rules and is several times slower.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.field_rules import TargetColumn
from src.local_cloud.redshift.copying.lines import (
    NotPlainError,
    ends_alike,
    read_blocks,
    require,
    skip_lines,
)
from src.local_cloud.redshift.copying.row_stream import copy_made, copy_typed
from src.sql.cursors import Cursor
from src.sql.quoting import coded_literal

_Numbers = npt.NDArray[np.int32]
_Bytes = npt.NDArray[np.uint8]

_DIGITS = b"0123456789"
_CHARACTERS = {
    "smallint": _DIGITS + b"-", "integer": _DIGITS + b"-", "bigint": _DIGITS + b"-",
    "numeric": _DIGITS + b"-.", "real": _DIGITS + b"-.eE", "double precision": _DIGITS + b"-.eE",
    "date": _DIGITS + b"-", "timestamp without time zone": _DIGITS + b"-.: ",
    "timestamp with time zone": _DIGITS + b"-.: ",
}  # fmt: skip
_LENGTHS = {"date": {10}}  # YYYY-MM-DD; the others may have a time, and a fraction of a second
_MOMENT_LENGTHS = {10, 19, 21, 22, 23, 24, 25, 26}
_ARROW = {
    "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "real": pa.float32(),
    "double precision": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us"),
}  # fmt: skip
_NO_NUMBER = re.compile(rb"[:\[,]\s*-?(NaN|Inf)")
# Arrow's reader crashes at a DECIMAL of some exponents, and takes FLOATs that are none for 0.
_LONG_EXPONENT = re.compile(rb"[:\[,]\s*-?[0-9.]+[eE][+-]?[0-9]{3}")
_FIRST_MOMENT = np.datetime64("0001-01-01")
_SMALLEST_FLOAT = {"real": 1.2e-38, "double precision": 2.3e-308}  # below it, bits are lost


@cache
def _truths() -> pa.Array:
    return pa.array(["t", "f", "true", "false", "1", "0"])  # imports pandas: not at the start


def load_plain(
    cursor: Cursor, command: CopyCommand, columns: list[TargetColumn], stream: IO[bytes]
) -> int:
    """Load a file past the staging table, and return its rows.

    Raises NotPlainError where that cannot be done, and then nothing is loaded.
    """
    if command.format == "json":
        types = [_json_type(column) for column in columns]
        return copy_typed(
            cursor, command.table, columns, types, read_blocks(stream, b""),
            lambda body: _typed_json(body, command, columns, types),
        )  # fmt: skip
    skip_lines(stream, command.ignore_header)
    return copy_made(
        cursor,
        _statement(command, columns),
        read_blocks(stream, command.quote.encode() if command.format == "csv" else b""),
        lambda body: _plain_text(body, command, columns),
    )


def may_be_plain(command: CopyCommand, columns: list[TargetColumn]) -> bool:
    """Tell whether the options leave fields as they are."""
    formats = {
        command.date_format if c.type == "date" else command.time_format
        for c in columns
        if c.is_moment
    }
    return not (
        command.no_load or command.trim_blanks or command.blanks_as_null or command.needs_records
        or formats - {"", "auto"}
        or (command.format == "json" and command.json != "auto")
        or any(not c.is_text and c.type not in _ARROW and c.type != "numeric" for c in columns)
    )  # fmt: skip


def _statement(command: CopyCommand, columns: list[TargetColumn]) -> str:
    names = ", ".join(c.quoted for c in columns)
    head = f"COPY {command.table} ({names}) FROM STDIN (FORMAT csv, NULL ''"
    kept = [c.quoted for c in columns if c.is_text and not _empty_is_null(command)]
    nulled = [c.quoted for c in columns if not c.is_text or _empty_is_null(command)]
    forced = f", FORCE_NOT_NULL ({', '.join(kept)})" if kept else ""
    forced += f", FORCE_NULL ({', '.join(nulled)})" if nulled else ""
    return f"{head}, {parser_options(command)}{forced})"


def parser_options(command: CopyCommand) -> str:
    """Return how PostgreSQL's CSV parser reads the command's files."""
    quote = command.quote if command.format == "csv" else NO_QUOTE.decode()
    mark = coded_literal(quote)
    return f"DELIMITER {coded_literal(command.delimiter)}, QUOTE {mark}, ESCAPE {mark}"


NO_QUOTE = b"\x02"  # where delimited text has no quotes, PostgreSQL's parser still wants one


def _empty_is_null(command: CopyCommand) -> bool:
    return command.empty_as_null or command.null_as == ""


# -- delimited text ------------------------------------------------------------------------------


def _plain_text(body: bytes, command: CopyCommand, columns: list[TargetColumn]) -> bytes:
    """Return the block itself, if every field is plain."""
    null_as = command.null_as.encode()
    require(b"\0" not in body and not (null_as and null_as in body))
    require(ends_alike(body))
    quote = command.quote.encode()
    if command.format == "csv":
        has_quotes = quote in body
        require(not has_quotes or _quotes_whole_fields(body, quote, command.delimiter.encode()))
    else:
        has_quotes = False
        require(NO_QUOTE not in body)
    names = [str(index) for index in range(len(columns))]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(body),
            pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
            pa_csv.ParseOptions(
                delimiter=command.delimiter,
                quote_char=command.quote if has_quotes else False,
                newlines_in_values=has_quotes,
                ignore_empty_lines=False,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        for values, column in zip(table.columns, columns, strict=True):
            _check_field(values.combine_chunks(), column, command)
    except pa.ArrowException:
        raise NotPlainError from None
    return body


def _quotes_whole_fields(body: bytes, quote: bytes, delimiter: bytes) -> bool:
    """Tell whether quotes stand only around fields, and doubled inside of them."""
    content = np.frombuffer(body, np.uint8)
    at = np.flatnonzero(content == quote[0])
    if at.size % 2:
        return False
    opening, closing = at[0::2], at[1::2]
    may_precede = np.isin(content[opening - 1], np.frombuffer(delimiter + b"\n" + quote, np.uint8))
    may_precede[0] |= opening[0] == 0
    inside = closing[closing + 1 < len(body)]
    follows = content[inside + 1]
    may_follow = np.isin(follows, np.frombuffer(delimiter + b"\r\n" + quote, np.uint8))
    return bool(may_precede.all() and may_follow.all())


def _check_field(values: pa.Array, column: TargetColumn, command: CopyCommand) -> None:
    lengths, content = _lengths_and_content(values)
    if column.is_text:
        if column.max_bytes is not None:
            require(lengths.max() <= column.max_bytes)
        require(not column.is_single_byte or not len(content) or content.max() < 128)
        require(not (column.not_null and _empty_is_null(command)) or lengths.min() > 0)
        return
    if lengths.min() == 0:
        require(not column.not_null)
        values = values.filter(pa.array(lengths > 0))
        if len(values) == 0:
            return
    _check_value(values, lengths[lengths > 0], content, column)


def _check_value(
    values: pa.Array, lengths: _Numbers, content: _Bytes, column: TargetColumn
) -> None:
    """Require that texts are values of a type, in the form that leaves nothing to interpret."""
    if column.type == "boolean":
        require(pc.all(pc.is_in(values, _truths())).as_py())
        return
    require(_allowed(column.type)[content].all())
    if column.is_moment:
        require(_LENGTHS.get(column.type, _MOMENT_LENGTHS).issuperset(np.unique(lengths).tolist()))
    if column.type == "numeric":
        pc.cast(values, pa.decimal128(column.precision, column.scale))
        return
    typed = pc.cast(values, _ARROW[column.type])
    if column.is_moment:
        require(typed.to_numpy(zero_copy_only=False).min() >= _FIRST_MOMENT)
    elif column.type in _SMALLEST_FLOAT:
        _check_floats(typed, column)


def _check_floats(typed: pa.Array, column: TargetColumn) -> None:
    sizes = np.abs(typed.to_numpy(zero_copy_only=False))
    require(np.isfinite(sizes).all())
    require(((sizes == 0) | (sizes >= _SMALLEST_FLOAT[column.type])).all())


def _lengths_and_content(values: pa.Array) -> tuple[_Numbers, _Bytes]:
    """Return the byte lengths of a string array, and its bytes."""
    _, offsets_buffer, content_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[values.offset :][: len(values) + 1]
    content = np.frombuffer(content_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    return np.diff(offsets), content


@cache
def _allowed(kind: str) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[np.frombuffer(_CHARACTERS[kind], np.uint8)] = True
    return table


# -- JSON ----------------------------------------------------------------------------------------


def _typed_json(
    body: bytes, command: CopyCommand, columns: list[TargetColumn], types: list[pa.DataType]
) -> pa.RecordBatch:
    """Return the rows of a block, if every document is an object and every value plain."""
    # Arrow's reader crashes where the first document is null; it forgives NaN and a BOM.
    require(body.startswith(b"{") and b"\\u0000" not in body)
    require(not ((b"NaN" in body or b"Inf" in body) and _NO_NUMBER.search(body)))
    if any(c.type == "numeric" or c.type in _SMALLEST_FLOAT for c in columns):
        require(_LONG_EXPONENT.search(body) is None)
    try:
        sample, _ = json.JSONDecoder().raw_decode(body.decode())
        schema = pa.schema([(c.name, _read_type(c, sample.get(c.name))) for c in columns])
        table = pa_json.read_json(
            pa.BufferReader(body),
            pa_json.ReadOptions(use_threads=False, block_size=len(body) + 1),
            pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
        arrays = [
            _checked_json(values.combine_chunks(), column, command).cast(kind)
            for values, column, kind in zip(table.columns, columns, types, strict=True)
        ]
    except (pa.ArrowException, ValueError, RecursionError):
        raise NotPlainError from None
    return pa.RecordBatch.from_arrays(arrays, schema.names)


def _json_type(column: TargetColumn) -> pa.DataType:
    """Return the type of a column's values once they are checked."""
    if column.type == "numeric":
        return pa.decimal128(column.precision, column.scale)
    if column.is_text or column.type == "timestamp with time zone":  # in the session's zone
        return pa.string()
    return _ARROW[column.type]


def _read_type(column: TargetColumn, sample: object) -> pa.DataType:
    """Return how a column is read; a text that begins with a whole number may be all of them."""
    if column.is_text and type(sample) is int:
        return pa.int64()
    return pa.string() if column.is_moment else _json_type(column)


def _checked_json(values: pa.Array, column: TargetColumn, command: CopyCommand) -> pa.Array:
    """Return a column's values, all of them plain; whole numbers in a text become text."""
    if column.is_text and pa.types.is_integer(values.type):
        require(not pc.any(pc.equal(values, 0)).as_py())  # it may have been written -0
        values = values.cast(pa.string())
    present = values.drop_null()
    require(not column.not_null or len(present) == len(values))
    if len(present) == 0:
        return values
    if column.type in _SMALLEST_FLOAT:
        _check_floats(present, column)
    elif column.is_moment:
        _check_value(present, *_lengths_and_content(present), column)
    elif column.is_text:
        _check_field(present, column, command)
        require(not _empty_is_null(command) or _lengths_and_content(present)[0].min() > 0)
    return values
