"""Rows as the Data API returns them: typed fields, AWS's column descriptions, pages, CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2.extensions import new_type, register_type

from src.json_object import JsonObject

PAGE_BYTES = 1_000_000
MAX_ROW, MAX_RESULT = 64 * 1024, 500 * 1024 * 1024  # bytes
# What is no number, truth value or binary keeps the text that the server sent.
_TEXT_TYPES = (114, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 3802)
_AS_TEXT = new_type(_TEXT_TYPES, "DATA_API_TEXT", psycopg2.STRING)
_UNSIGNED = frozenset(["bool", "varchar", "bpchar", "text", "date", "timestamp", "timestamptz",
                       "time", "timetz", "name", "char", "super", "bytea"])  # fmt: skip
_LIKE_TEXT = frozenset(["varchar", "bpchar", "text", "name", "char"])

Field = JsonObject


class ResultTooLargeError(Exception):
    """A result that the Data API does not return; its statement has failed."""


@dataclass
class Result:
    """What one statement returned."""

    columns: list[JsonObject] = field(default_factory=list)
    records: list[list[Field]] = field(default_factory=list)
    size: int = 0  # bytes

    def page(self, start: int) -> tuple[list[list[Field]], int | None]:
        """Return the records from one on, as many as a page holds, and where the next begins."""
        size, end = 0, start
        while end < len(self.records) and (size < PAGE_BYTES or end == start):
            size += sum(map(_size, self.records[end]))
            end += 1
        return self.records[start:end], end if end < len(self.records) else None


def read_texts(connection: Any) -> None:
    """Let a connection return dates, numbers of fixed places and the like as the server's text."""
    register_type(_AS_TEXT, connection)


def result_of(cursor: Any, names: dict[int, str]) -> Result:
    """Return the rows of a statement; `names` are the types' names by their number."""
    result = Result([_column(column, names) for column in cursor.description])
    for row in cursor:
        record = [_field(value) for value in row]
        size = sum(map(_size, record))
        result.size += size
        if size > MAX_ROW:
            raise ResultTooLargeError(f"Packet for query is too large ({size} > {MAX_ROW}).")
        if result.size > MAX_RESULT:
            raise ResultTooLargeError("Query result size exceeds the limit of 500 MB.")
        result.records.append(record)
    return result


def csv_records(columns: list[JsonObject], records: list[list[Field]], start: int) -> str:
    """Return a page as CSV; the first has the columns' names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if start == 0:
        writer.writerow([column["name"] for column in columns])
    for record in records:
        writer.writerow(["" if "isNull" in f else _csv_text(f) for f in record])
    return text.getvalue()


def _csv_text(field: Field) -> str:
    (value,) = field.values()
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.hex() if isinstance(value, bytes) else str(value)


def _column(column: Any, names: dict[int, str]) -> JsonObject:
    kind = names.get(column.type_code, "varchar")
    length = column.internal_size if column.internal_size and column.internal_size > 0 else 0
    is_text = kind in _LIKE_TEXT
    return {
        "name": column.name, "label": column.name,
        "typeName": "varchar" if kind == "text" else kind,
        "length": length,
        "precision": length if is_text else _places(column.precision),
        "scale": _places(column.scale),
        "nullable": 1, "columnDefault": "", "schemaName": "", "tableName": "",
        "isCaseSensitive": is_text, "isCurrency": False, "isSigned": kind not in _UNSIGNED,
    }  # fmt: skip


def _field(value: Any) -> Field:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, memoryview):
        return {"blobValue": bytes(value)}
    return {"stringValue": str(value)}


def _size(field: Field) -> int:
    (value,) = field.values()
    return len(value.encode()) if isinstance(value, str) else 8


def _places(number: int | None) -> int:
    """Return a DECIMAL's precision or scale; where none is stated, psycopg2 gives 65535."""
    return number if number and number <= 38 else 0
