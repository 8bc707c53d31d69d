"""Files that PostgreSQL may load as they are, because Redshift would read the same in them.

A record is plain when each of its fields is written in a way that both understand alike. Anything
else (a bad row, an unusual form) is left to the staging table, which applies all of Redshift's
rules and is several times slower: the records that are not plain, or the whole file where an option
changes fields or most records are not plain, and for JSON where one is not.
"""

from __future__ import annotations

import json
import re
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.fast.plain_fields import (
    ARROW,
    SMALLEST_FLOAT,
    empty_is_null,
    plain_fields,
    plain_floats,
    plain_values,
)
from src.local_cloud.redshift.copying.fast.sieve import Sieve
from src.local_cloud.redshift.copying.field_rules import TargetColumn
from src.local_cloud.redshift.copying.lines import (
    NO_QUOTE,
    LeftOver,
    NotPlainError,
    read_blocks,
    require,
    skip_lines,
)
from src.local_cloud.redshift.copying.row_stream import copy_made, copy_typed
from src.sql.cursors import Cursor
from src.sql.quoting import coded_literal

_NO_NUMBER = re.compile(rb"[:\[,]\s*-?(NaN|Inf)")
# Arrow's reader crashes at a DECIMAL of some exponents, and takes FLOATs that are none for 0.
_LONG_EXPONENT = re.compile(rb"[:\[,]\s*-?[0-9.]+[eE][+-]?[0-9]{3}")
_NUMBERS_ALIKE = bytes.maketrans(b"0123456789.+-E", b"0" * 13 + b"e")


def load_plain(
    cursor: Cursor, command: CopyCommand, columns: list[TargetColumn], stream: IO[bytes]
) -> tuple[int, LeftOver | None]:
    """Load a file past the staging table; returns the rows, and what is left to be staged.

    Raises NotPlainError where that cannot be done, and then nothing is loaded.
    """
    if command.format == "json":
        types = [_json_type(column) for column in columns]
        rows = copy_typed(
            cursor, command.table, columns, types, read_blocks(stream, b""),
            lambda body: _typed_json(body, command, columns, types),
        )  # fmt: skip
        return rows, None
    skip_lines(stream, command.ignore_header)
    sieve = Sieve(command, columns)
    blocks = read_blocks(stream, command.quote.encode() if command.format == "csv" else b"")
    rows = copy_made(cursor, _statement(command, columns), sieve.numbered(blocks), sieve.plain)
    return rows, sieve.left_over()


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
        or any(not c.is_text and c.type not in ARROW and c.type != "numeric" for c in columns)
    )  # fmt: skip


def _statement(command: CopyCommand, columns: list[TargetColumn]) -> str:
    names = ", ".join(c.quoted for c in columns)
    head = f"COPY {command.table} ({names}) FROM STDIN (FORMAT csv, NULL ''"
    kept = [c.quoted for c in columns if c.is_text and not empty_is_null(command)]
    nulled = [c.quoted for c in columns if not c.is_text or empty_is_null(command)]
    forced = f", FORCE_NOT_NULL ({', '.join(kept)})" if kept else ""
    forced += f", FORCE_NULL ({', '.join(nulled)})" if nulled else ""
    return f"{head}, {parser_options(command)}{forced})"


def parser_options(command: CopyCommand) -> str:
    """Return how PostgreSQL's CSV parser reads the command's files."""
    quote = command.quote if command.format == "csv" else NO_QUOTE.decode()
    mark = coded_literal(quote)
    return f"DELIMITER {coded_literal(command.delimiter)}, QUOTE {mark}, ESCAPE {mark}"


# -- JSON ----------------------------------------------------------------------------------------


def _typed_json(
    body: bytes, command: CopyCommand, columns: list[TargetColumn], types: list[pa.DataType]
) -> pa.RecordBatch:
    """Return the rows of a block, if every document is an object and every value plain."""
    # Arrow's reader crashes where the first document is null; it forgives NaN and a BOM.
    require(body.startswith(b"{") and not _holds(body, b"\\u0000"))
    require(not ((_holds(body, b"NaN") or _holds(body, b"Inf")) and _NO_NUMBER.search(body)))
    if any(c.type == "numeric" or c.type in SMALLEST_FLOAT for c in columns):
        require(not _may_have_exponents(body) or _LONG_EXPONENT.search(body) is None)
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


def _holds(body: bytes, word: bytes) -> bool:
    """Tell whether a word is in a block; a search for one byte costs a tenth of one for several."""
    return word[:1] in body and word in body


def _may_have_exponents(body: bytes) -> bool:
    """Tell whether an E follows a digit and precedes one; a ninth of the time of the pattern."""
    return b"0e0" in body.translate(_NUMBERS_ALIKE)


def _json_type(column: TargetColumn) -> pa.DataType:
    """Return the type of a column's values once they are checked."""
    if column.type == "numeric":
        return pa.decimal128(column.precision, column.scale)
    if column.is_text or column.type == "timestamp with time zone":  # in the session's zone
        return pa.string()
    return ARROW[column.type]


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
    if column.type in SMALLEST_FLOAT:
        require(plain_floats(present, column) is None)
    elif column.is_moment:
        require(plain_values(present, column) is None)
    elif column.is_text:
        require(plain_fields(present, column, command) is None)
        require(not empty_is_null(command) or pc.min(pc.binary_length(present)).as_py() > 0)
    return values
