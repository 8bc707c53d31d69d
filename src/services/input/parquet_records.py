"""The user's Parquet files: every column as the text that CSV or JSON would hold, and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from src.errors import InputDataError
from src.services.input.input_columns import Block, positions
from src.services.input.input_errors import refused, shown, shown_all

_INDEX = re.compile(r"index (\d+)")
_NO_EXPONENT_SCALES = range(7)  # Arrow writes smaller decimals with an exponent
_WORDS = {float("inf"): "Infinity", float("-inf"): "-Infinity"}


class ParquetFile:
    """One Parquet file; its columns are what its schema names."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, required: Sequence[str]) -> tuple[str, ...]:
        """Return the columns' names; raises InputDataError where one is lacking."""
        with self._open() as file:
            names = tuple(file.schema_arrow.names)
        own = positions(names, self._path)
        lacking = [name for name in required if name not in own]
        if lacking:
            cause = f"its columns are {shown_all(names) or 'none'}"
            raise refused(self._path, f"has no column {', '.join(lacking)}", cause)
        return names

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Block]:
        """Yield the records, `rows` at a time, each as one array of text for every column."""
        with self._open() as file:
            names = file.schema_arrow.names
            own = positions(names, self._path)
            wanted = [names[own[name]] for name in columns if name in own]
            first = 1
            for batch in file.iter_batches(rows, columns=wanted):
                arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
                texts = {name: self._text(name, arrays[name], first) for name in wanted}
                yield Block(
                    batch.num_rows,
                    [texts[names[own[name]]] if name in own else None for name in columns],
                )
                first += batch.num_rows

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import pyarrow.parquet as pq

        is_open = False
        try:
            with pq.ParquetFile(self._path) as file:
                file.schema_arrow.names  # noqa: B018 - a name that is no UTF-8 fails here
                is_open = True
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise refused(
                self._path,
                "cannot be read to its end" if is_open else "is not a Parquet file",
                (str(error).splitlines() or [type(error).__name__])[0],
                "copy the file again, or write it again where it was made",
            ) from error

    def _text(self, name: str, array: pa.Array, first: int) -> pa.Array:
        """Return a column as checked text; `first` is the number of its first row."""
        try:
            if kinds.is_dictionary(array.type):
                array = array.dictionary_decode()
            texts = _as_text(array)
            texts.validate(full=True)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise self._unusable(name, array, first, str(error)) from error
        has_nul = pc.match_substring(texts, "\x00")
        if pc.any(has_nul).as_py():
            row = first + pc.index(has_nul, True).as_py()
            raise self._bad(name, row, "a NUL character")
        return texts

    def _unusable(self, name: str, array: pa.Array, first: int, cause: str) -> InputDataError:
        """Return the error for the first value of a column that gives no text."""
        for place in range(len(array)):
            try:
                _as_text(array.slice(place, 1)).validate(full=True)
            except (pa.ArrowInvalid, UnicodeDecodeError):
                return self._bad(name, first + place, "bytes that are not UTF-8 text")
        return self._bad(name, first, cause.splitlines()[0])

    def _bad(self, name: str, row: int, cause: str) -> InputDataError:
        return refused(
            self._path,
            f"row {row} cannot be read",
            f"{cause} in column {shown(name)}",
            "correct that value where the file was made, and write the file again",
        )


def _as_text(array: pa.Array) -> pa.Array:
    """Return any array as strings; nulls stay null."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    if kinds.is_string(kind):
        return array
    if kinds.is_floating(kind):
        return _floats(array)
    if kinds.is_decimal(kind) and kind.scale not in _NO_EXPONENT_SCALES:
        return pa.array(
            [None if v is None else format(v, "f") for v in array.to_pylist()], pa.string()
        )
    if kinds.is_timestamp(kind) or kinds.is_time(kind):
        return _times(array)
    if kinds.is_nested(kind) or kinds.is_duration(kind) or kinds.is_interval(kind):
        return pa.array([_other(value) for value in array.to_pylist()], pa.string())
    if kinds.is_fixed_size_binary(kind):
        array = array.cast(pa.binary())
    return array.cast(pa.string())


def _floats(array: pa.Array) -> pa.Array:
    """Return floats in the fewest digits that give the same number back: 7.0, 20.5, NaN."""
    numbers = array.to_numpy(zero_copy_only=False)
    nulls = np.asarray(array.is_null(nan_is_null=False))
    if numbers.dtype == np.float64:
        texts = list(map(repr, numbers.tolist()))
    else:
        texts = [str(number) for number in numbers]
    for place in np.flatnonzero(~np.isfinite(numbers)):
        number = float(numbers[place])
        texts[place] = _WORDS.get(number, "NaN")
    return pa.array(texts, pa.string(), mask=nulls)


def _times(array: pa.Array) -> pa.Array:
    """Return times with as many digits as they need; with a time zone, as UTC."""
    kind = array.type
    is_zoned = kinds.is_timestamp(kind) and kind.tz is not None
    if is_zoned:  # the file holds UTC, the zone is a remark
        array = array.cast(pa.int64()).cast(pa.timestamp(kind.unit))
    texts = pc.replace_substring_regex(array.cast(pa.string()), r"\.0+$", "")
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})000$", r"\1")
    texts = pc.replace_substring_regex(texts, r"(\.\d{3})$", r"\1000")
    return pc.binary_join_element_wise(texts, "+00:00", "") if is_zoned else texts


def _other(value: Any) -> str | None:
    """Return a nested value as JSON."""
    return None if value is None else json.dumps(value, default=str, ensure_ascii=False)
