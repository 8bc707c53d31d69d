"""COPY FORMAT AS PARQUET: typed columns by position, checked as Redshift Spectrum checks them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.local_cloud.redshift.copy_command import CopyCommand
from src.local_cloud.redshift.copy_direct import copy_typed
from src.local_cloud.redshift.copy_source import SourceFile, open_seekable
from src.local_cloud.redshift.copy_values import CopyResult, TargetColumn

_Test = Callable[[pa.DataType], bool]
_COMPATIBLE: dict[str, _Test] = {
    "smallint": pa.types.is_integer,
    "integer": pa.types.is_integer,
    "bigint": pa.types.is_integer,
    "numeric": pa.types.is_decimal,
    "character varying": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    "character": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    "text": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    "timestamp without time zone": pa.types.is_timestamp,
    "timestamp with time zone": pa.types.is_timestamp,
    "date": pa.types.is_date,
    "boolean": pa.types.is_boolean,
    "double precision": pa.types.is_floating,
    "real": pa.types.is_floating,
}
_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_ROWS_PER_BATCH = 16_384


class ScanError(Exception):
    """A file does not fit the table; the text is the context Redshift gives."""

    def __init__(self, context: str, code: int = 15007) -> None:
        super().__init__(context)
        self.code = code


def load(
    cursor: Any, command: CopyCommand, columns: list[TargetColumn], files: list[SourceFile], s3: Any
) -> CopyResult:
    """Load the files. Raises ScanError: MAXERROR is not for Parquet."""
    scanned = []
    for file in files:
        with open_seekable(file, command, s3, cursor.plain) as content:
            try:
                parquet = pq.ParquetFile(content)
                present = columns[: len(parquet.schema_arrow)] if command.fill_record else columns
                _check_schema(parquet.schema_arrow, present, file, command)
                batches = parquet.iter_batches(_ROWS_PER_BATCH)
                typed = partial(_typed, command=command, columns=columns, file=file)
                if command.no_load:
                    for batch in batches:
                        typed(batch)
                else:
                    types = _types(parquet.schema_arrow, command, columns)
                    copy_typed(cursor, command.table, columns, types, batches, typed)
            except pa.ArrowException as error:
                text = f"File '{file.uri}' is not a Parquet file: {error}"
                raise ScanError(text, 15001) from error
            scanned.append(parquet.metadata.num_rows)
    return CopyResult(sum(scanned), scanned)


def _typed(
    found: pa.RecordBatch, *, command: CopyCommand, columns: list[TargetColumn], file: SourceFile
) -> pa.RecordBatch:
    """Return a batch as it is loaded; raises ScanError where a value has no place in its column."""
    batch = _filled(_serialized(found, command), columns)
    _check_values(batch, columns, file)
    return batch


def _types(
    schema: pa.Schema, command: CopyCommand, columns: list[TargetColumn]
) -> list[pa.DataType]:
    """Return the types of the rows to load: nested ones became text, missing ones are null."""
    is_text = command.serialize_to_json
    found = [pa.string() if is_text and pa.types.is_nested(t) else t for t in schema.types]
    return [*found, *(pa.null() for _ in columns[len(found) :])]


def _serialized(batch: pa.RecordBatch, command: CopyCommand) -> pa.RecordBatch:
    """Turn nested columns into JSON text, as SERIALIZETOJSON does."""
    if not command.serialize_to_json:
        return batch
    arrays = [
        pa.array(
            [None if v is None else json.dumps(v, separators=(",", ":"), default=str)
             for v in values.to_pylist()], pa.string(),
        ) if pa.types.is_nested(values.type) else values
        for values in batch.columns
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


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
    for field, column in zip(schema, columns, strict=True):
        if command.serialize_to_json and column.is_text and pa.types.is_nested(field.type):
            continue
        compatible = _COMPATIBLE.get(column.type)
        if compatible is None or not compatible(field.type):
            raise ScanError(
                f"File '{file.uri}' has an incompatible Parquet schema for column "
                f"'{column.name}'. Column type: {column.pg_name}, Parquet schema: {field.type}"
            )


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
        if column.type in _LIMITS and values.null_count < len(values):
            found = pc.min_max(values).as_py()
            limit = _LIMITS[column.type]
            if not -limit <= found["min"] <= found["max"] < limit:
                raise ScanError(
                    f"Value out of range for column '{column.name}' ({column.pg_name}), "
                    f"File name: {file.uri}"
                )
