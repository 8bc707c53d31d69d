"""JSON Lines of a block, made as one matrix of bytes: a row is a record, a field some columns.

Every value is written at the width that the longest needs, with a filler that no text holds;
at the end all fillers are dropped at once. Several times as fast as joining strings by row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from src.services.arrays import Array
from src.services.encoding.arrow_columns import absent, cents_of, values_of

_FILLER = 1  # JSON has it escaped: it is in no valid output
_WIDEST_TEXT = 64  # bytes; blocks with longer ones are left to the encoder that joins strings
_LARGEST = 10**16
_ROWS_AT_ONCE = 8_192  # a matrix that fits the processor's cache
_NULL = np.frombuffer(b"null", np.uint8)


@dataclass(frozen=True)
class _Field:
    """A column of values: how wide they are, what surrounds them, and how some are written.

    `write(out, rows)` fills the whole matrix `out` with the values of a slice of rows.
    """

    width: int
    write: Callable[[Array, slice], None]
    quote: bytes = b""


def encode_rows(table: pa.Table) -> list[bytearray] | None:
    """Return one JSON object a line, in pieces, or None where a column is of another kind.

    Columns are int64, decimal128(p, 2), dictionary-encoded strings, or strings without characters
    to escape; any may be null.
    """
    pieces: list[bytearray] = []
    for batch in table.to_batches():
        fields = [_field(column) for column in batch.columns]
        if any(field is None for field in fields):
            return None
        pieces += _encode(batch, [field for field in fields if field is not None])
    return pieces


def _encode(batch: pa.RecordBatch, fields: list[_Field]) -> list[bytearray]:
    template = bytearray()
    starts: list[int] = []
    for name, field in zip(batch.schema.names, fields, strict=True):
        template += (("," if starts else "{") + json.dumps(name) + ":").encode() + field.quote
        starts.append(len(template))
        template += bytes([_FILLER]) * field.width + field.quote
    template += b"}\n"
    pieces: list[bytearray] = []
    memory = bytearray()
    for first in range(0, batch.num_rows, _ROWS_AT_ONCE):
        rows = slice(first, min(first + _ROWS_AT_ONCE, batch.num_rows))
        size = (rows.stop - rows.start) * len(template)
        if len(memory) != size:
            memory = template * (rows.stop - rows.start)
        out = np.frombuffer(memory, np.uint8).reshape(-1, len(template))
        for start, field in zip(starts, fields, strict=True):
            field.write(out[:, start : start + field.width], rows)
        pieces.append(memory.translate(None, bytes([_FILLER])))
    return pieces


def _field(array: pa.Array) -> _Field | None:
    if pa.types.is_int64(array.type):
        field = _integers(_without_nulls(values_of(array), array))
    elif pa.types.is_decimal128(array.type) and array.type.scale == 2:
        field = _money(array)
    elif pa.types.is_dictionary(array.type):
        field = _categories(array)
    elif pa.types.is_string(array.type):
        field = _texts(array)
    else:
        return None
    return _with_nulls(field, array) if field is not None and array.null_count else field


def _with_nulls(field: _Field, array: pa.Array) -> _Field:
    nulls = absent(array)
    quote = len(field.quote)
    inside = slice(quote, quote + field.width)

    def write(out: Array, rows: slice) -> None:
        out[:] = _FILLER
        field.write(out[:, inside], rows)
        if quote:
            out[:, 0] = out[:, inside.stop] = field.quote[0]
        out[nulls[rows]] = _FILLER
        out[nulls[rows], : len(_NULL)] = _NULL

    return _Field(max(field.width + 2 * quote, len(_NULL)), write)


def _without_nulls(values: Array, array: pa.Array) -> Array:
    return np.where(absent(array), 0, values) if array.null_count else values


def _put(out: Array, at: int, values: Array) -> None:
    """Write one value of any fixed size a row, all of its bytes at once."""
    size = values.dtype.itemsize
    out[:, at : at + size].view(values.dtype)[:, 0] = values


# -- numbers ---------------------------------------------------------------------------------


def _integers(numbers: Array) -> _Field | None:
    low, high = int(numbers.min()), int(numbers.max())
    if low <= -_LARGEST or high >= _LARGEST:
        return None
    digits, signed = len(str(max(high, -low))), int(low < 0)

    def write(out: Array, rows: slice) -> None:
        mine = numbers[rows]
        _put_digits(out, signed, _sign(out, mine) if signed else mine, digits)

    return _Field(signed + _digits_width(digits), write)


def _money(array: pa.Array) -> _Field | None:
    cents = cents_of(array)
    if cents is None:
        return None
    cents = _without_nulls(cents, array)
    low, high = int(cents.min()), int(cents.max())
    if low <= -_LARGEST or high >= _LARGEST:
        return None
    digits, signed = len(str(max(high, -low) // 100)), int(low < 0)
    point = signed + _digits_width(digits)

    def write(out: Array, rows: slice) -> None:
        mine = cents[rows]
        sizes = _smallest(_sign(out, mine) if signed else mine, digits + 2)
        whole = sizes // 100
        _put_digits(out, signed, whole, digits)
        out[:, point] = ord(".")
        _put(out, point + 1, _digits(2, "zeros")[sizes - whole * 100])

    return _Field(point + 3, write)


def _sign(out: Array, numbers: Array) -> Array:
    """Write the sign of each number; returns the numbers without."""
    out[:, 0] = np.where(numbers < 0, ord("-"), _FILLER)
    return np.abs(numbers)


def _smallest(numbers: Array, digits: int) -> Array:
    """Return the numbers as a type that is faster to divide, if they fit it."""
    return numbers.astype(np.uint32) if digits < 10 else numbers


def _digits_width(digits: int) -> int:
    """Return the bytes that `_put_digits` fills: 1, 2 or 4 and four for each further four."""
    lead = (digits - 1) % 4 + 1
    return digits - lead + (4 if lead == 3 else lead)


def _put_digits(out: Array, at: int, numbers: Array, digits: int) -> None:
    """Write numbers that are not negative, without zeros at their left, four digits at a time."""
    rest = _smallest(numbers, digits)
    end = at + _digits_width(digits)
    last = True
    while digits > 4:
        more = rest // 10_000
        part = rest - more * 10_000
        end, digits = end - 4, digits - 4
        alone = more == 0  # nothing but zeros comes before: these are fillers too
        if alone.any():
            part += alone * part.dtype.type(10_000)
        _put(out, end, _digits(4, "last" if last else "either")[part])
        rest, last = more, False
    _put(out, at, _digits(end - at, "number" if last else "first")[rest])


@cache
def _digits(width: int, kind: str) -> Array:
    """Return the texts of 0, 1, 2 ... of `width` digits, each as one integer.

    "zeros": with zeros at the left; "number": with fillers instead; "first": the same, and 0 is
    all fillers; "last" and "either": "zeros", then, for numbers that nothing comes before,
    "number" or "first".
    """
    count = 10**width
    zeros = [b"%0*d" % (width, i) for i in range(count)]
    number = [(b"%d" % i).rjust(width, bytes([_FILLER])) for i in range(count)]
    first = [bytes([_FILLER]) * width, *number[1:]]
    texts = {"zeros": zeros, "number": number, "first": first,
             "last": zeros + number, "either": zeros + first}[kind]  # fmt: skip
    return np.frombuffer(b"".join(texts), {1: "u1", 2: "u2", 4: "u4"}[width])


# -- texts -----------------------------------------------------------------------------------


def _texts(array: pa.Array) -> _Field | None:
    _, offsets, buffer = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(ends)
    width = int(lengths.max())
    content = memoryview(buffer or b"")[ends[0] : ends[-1]].tobytes()
    if width > _WIDEST_TEXT or _must_be_escaped(content):
        return None
    if not width:
        return _Field(0, lambda out, rows: None, b'"')
    if int(lengths.min()) == width:
        words = _words(np.frombuffer(content, np.uint8).reshape(-1, width))
        return _Field(width, lambda out, rows: _put_words(out, words, rows), b'"')
    starts = ends[:-1] - ends[0]
    padded = np.frombuffer(content + bytes(width), np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    place = np.arange(width)

    def write(out: Array, rows: slice) -> None:
        inside = place < lengths[rows, None]
        out[:] = np.where(inside, windows[starts[rows]], np.uint8(_FILLER))

    return _Field(width, write, b'"')


def _categories(array: pa.DictionaryArray) -> _Field | None:
    """Write texts of few kinds: each distinct one is padded once."""
    texts = [json.dumps(t, ensure_ascii=False).encode() for t in array.dictionary.to_pylist()]
    if not texts:
        return _Field(0, lambda out, rows: None)
    width = max(map(len, texts))
    if width > _WIDEST_TEXT:
        return None
    padded = b"".join(text.ljust(width, bytes([_FILLER])) for text in texts)
    table = np.frombuffer(padded, np.uint8).reshape(len(texts), width)
    words = [(at, word.copy()) for at, word in _words(table)]
    codes = _without_nulls(values_of(array.indices), array)
    return _Field(width, lambda out, rows: _put_words(out, words, codes[rows]))


def _words(texts: Array) -> list[tuple[int, Array]]:
    """Cut a matrix of bytes into columns of words, which numpy copies faster: (place, words).

    The last one reaches back over the one before, where the width is no multiple.
    """
    width = texts.shape[1]
    size = next(size for size in (8, 4, 2, 1) if size <= width)
    places = sorted({*range(0, width - size + 1, size), width - size})
    return [(at, texts[:, at : at + size].view(f"<u{size}")[:, 0]) for at in places]


def _put_words(out: Array, words: list[tuple[int, Array]], rows: Array | slice) -> None:
    for at, word in words:
        _put(out, at, word[rows])


def _must_be_escaped(content: bytes) -> bool:
    special = b'"' in content or b"\\" in content
    return special or (bool(content) and int(np.frombuffer(content, np.uint8).min()) < 32)
