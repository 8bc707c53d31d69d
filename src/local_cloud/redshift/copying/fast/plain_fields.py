"""Which fields are written in a way that PostgreSQL and Redshift read alike."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.field_rules import TargetColumn

Numbers = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_DIGITS = b"0123456789"
_CHARACTERS = {
    "smallint": _DIGITS + b"-", "integer": _DIGITS + b"-", "bigint": _DIGITS + b"-",
    "numeric": _DIGITS + b"-.", "real": _DIGITS + b"-.eE", "double precision": _DIGITS + b"-.eE",
    "date": _DIGITS + b"-", "timestamp without time zone": _DIGITS + b"-.: ",
    "timestamp with time zone": _DIGITS + b"-.: ",
}  # fmt: skip
_LENGTHS = {"date": (10,)}  # YYYY-MM-DD; the others may have a time, and a fraction of a second
_MOMENT_LENGTHS = (10, 19, 21, 22, 23, 24, 25, 26)
ARROW = {
    "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "real": pa.float32(),
    "double precision": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us"),
}  # fmt: skip
_FIRST_MOMENT = np.datetime64("0001-01-01")
SMALLEST_FLOAT = {"real": 1.2e-38, "double precision": 2.3e-308}  # below it, bits are lost


@cache
def _truths() -> pa.Array:
    return pa.array(["t", "f", "true", "false", "1", "0"])  # imports pandas: not at the start


def empty_is_null(command: CopyCommand) -> bool:
    """Tell whether an empty text is NULL."""
    return command.empty_as_null or command.null_as == ""


def plain_fields(values: pa.Array, column: TargetColumn, command: CopyCommand) -> Mask | None:
    """Return which texts of a column are plain, or None where all of them are."""
    lengths, content = _lengths_and_content(values)
    if column.is_text:
        return _plain_texts(lengths, content, column, command)
    if len(lengths) == 0 or lengths.min() > 0:
        return plain_values(values, column)
    present = lengths > 0
    plain = np.full(len(lengths), not column.not_null)
    found = plain_values(values.filter(pa.array(present)), column)
    plain[present] = True if found is None else found
    return _unless_all(plain)


def _plain_texts(
    lengths: Numbers, content: Bytes, column: TargetColumn, command: CopyCommand
) -> Mask | None:
    plain = np.ones(len(lengths), bool)
    if column.max_bytes is not None:
        plain &= lengths <= column.max_bytes
    if column.is_single_byte and len(content) and content.max() >= 128:
        plain[_owners(content >= 128, lengths)] = False
    if column.not_null and empty_is_null(command):
        plain &= lengths > 0
    return _unless_all(plain)


def plain_values(values: pa.Array, column: TargetColumn) -> Mask | None:
    """Return which texts are values of a type in the form that leaves nothing to interpret."""
    if column.type == "boolean":
        return _unless_all(_mask(pc.is_in(values, _truths())))
    lengths, content = _lengths_and_content(values)
    plain = np.ones(len(lengths), bool)
    allowed = _allowed(column.type)[content]
    if not allowed.all():
        plain[_owners(~allowed, lengths)] = False
    if column.is_moment:
        plain &= np.isin(lengths, _LENGTHS.get(column.type, _MOMENT_LENGTHS))
    if plain.all():
        return _castable(values, column)
    found = _castable(values.filter(pa.array(plain)), column)
    if found is not None:
        plain[plain] = found
    return plain


def _castable(values: pa.Array, column: TargetColumn) -> Mask | None:
    """Return which texts Arrow can read; a text that it cannot is looked for by halves."""
    kind = ARROW.get(column.type) or pa.decimal128(column.precision, column.scale)
    try:
        typed = pc.cast(values, kind)
    except pa.ArrowException:
        if len(values) == 1:
            return np.zeros(1, bool)
        middle = len(values) // 2
        halves = (values[:middle], values[middle:])
        found = [(half, _castable(half, column)) for half in halves]
        return np.concatenate([np.ones(len(h), bool) if f is None else f for h, f in found])
    if column.is_moment:
        return _unless_all(typed.to_numpy(zero_copy_only=False) >= _FIRST_MOMENT)
    return plain_floats(typed, column) if column.type in SMALLEST_FLOAT else None


def plain_floats(typed: pa.Array, column: TargetColumn) -> Mask | None:
    """Return which numbers PostgreSQL stores as Arrow read them, or None where all are such."""
    sizes = np.abs(typed.to_numpy(zero_copy_only=False))
    large_enough = (sizes == 0) | (sizes >= SMALLEST_FLOAT[column.type])
    return _unless_all(np.isfinite(sizes) & large_enough)


def _lengths_and_content(values: pa.Array) -> tuple[Numbers, Bytes]:
    """Return the byte lengths of a string array, and its bytes."""
    _, offsets_buffer, content_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[values.offset :][: len(values) + 1]
    content = np.frombuffer(content_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    return np.diff(offsets), content


def _owners(marked: Mask, lengths: Numbers) -> npt.NDArray[np.int64]:
    """Return the texts that the marked bytes belong to."""
    return np.searchsorted(np.cumsum(lengths), np.flatnonzero(marked), side="right")


def _mask(values: pa.Array) -> Mask:
    return np.from_dlpack(values.cast(pa.uint8())).view(bool)


def _unless_all(plain: Mask) -> Mask | None:
    return None if plain.all() else plain


@cache
def _allowed(kind: str) -> Mask:
    table = np.zeros(256, bool)
    table[np.frombuffer(_CHARACTERS[kind], np.uint8)] = True
    return table
