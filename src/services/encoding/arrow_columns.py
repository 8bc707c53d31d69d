"""Arrow columns from numpy's arrays and back, over the same memory.

`pa.array` and `to_numpy` import pandas, half a second in every process; nothing here does.
Raw types by column kind: key int64, text string, integer int64, decimal decimal128(p, 2),
timestamp string "YYYY-MM-DD HH:MM:SS" (as a source system writes it).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from src.services.arrays import Array, Ints

_DAY_S = 86_400
_FIRST_DAY = int(np.datetime64("2000-01-01", "D").astype(np.int64))
_LAST_DAY = int(np.datetime64("2050-01-01", "D").astype(np.int64))
# "YYYY-MM-DD HH:MM:SS": words, because numpy copies them several times as fast as bytes; the
# first two share a byte.
_STAMP = np.dtype(
    {
        "names": ["year_month_", "_day_", "time"],
        "formats": ["<u8", "<u4", "<u8"],
        "offsets": [0, 7, 11],
        "itemsize": 19,
    }
)


def integers(values: Ints) -> pa.Array:
    """Return int64 values."""
    values = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def floats(values: Array) -> pa.Array:
    """Return float64 values."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)])


def flags(values: Array) -> pa.Array:
    """Return booleans."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """Return strings; None is null."""
    encoded = [(value or "").encode() for value in values]
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=ends[1:])
    present = np.packbits(np.array([v is not None for v in values], bool), bitorder="little")
    buffers = [pa.py_buffer(present), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def categories(codes: Array, names: Sequence[str]) -> pa.Array:
    """Return strings as indices (int16) into their names; a code below 0 is null."""
    codes = np.ascontiguousarray(codes, dtype=np.int16)
    nulls = codes < 0
    distinct = list(dict.fromkeys(names))  # Parquet's writer goes wrong where a name is twice
    if len(distinct) < len(names):
        codes = np.array([distinct.index(name) for name in names], np.int16)[codes]
    present = pa.py_buffer(np.packbits(~nulls, bitorder="little")) if nulls.any() else None
    indices = pa.Array.from_buffers(pa.int16(), len(codes), [present, pa.py_buffer(codes)])
    return pa.DictionaryArray.from_arrays(indices, texts(distinct))


def decimals(cents: Ints, precision: int) -> pa.Array:
    """Wrap integer cents as decimal128(precision, 2) without a float in between."""
    words = np.empty((len(cents), 2), dtype=np.int64)
    words[:, 0], words[:, 1] = cents, cents >> 63
    buffers = [None, pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.decimal128(precision, 2), len(cents), buffers)


def values_of(array: pa.Array) -> Array:
    """Return numbers as numpy has them; what stands at a null is undefined."""
    values = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]


def absent(array: pa.Array) -> Array:
    """Return where an array is null."""
    if not array.null_count:
        return np.zeros(len(array), bool)
    bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
    return np.equal(bits[array.offset : array.offset + len(array)], 0)


def cents_of(array: pa.Array) -> Any:
    """Return decimal128(p, 2) values as integer cents, or None where 64 bits do not hold one.

    What stands at a null is undefined.
    """
    words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)
    words = words[array.offset : array.offset + len(array)]
    cents, high = words[:, 0], words[:, 1]
    fits = cents >> 63 == high
    if array.null_count:
        fits |= absent(array)
    return cents if fits.all() else None


def timestamps(seconds: Ints) -> pa.Array:
    """Return seconds since 1970 as text; the years are 2000 to 2049."""
    days = (seconds.astype(np.uint32) // _DAY_S).astype(np.int64)
    first, second = _days()
    stamps = np.empty(len(seconds), _STAMP)
    stamps["time"] = _times()[seconds - days * _DAY_S]
    days -= _FIRST_DAY
    stamps["year_month_"] = first[days]
    stamps["_day_"] = second[days]
    ends = np.arange(0, (len(seconds) + 1) * _STAMP.itemsize, _STAMP.itemsize, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(stamps)]
    return pa.Array.from_buffers(pa.string(), len(seconds), buffers)


def latest(stamps: pa.Array) -> str:
    """Return the latest of the texts that `timestamps` makes."""
    values = np.frombuffer(stamps.buffers()[2], _STAMP)[stamps.offset :][: len(stamps)]
    for word in _STAMP.names or ():  # as big-endian numbers, words sort as texts do
        sortable = values[word].byteswap()
        values = values[sortable == sortable.max()]
    return str(values[0].tobytes(), "ascii")


@cache
def _days() -> tuple[Array, Array]:
    days = np.datetime_as_string(np.arange(_FIRST_DAY, _LAST_DAY).astype("datetime64[D]"))
    text = np.char.add(days, " ").astype("S11").view(np.uint8).reshape(-1, 11)
    return text[:, :8].copy().view("<u8")[:, 0], text[:, 7:].copy().view("<u4")[:, 0]


@cache
def _times() -> Array:
    digits = np.array([f"{i:02d}" for i in range(60)], "S2").view(np.uint8).reshape(-1, 2)
    second = np.arange(_DAY_S)
    text = np.full((_DAY_S, 8), ord(":"), np.uint8)
    text[:, :2] = digits[second // 3600]
    text[:, 3:5] = digits[second // 60 % 60]
    text[:, 6:] = digits[second % 60]
    return text.view("<u8")[:, 0]


def plain(table: pa.Table) -> pa.Table:
    """Return the table with its categories as ordinary strings."""
    fields = [
        pa.field(f.name, pa.string()) if pa.types.is_dictionary(f.type) else f for f in table.schema
    ]
    return table.cast(pa.schema(fields))
