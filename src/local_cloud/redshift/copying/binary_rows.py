"""Typed rows in PostgreSQL's binary COPY format, which costs the server no parsing.

The format is that of PostgreSQL's page on COPY: per row the number of fields as int16, per
field its size as int32 (-1 is NULL) and its bytes, as each type's receive function reads them;
all numbers most significant byte first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from src.local_cloud.redshift.copying.field_rules import TargetColumn

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Writer = Callable[[pa.Array], Bytes]

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
_NO_FIELD = b"\xff" * 4  # the size -1
_EPOCH_DAYS, _EPOCH_US = 10_957, 946_684_800_000_000  # 2000-01-01 after 1970-01-01
_DIGITS = 18  # what an int64 holds of a decimal


def can_be_binary(columns: list[TargetColumn], types: list[pa.DataType]) -> bool:
    """Tell whether values of Arrow's types can be written for the columns."""
    return all(_is_known(column, kind) for column, kind in zip(columns, types, strict=True))


def as_binary(batch: pa.RecordBatch, columns: list[TargetColumn]) -> bytes:
    """Return the rows of a batch; its types are those that `can_be_binary` accepted."""
    count = batch.num_rows
    parts: list[pa.Array] = []
    fixed = [_big(np.full(count, len(columns)), 2)]  # bytes (rows x width) up to the next part
    for values, column in zip(batch.columns, columns, strict=True):
        absent = _absent(values)
        if column.is_text or column.type in _SENT_AS_TEXT:
            text = values.cast(pa.large_binary())
            fixed.append(_big(_sizes(text, absent), 4))
            parts += [_as_array(fixed), text]
            fixed = []
            continue
        payload = _WRITERS[column.type](values)
        field = [_big(np.full(count, payload.shape[1]), 4), payload]
        if absent is None:
            fixed += field
            continue
        parts += [
            *([_as_array(fixed)] if fixed else []),
            pc.if_else(values.is_null(), pa.scalar(_NO_FIELD, pa.large_binary()), _as_array(field)),
        ]
        fixed = []
    if fixed:
        parts.append(_as_array(fixed))
    rows = pc.binary_join_element_wise(
        *parts, pa.scalar(b"", pa.large_binary()), null_handling="replace", null_replacement=b""
    )
    content: bytes = rows.buffers()[2].to_pybytes() if count else b""
    return content


def _as_array(fixed: list[Bytes]) -> pa.Array:
    """Return the bytes of each row as one value."""
    content = np.concatenate(fixed, axis=1)
    count, width = content.shape
    offsets = np.arange(count + 1, dtype=np.int64) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.large_binary(), count, buffers)


def _sizes(text: pa.Array, absent: npt.NDArray[np.bool_] | None) -> Numbers:
    offsets = np.frombuffer(text.buffers()[1], np.int64)[text.offset :][: len(text) + 1]
    lengths = np.diff(offsets)
    return lengths if absent is None else np.where(absent, -1, lengths)


def _absent(values: pa.Array) -> npt.NDArray[np.bool_] | None:
    return np.from_dlpack(values.is_null().cast("uint8")).view(bool) if values.null_count else None


def _big(numbers: Numbers, width: int) -> Bytes:
    """Return whole numbers as bytes (rows x width), most significant first."""
    found = np.ascontiguousarray(numbers, f">i{width}")
    return found.view(np.uint8).reshape(len(found), width)


def _numbers(values: pa.Array, kind: pa.DataType | str) -> Numbers:
    """Return the values as numpy's, with zeros where they are NULL."""
    typed = values.cast(kind)
    if typed.null_count:
        typed = pc.fill_null(typed, pa.scalar(0, kind))
    return cast(Numbers, np.from_dlpack(typed))  # where np.asarray would import pandas


def _integer(width: int) -> Writer:
    return lambda values: _big(_numbers(values, f"int{8 * width}"), width)


def _real(width: int) -> Writer:
    def write(values: pa.Array) -> Bytes:
        numbers = _numbers(values, pa.float32() if width == 4 else pa.float64())
        return np.ascontiguousarray(numbers, f">f{width}").view(np.uint8).reshape(-1, width)

    return write


def _truth(values: pa.Array) -> Bytes:
    return cast(Bytes, _numbers(values, pa.uint8())).reshape(-1, 1)


def _date(values: pa.Array) -> Bytes:
    days = _numbers(values.cast(pa.date32()).cast(pa.int32()), pa.int64())
    return _big(days - _EPOCH_DAYS, 4)


def _moment(values: pa.Array) -> Bytes:
    unit = values.type.unit
    numbers = _numbers(values.cast(pa.int64()), pa.int64())
    if unit == "ns":  # to the nearest microsecond, as PostgreSQL reads nine digits
        numbers = (numbers + 500) // 1_000
    else:
        numbers = numbers * {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]
    return _big(numbers - _EPOCH_US, 8)


def _decimal(values: pa.Array) -> Bytes:
    """Write digits to the base 10,000; the server drops those that are 0 at either end."""
    scale, precision = values.type.scale, values.type.precision
    behind = -(-scale // 4)
    groups = behind + -(-(precision - scale) // 4)
    halves = np.frombuffer(values.buffers()[1], np.int64).reshape(-1, 2)
    numbers = halves[values.offset :][: len(values), 0]
    rest = np.abs(numbers) * 10 ** (4 * behind - scale)
    digits = np.empty((len(numbers), groups), np.int64)
    for place in range(groups - 1, -1, -1):
        rest, digits[:, place] = np.divmod(rest, 10_000)
    head = np.empty((len(numbers), 4), np.int64)  # digits, weight of the first, sign, scale
    head[:, 0], head[:, 1], head[:, 3] = groups, groups - behind - 1, scale
    head[:, 2] = np.where(numbers < 0, 0x4000, 0)
    both = np.ascontiguousarray(np.concatenate([head, digits], axis=1), ">i2")
    return both.view(np.uint8).reshape(len(numbers), -1)


_SENT_AS_TEXT = ("super", "varbyte")
_WRITERS: dict[str, Writer] = {
    "smallint": _integer(2),
    "integer": _integer(4),
    "bigint": _integer(8),
    "real": _real(4),
    "double precision": _real(8),
    "boolean": _truth,
    "date": _date,
    "timestamp without time zone": _moment,
    "timestamp with time zone": _moment,
    "numeric": _decimal,
}


def _is_known(column: TargetColumn, kind: pa.DataType) -> bool:
    if column.is_text or column.type in _SENT_AS_TEXT:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if column.type == "numeric":
        # A number to the base 10,000 has up to three places more behind the point.
        return bool(
            pa.types.is_decimal128(kind)
            and 0 <= kind.scale <= kind.precision
            and kind.precision + -kind.scale % 4 <= _DIGITS
        )
    if column.is_moment:
        return bool(
            pa.types.is_date(kind) if column.type == "date" else pa.types.is_timestamp(kind)
        )
    return column.type in _WRITERS and not (pa.types.is_null(kind) or pa.types.is_string(kind))
