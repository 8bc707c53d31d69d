"""The user's JSON files: objects one a line, over several lines, or in one array.

Numbers stay text: a price must not pass through binary floating point.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from src.errors import InputDataError
from src.json_object import JsonObject, first_repeated
from src.services.input.input_columns import Block, positions, twice
from src.services.input.input_errors import broken_line, refused, shown, shown_all
from src.services.input.text_records import MAX_LINE_BYTES, open_text

_CHUNK = 1 << 20
_BLANKS = re.compile(r"[ \t\r\n]*")
_MOST_LAYOUTS = 1_000

Record = JsonObject


class Number(str):
    """A number as the file writes it: it stays text, and inside other values it is no string."""

    __slots__ = ()


class JsonFile:
    """One JSON file; its columns are the keys of all its records."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, required: Sequence[str]) -> tuple[str, ...]:
        """Return every key; raises InputDataError where one is in no record at all."""
        seen: dict[str, None] = {}
        known: set[tuple[str, ...]] = set()
        for line, record in _records(self._path):
            keys = tuple(record)
            if keys not in known:
                positions(keys, self._path, line)
                seen.update(dict.fromkeys(keys))
                if len(known) < _MOST_LAYOUTS:
                    known.add(keys)
        own = {key.strip().lower() for key in seen}
        lacking = [name for name in required if name not in own]
        if lacking and seen:  # a file without records has no columns to lack
            cause = f"its columns are {shown_all(list(seen))}"
            raise refused(self._path, f"has no column {', '.join(lacking)}", cause)
        return tuple(seen)

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Block]:
        """Yield the records, `rows` at a time, each as one array of text for every column."""
        layouts: dict[tuple[str, ...], list[str | None]] = {}

        def fields(line: int, record: Record) -> list[Any]:
            keys = tuple(record)
            layout = layouts.get(keys)
            if layout is None:
                own = positions(keys, self._path, line)
                layout = [keys[own[name]] if name in own else None for name in columns]
                if len(layouts) < _MOST_LAYOUTS:
                    layouts[keys] = layout
            return [None if key is None else record[key] for key in layout]

        records = (fields(line, record) for line, record in _records(self._path))
        while batch := list(itertools.islice(records, rows)):
            yield Block(len(batch), [_texts(column) for column in zip(*batch, strict=True)])

    def peek(self) -> None:
        """Read one record; raises InputDataError where that is not possible."""
        next(_records(self._path), None)


class _TwiceError(ValueError):
    """A key comes twice in one object."""


def _object(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise _TwiceError(first_repeated(key for key, _ in pairs))
    return record


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number
)


def _records(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield (line, record); of a record over several lines, the line it begins on."""
    with open_text(path) as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            try:
                record = _DECODER.decode(line)
            except json.JSONDecodeError:
                record = None
            except (_TwiceError, RecursionError) as error:
                raise _broken(path, number, error) from error
            if isinstance(record, dict):
                if "\\u" in line:
                    _check_characters(path, number, record)
                yield number, record
            elif not line.isspace():  # it may continue in further lines, or be an array
                yield from _Objects(path, stream, line, number).records()
                return


class _Objects:
    """Cuts objects out of text that does not hold one a line; reads no more than it needs."""

    def __init__(self, path: Path, stream: IO[str], text: str, line: int) -> None:
        self._path, self._stream, self._text, self._line = path, stream, text, line
        self._at = 0

    def records(self) -> Iterator[tuple[int, Record]]:
        """Yield (line, record) of objects in arrays or one after the other."""
        in_array, may_follow = False, True  # a record may follow: after [ and , or in no array
        while char := self._next():
            if char == "{" and may_follow:
                line = self._line
                yield line, self._object()
                may_follow = not in_array
            elif char == "," and in_array and not may_follow:
                self._at, may_follow = self._at + 1, True
            elif char == "[" and not in_array:
                self._at, in_array, may_follow = self._at + 1, True, True
            elif char == "]" and in_array:
                self._at, in_array, may_follow = self._at + 1, False, True
            else:
                found = shown(self._text[self._at : self._at + 20].split("\n")[0])
                where = "a comma or ]" if in_array and not may_follow else "an object"
                raise broken_line(self._path, self._line, f"{found} where {where} was expected")
        if in_array:
            raise broken_line(self._path, self._line, "the file ends inside an array")

    def _next(self) -> str:
        """Go to the next character that is no blank; '' at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            end = blanks.end() if blanks else self._at
            self._line += self._text.count("\n", self._at, end)
            self._at = end
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _more(self) -> bool:
        more = self._stream.read(_CHUNK)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)

    def _object(self) -> Record:
        record: Record
        while True:
            try:
                record, end = _DECODER.raw_decode(self._text, self._at)
                break
            except json.JSONDecodeError as error:
                if len(self._text) - self._at > MAX_LINE_BYTES:
                    cause = f"a record, or a line, of more than {MAX_LINE_BYTES:,} characters"
                    raise broken_line(self._path, self._line, cause) from error
                if not self._more():
                    raise self._unreadable(error) from error
            except (_TwiceError, RecursionError) as error:
                raise _broken(self._path, self._line, error) from error
        if self._text.find("\\u", self._at, end) >= 0:
            _check_characters(self._path, self._line, record)
        self._line += self._text.count("\n", self._at, end)
        self._at = end
        return record

    def _unreadable(self, error: json.JSONDecodeError) -> InputDataError:
        line = self._line + self._text.count("\n", self._at, error.pos)
        place = "" if line == self._line else f" in line {line}"
        cause = f"{error.msg}{place}, in the record that begins here"
        return broken_line(self._path, self._line, cause)


def _broken(path: Path, line: int, error: Exception) -> Exception:
    if isinstance(error, _TwiceError):
        return twice(path, str(error), line, f"{shown(error)} and {shown(error)}")
    return broken_line(path, line, str(error) or "nested too deeply")


def _check_characters(path: Path, line: int, record: Record) -> None:
    """Refuse what JSON can write and no text of a database can hold."""
    text = json.dumps(record, ensure_ascii=False)
    cause = ""
    if "\\u0000" in text:  # which JSON has escaped again
        cause = "a NUL character"
    else:
        try:
            text.encode()
        except UnicodeEncodeError:
            cause = "half of a surrogate pair"
    if cause:
        column = _column_with(record, cause)
        raise broken_line(path, line, f"{cause} in column {shown(column)}")


def _column_with(record: Record, cause: str) -> str:
    """Return the first column whose own text holds what was found in the record."""
    for name, value in record.items():
        try:
            text = json.dumps({name: value}, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:
            return name
        if cause.startswith("a NUL") and "\\u0000" in text:
            return name
    return "?"


def _texts(column: Iterable[Any]) -> pa.Array:
    values = list(column)
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # values that are no text
        return pa.array([json_text(value) for value in values], pa.string())


def json_text(value: Any) -> str | None:
    """Return a value as text: what is no text, as JSON writes it, numbers with all their digits."""
    if value is None or isinstance(value, str):
        return value
    pieces: list[str] = []
    ahead = [value]  # no recursion: a file may nest as deeply as the parser reads
    while ahead:
        item = ahead.pop()
        if isinstance(item, _Mark | Number):
            pieces.append(item)
        elif isinstance(item, dict):
            ahead.append(_Mark("}"))
            entries = [
                (_Mark(json.dumps(key, ensure_ascii=False) + ": "), item[key]) for key in item
            ]
            ahead += _reversed_with_commas(entries)
            pieces.append("{")
        elif isinstance(item, list):
            ahead.append(_Mark("]"))
            ahead += _reversed_with_commas([(entry,) for entry in item])
            pieces.append("[")
        else:
            pieces.append(json.dumps(item, ensure_ascii=False))
    return "".join(pieces)


class _Mark(str):
    """A piece of JSON between values."""

    __slots__ = ()


def _reversed_with_commas(entries: Iterable[tuple[Any, ...]]) -> list[Any]:
    pieces: list[Any] = []
    for entry in entries:
        pieces += [*([_Mark(", ")] if pieces else []), *entry]
    return pieces[::-1]
