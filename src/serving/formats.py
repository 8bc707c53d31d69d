"""Concerts as JSON, JSON Lines and CSV, and their predictions: one meaning in each format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias

from src.arguments import nearest
from src.domain.text_values import ABSENT, SPACES
from src.errors import UsageError
from src.json_object import JsonObject, JsonView, first_repeated

Kind = Literal["json", "jsonl", "csv"]
Shape = Literal["one", "list", "instances"]
Record: TypeAlias = "dict[str, str | None]"
MEDIA_TYPES: dict[str, Kind] = {
    "application/json": "json",
    "application/jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    "text/csv": "csv",
}
_SHOWN = 60


class UnusableInputError(UsageError):
    """A body or file holds no concert, or one that cannot be predicted, with its place."""

    def __init__(
        self, message: str, *, field: str | None = None, number: int | None = None,
        unit: str = "line", hint: str | None = None,
    ) -> None:  # fmt: skip
        where = [f"{unit} {number}"] if number is not None else []
        where += [f"field {field}"] if field else []
        super().__init__(message, where=", ".join(where) or None, hint=hint)
        self.field, self.number, self.unit = field, number, unit

    def answer(self) -> JsonObject:
        """Return what a client of the server gets: short, and without the body."""
        found = {"error": self.message, "field": self.field, self.unit: self.number,
                 "try": self.hint}  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Concerts:
    """The records of a body: texts by field, where each is, and how answers are to be wrapped."""

    records: list[Record]
    numbers: Sequence[int]  # the line of each record, in JSON its number
    unit: str = "line"
    shape: Shape = "list"


def read(body: bytes, kind: Kind, fields: Sequence[str]) -> Concerts:
    """Return the concerts of a body; raises UnusableInputError with line and field.

    Every number is kept as the text that it was written as, so that the three formats are read
    by the same rules. `fields` are the names that a record may have.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise UnusableInputError("the text is not UTF-8", number=line) from error
    if not text.strip():
        raise UnusableInputError("there is no concert in it", hint=f"fields: {', '.join(fields)}")
    return {"json": _json, "jsonl": _lines, "csv": _csv}[kind](text, _Fields(fields))


def checked(
    found: JsonView, fields: Sequence[str], number: int = 1, unit: str = "record"
) -> Record:
    """Return one record's values as texts, None where absent."""
    return _Fields(fields).record(dict(found), number, unit)


class _Fields:
    """What a record may hold."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.known = names, frozenset(names)

    def record(self, found: Any, number: int, unit: str) -> Record:
        """Return a record's values as texts, None where absent."""
        if not isinstance(found, dict):
            raise UnusableInputError(
                f"{_shown(found)} is no concert", number=number, unit=unit,
                hint='write each concert as an object: {"capacity": 800, ...}',
            )  # fmt: skip
        record: Record = {}
        for name, value in found.items():
            if name not in self.known:
                self.refuse(name, number, unit)
            if isinstance(value, str):
                text = value.strip(SPACES)
                record[name] = None if text in ABSENT else text
            elif value is None:
                record[name] = None
            else:
                raise UnusableInputError(
                    f"{name} is {_shown(value)}; it must be a number or a text",
                    field=name, number=number, unit=unit, hint=f"give {name} as one value",
                )  # fmt: skip
        return record

    def refuse(self, name: str, number: int | None, unit: str) -> NoReturn:
        """Raise the error of an unknown name, with the one that it is like."""
        near = nearest(name, self.names)
        raise UnusableInputError(
            f"there is no field {name!r:.{_SHOWN}}", field=f"{name:.{_SHOWN}}", number=number,
            unit=unit, hint=f"did you mean {near}?" if near else f"fields: {', '.join(self.names)}",
        )  # fmt: skip


def _json(text: str, fields: _Fields) -> Concerts:
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(error, getattr(error, "lineno", None)) from error
    shape: Shape = "one"
    if isinstance(found, dict) and set(found) == {"instances"}:
        found, shape = found["instances"], "instances"
    elif isinstance(found, list):
        shape = "list"
    if shape == "one":
        return Concerts([fields.record(found, 1, "record")], (1,), "record", shape)
    if not isinstance(found, list):
        raise UnusableInputError(
            "instances is no list", field="instances", hint='{"instances": [{...}, {...}]}'
        )
    records = [fields.record(one, number, "record") for number, one in enumerate(found, 1)]
    return Concerts(records, range(1, len(records) + 1), "record", shape)


def _lines(text: str, fields: _Fields) -> Concerts:
    records = []
    for number, line in enumerate(text.rstrip(" \t\r\n").split("\n"), 1):
        if not line.strip():
            raise UnusableInputError(
                "the line is blank", number=number, hint="write one concert a line"
            )
        try:
            found = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise _no_json(error, number) from error
        records.append(fields.record(found, number, "line"))
    return Concerts(records, range(1, len(records) + 1))


def _csv(text: str, fields: _Fields) -> Concerts:
    rows = _rows(text)
    header, _ = next(rows)
    names = [name.strip(SPACES) for name in header]
    if not fields.known.intersection(names):
        raise _no_header(text, fields)
    for name in names:
        if name not in fields.known:
            fields.refuse(name, 1, "line")
        if names.count(name) > 1:
            raise UnusableInputError(f"{name} is there twice", field=name, number=1)
    records, numbers = [], []
    for row, line in rows:
        if len(row) != len(names):
            raise UnusableInputError(
                f"{len(row)} values where the header names {len(names)} fields", number=line,
                hint="quote a value that has a comma in it",
            )  # fmt: skip
        records.append(fields.record(dict(zip(names, row, strict=True)), line, "line"))
        numbers.append(line)
    if not records:
        raise UnusableInputError("there is no concert in it, only a header", number=1)
    return Concerts(records, numbers)


def _no_header(text: str, fields: _Fields) -> UnusableInputError:
    """Return the error of a first line that names no field: of another separator, or no header."""
    first = text.partition("\n")[0]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if any(part.strip(SPACES) in fields.known for part in first.split(separator)):
            return UnusableInputError(f"the values are separated by {name}", number=1,
                                      hint="write commas between the values")  # fmt: skip
    return UnusableInputError(
        "the first line is no header", number=1,
        hint=f"begin with a line of names, such as: {','.join(fields.names)}",
    )  # fmt: skip


def _rows(text: str) -> Iterator[tuple[list[str], int]]:
    """Yield each row and the line on which it begins."""
    reader = csv.reader(io.StringIO(text.rstrip(" \t\r\n"), newline=""), strict=True)
    first = 1
    try:
        for row in reader:
            yield row, first
            first = reader.line_num + 1
    except csv.Error as error:
        raise UnusableInputError(f"the line is no CSV: {error}", number=first) from error


def _no_json(error: Exception, number: int | None) -> UnusableInputError:
    text = getattr(error, "msg", None) or str(error)
    if isinstance(error, RecursionError):
        text = "values inside values, too many"
    place = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    return UnusableInputError(f"it is no JSON: {text[:_SHOWN]}{place}", number=number)


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = first_repeated(name for name, _ in pairs)
        raise ValueError(f"{twice!r:.{_SHOWN}} is there twice")
    return found


@dataclass(frozen=True)
class _Constant:
    """NaN or Infinity, which are no values: refused where the field is known."""

    text: str


_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_Constant, object_pairs_hook=_object
)


def _shown(value: Any) -> str:
    """Return what kind of value it is; the value itself may be long."""
    if isinstance(value, _Constant):
        return value.text
    kinds: dict[type, str] = {bool: str(value).lower(), list: "a list", dict: "an object"}
    return kinds.get(type(value), f"{value!r:.{_SHOWN}}")


def write(answers: Sequence[JsonView], kind: Kind, shape: Shape = "list") -> bytes:
    """Return the answers as bytes: one line each, or wrapped as the concerts were."""
    if kind == "csv":
        return _as_csv(answers).encode("utf-8", "backslashreplace")
    texts = map(_dumps, answers)
    if kind == "jsonl":
        return "".join(f"{text}\n" for text in texts).encode()
    return _wrapped(texts, shape).encode()


def _wrapped(texts: Iterable[str], shape: Shape) -> str:
    if shape == "one":
        return next(iter(texts))
    listed = f"[{','.join(texts)}]"
    return f'{{"predictions":{listed}}}' if shape == "instances" else listed


def _as_csv(answers: Sequence[JsonView]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answers[0] if answers else ())
    for answer in answers:
        writer.writerow(
            "; ".join(value) if isinstance(value, list | tuple) else value
            for value in answer.values()
        )
    return out.getvalue()


_dumps: Callable[[JsonView], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
