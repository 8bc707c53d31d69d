"""COPY of Parquet and ORC: typed columns by position, checked as Redshift Spectrum checks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.local_cloud.redshift.copying.binary.orc import OrcFile
from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.copy_failures import ScanError
from src.local_cloud.redshift.copying.encodings import bad_sequence, decoded, replaced
from src.local_cloud.redshift.copying.field_rules import CopyResult, TargetColumn
from src.local_cloud.redshift.copying.lines import LONGEST
from src.local_cloud.redshift.copying.row_stream import copy_typed
from src.local_cloud.redshift.copying.source_objects import SourceFile, open_seekable
from src.sql.cursors import Cursor

_Test = Callable[[pa.DataType], bool]
_COMPATIBLE: dict[str, _Test] = {
    "smallint": pa.types.is_integer,
    "integer": pa.types.is_integer,
    "bigint": pa.types.is_integer,
    "numeric": pa.types.is_decimal,
    "character varying": pa.types.is_string,
    "super": lambda kind: not pa.types.is_nested(kind),
    "varbyte": pa.types.is_binary,
    "character": pa.types.is_string,
    "text": pa.types.is_string,
    "timestamp without time zone": pa.types.is_timestamp,
    "timestamp with time zone": pa.types.is_timestamp,
    "date": pa.types.is_date,
    "boolean": pa.types.is_boolean,
    "double precision": pa.types.is_floating,
    "real": pa.types.is_floating,
}
_KINDS = {"parquet": "a Parquet", "orc": "an ORC"}
_SHOWN = {"parquet": "Parquet", "orc": "ORC"}
_AS_TEXT = ("super", "varbyte")  # what they are sent as
_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_ROWS_AT_ONCE, _ROWS_PER_BATCH, _BATCH_BYTES = 512, 16_384, 4 << 20
_SHORT_DECIMAL = 18  # digits that are stored in 8 bytes; more take 16
_DAYS = (-719_162, 2_932_896)  # of 0001-01-01 and 9999-12-31: what every client can read
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def load(
    cursor: Cursor,
    command: CopyCommand,
    columns: list[TargetColumn],
    files: list[SourceFile],
    s3: Any,
) -> CopyResult:
    """Load the files. Raises ScanError: MAXERROR is not for columnar files."""
    scanned = []
    for file in files:
        with open_seekable(file, command, s3) as content:
            scanned.append(_load_file(cursor, command, columns, file, content))
    return CopyResult(sum(scanned), scanned)


def _load_file(
    cursor: Cursor, command: CopyCommand, columns: list[TargetColumn], file: SourceFile,
    content: IO[bytes],
) -> int:  # fmt: skip
    try:
        source = _opened(content, command, file)
        schema = pa.schema([(field.name, _stored(field.type)) for field in source.schema_arrow])
        present = columns[: len(schema)] if command.fill_record else columns
        _check_schema(schema, present, file, command)
        batches = _batches(source, schema)
        typed = partial(_typed, command=command, columns=columns, file=file)
        if command.no_load:
            for batch in batches:
                typed(batch)
        else:
            types = _types(schema, command, columns)
            copy_typed(cursor, command.table, columns, types, batches, typed)
        return source.num_rows if isinstance(source, OrcFile) else int(source.metadata.num_rows)
    # What Arrow raises about a broken file has several roots, Python's own among them.
    except (pa.ArrowException, OSError, ValueError, ArithmeticError) as error:
        raise ScanError(
            f"File '{file.uri}' is not {_KINDS[command.format]} file: {error}", 15001
        ) from error


def _opened(content: IO[bytes], command: CopyCommand, file: SourceFile) -> pq.ParquetFile | OrcFile:
    if command.format == "orc":
        source = OrcFile(content)
        source.check_rows(file.uri)
        return source
    parquet = pq.ParquetFile(content)
    _check_rows(parquet.metadata, file)
    return parquet


def _check_rows(metadata: Any, file: SourceFile) -> None:
    """Refuse what is sure to hold a row that is too long, before it is decompressed."""
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        if group.total_byte_size > max(group.num_rows, 1) * LONGEST + LONGEST:
            raise ScanError(f"A row is longer than {LONGEST} bytes, File name: {file.uri}")


def _batches(source: pq.ParquetFile | OrcFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches, smaller ones where texts are long.

    They are read few at once: a long text that a dictionary holds once may stand in every row.
    """
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for found in source.iter_batches(_ROWS_AT_ONCE):
        arrays = [
            values if values.type == field.type else values.cast(field.type)
            for values, field in zip(found.columns, schema, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema.names)
        step = max(_ROWS_AT_ONCE * _BATCH_BYTES // max(batch.nbytes, 1), 1)
        for start in range(0, batch.num_rows, step):
            held.append(batch.slice(start, step))
            rows, size = rows + held[-1].num_rows, size + held[-1].nbytes
            if rows >= _ROWS_PER_BATCH or size >= _BATCH_BYTES:
                yield _joined(held)
                held, rows, size = [], 0, 0
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return a type as it is in the file: what Arrow adds to that is none of Redshift's."""
    if pa.types.is_dictionary(kind):
        return _stored(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 else kind
    return kind


def _typed(
    found: pa.RecordBatch, *, command: CopyCommand, columns: list[TargetColumn], file: SourceFile
) -> pa.RecordBatch:
    """Return a batch as it is loaded; raises ScanError where a value has no place in its column."""
    arrays = [_readable(values, command, file) for values in found.columns]
    plain = pa.RecordBatch.from_arrays(arrays, found.schema.names)
    batch = _filled(_serialized(plain, columns), columns)
    _check_values(batch, columns, file)
    return batch


def _readable(values: Any, command: CopyCommand, file: SourceFile) -> Any:
    """Return values whose texts are such; raises ScanError for a text that is none."""
    if not pa.types.is_string(values.type):
        return values
    if command.replacement:
        texts = [
            None if body is None else replaced(decoded(body)[0], command.replacement)
            for body in values.cast(pa.binary()).to_pylist()
        ]
        return pa.array(texts, pa.string())
    try:
        values.validate(full=True)
        is_text = not pc.any(pc.match_substring(values, "\0")).as_py()
    except pa.ArrowInvalid:
        is_text = False
    if is_text:
        return values
    for body in values.cast(pa.binary()).to_pylist():
        text, is_clean = decoded(body or b"")
        if not is_clean or "\0" in text:
            wrong = "00 (error 9)" if is_clean else "{} (error {})".format(*bad_sequence(text))
            raise ScanError(
                "String contains invalid or unsupported UTF-8 codepoints. "
                f"Bad UTF-8 hex sequence: {wrong}, File name: {file.uri}"
            )
    raise AssertionError("a text that Arrow refuses is UTF-8")


def _types(
    schema: pa.Schema, command: CopyCommand, columns: list[TargetColumn]
) -> list[pa.DataType]:
    """Return the types of the rows to load: nested ones became text, missing ones are null."""
    found = [
        pa.string() if column.type in _AS_TEXT or pa.types.is_nested(kind) else kind
        for kind, column in zip(schema.types, columns, strict=False)
    ]
    return [*found, *(pa.null() for _ in columns[len(found) :])]


def _serialized(batch: pa.RecordBatch, columns: list[TargetColumn]) -> pa.RecordBatch:
    """Turn nested columns into JSON text, as SERIALIZETOJSON does, and all of a SUPER column."""
    arrays = [
        pa.array([None if v is None else _text(v, column) for v in values.to_pylist()], pa.string())
        if column.type in _AS_TEXT or pa.types.is_nested(values.type)
        else values
        for values, column in zip(batch.columns, columns, strict=False)
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _text(value: Any, column: TargetColumn) -> str:
    if column.type == "varbyte":
        return str(value.hex())
    if isinstance(value, Decimal):
        return str(value)
    is_plain = column.type == "super"
    return json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=not is_plain)


def _filled(batch: pa.RecordBatch, columns: list[TargetColumn]) -> pa.RecordBatch:
    missing = columns[batch.num_columns :]
    arrays = [*batch.columns, *(pa.nulls(batch.num_rows) for _ in missing)]
    return pa.RecordBatch.from_arrays(arrays, [*batch.schema.names, *(c.name for c in missing)])


def _check_schema(
    schema: pa.Schema, columns: list[TargetColumn], file: SourceFile, command: CopyCommand
) -> None:
    if len(schema) != len(columns):
        raise ScanError(
            "Unmatched number of columns between table and file. "
            f"Table columns: {len(columns)}, Data columns: {len(schema)}, File name: {file.uri}"
        )
    kind = _SHOWN[command.format]
    for field, column in zip(schema, columns, strict=True):
        can_nest = column.is_text or column.type == "super"
        if command.serialize_to_json and can_nest and pa.types.is_nested(field.type):
            continue
        if column.type == "numeric" and pa.types.is_decimal(field.type):
            _check_decimal(field.type, column, file, kind)
            continue
        compatible = _COMPATIBLE.get(column.type)
        if compatible is None or not compatible(field.type):
            raise ScanError(
                f"File '{file.uri}' has an incompatible {kind} schema for column "
                f"'{column.name}'. Column type: {column.pg_name}, {kind} schema: {field.type}"
            )


def _check_decimal(kind: Any, column: TargetColumn, file: SourceFile, shown: str) -> None:
    """Refuse numbers that are stored in another way than the column's are."""
    if kind.scale != column.scale:
        raise ScanError(
            f"File '{file.uri}' has an incompatible {shown} schema for column '{column.name}'. "
            f"Column type: NUMERIC({column.length}), "
            f"{shown} schema: DECIMAL({kind.precision}, {kind.scale})"
        )
    room = _stored_bytes(8 if column.precision <= _SHORT_DECIMAL else 16, column.precision)
    needed = _stored_bytes(0, kind.precision)
    if needed > room:
        raise ScanError(
            f"File '{file.uri}' column '{column.name}' has an invalid type length. "
            f"Expecting: {room} len in file: {needed}", 15001,
        )  # fmt: skip


def _stored_bytes(least: int, precision: int) -> int:
    """Return the bytes of a signed whole number of so many digits."""
    digits: int = 10**precision
    return max(least, (digits.bit_length() + 8) // 8)


def _check_values(batch: pa.RecordBatch, columns: list[TargetColumn], file: SourceFile) -> None:
    for values, column in zip(batch.columns, columns, strict=True):
        if column.not_null and values.null_count:
            raise ScanError(f"NULL value in NOT NULL column '{column.name}', File name: {file.uri}")
        if column.max_bytes is not None and values.null_count < len(values):
            longest = pc.max(pc.binary_length(values)).as_py() or 0
            if longest > column.max_bytes:
                raise ScanError(
                    f"The length of the data column {column.name} is longer than the length "
                    f"defined in the table. Table: {column.max_bytes}, Data: {longest}, "
                    f"File name: {file.uri}"
                )
            if column.is_single_byte and not pc.all(pc.string_is_ascii(values)).as_py():
                raise ScanError(
                    f"Multibyte character not supported for CHAR column '{column.name}' "
                    f"(Hint: Try using VARCHAR), File name: {file.uri}"
                )
        if values.null_count < len(values) and not _is_in_range(values, column):
            raise ScanError(
                f"Value out of range for column '{column.name}' ({column.pg_name}), "
                f"File name: {file.uri}"
            )


def _is_in_range(values: Any, column: TargetColumn) -> bool:
    if column.type in _LIMITS:
        found = pc.min_max(values).as_py()
        limit = _LIMITS[column.type]
        return bool(-limit <= found["min"] <= found["max"] < limit)
    if column.type == "numeric":
        found = pc.min_max(values).as_py()
        largest = 10 ** (column.precision - column.scale)
        return bool(-largest < found["min"] <= found["max"] < largest)
    if column.is_moment:
        is_date = pa.types.is_date32(values.type)
        unit = "ms" if pa.types.is_date64(values.type) else getattr(values.type, "unit", "")
        per_day = 1 if is_date else _PER_DAY[unit]
        found = pc.min_max(values.cast(pa.int32() if is_date else pa.int64())).as_py()
        return bool(_DAYS[0] * per_day <= found["min"] <= found["max"] < (_DAYS[1] + 1) * per_day)
    if column.type == "real":
        return not pc.any(pc.and_(pc.is_finite(values), pc.greater(pc.abs(values), 3.4028235e38)),
                          ).as_py()  # fmt: skip
    return True
