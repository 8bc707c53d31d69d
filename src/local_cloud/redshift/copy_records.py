"""Reads delimited text record by record, where PostgreSQL's own parser does not serve."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from src.local_cloud.redshift.copy_command import CopyCommand

Complaint = tuple[int, str]
NO_DATA: Complaint = (1211, "Input line had no data")
EXTRA: Complaint = (1202, "Extra column(s) found")
FEWER: Complaint = (1203, "Delimiter not found")
BAD_TEXT: Complaint = (1220, "String contains invalid or unsupported UTF-8 codepoints.")


@dataclass
class Record:
    """One record: its line, its fields (None is NULL), and why it cannot be loaded, if so."""

    line: int
    fields: list[str | None]
    raw: str
    complaint: Complaint | None = None
    was_replaced: bool = False


def needs_records(command: CopyCommand) -> bool:
    """Tell whether an option asks for what PostgreSQL's parser cannot do."""
    return bool(
        command.escape or command.remove_quotes or command.fill_record or command.null_as == "\0"
        or command.ignore_blank_lines or command.replacement or command.widths
        or len(command.delimiter.encode()) > 1
    )  # fmt: skip


def read_records(stream: IO[bytes], command: CopyCommand, width: int) -> Iterator[Record]:
    """Yield the records of a file, its header passed over; `width` is the table's columns."""
    ends = "" if command.format == "csv" else "\n"  # a lone CR ends no record of delimited text
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline=ends)
    rows = _csv_rows(text, command) if command.format == "csv" else _text_rows(text, command)
    for line, found, raw in rows:
        if line <= command.ignore_header:
            continue
        if raw == "" and command.ignore_blank_lines:
            continue
        yield _judged(Record(line, list(found), raw), command, width)


def _judged(record: Record, command: CopyCommand, width: int) -> Record:
    if record.raw == "" and width > 1:
        record.complaint = NO_DATA
        return record
    if command.fill_record:
        record.fields += [""] * (width - len(record.fields))
    if len(record.fields) != width:
        record.complaint = EXTRA if len(record.fields) > width else FEWER
    for index, value in enumerate(record.fields):
        if value is None or value == command.null_as:
            record.fields[index] = None
        elif "\x00" in value or any("\udc80" <= c <= "\udcff" for c in value):
            if command.replacement is None:
                record.complaint = record.complaint or BAD_TEXT
            else:  # as many bytes as were wrong
                record.fields[index] = "".join(
                    command.replacement if c == "\x00" or "\udc80" <= c <= "\udcff" else c
                    for c in value
                )
                record.was_replaced = True
    record.raw = record.raw.encode("utf-8", "replace").decode().replace("\x00", ".")
    return record


def _csv_rows(text: Iterable[str], command: CopyCommand) -> Iterator[tuple[int, list[str], str]]:
    reader = csv.reader(text, delimiter=command.delimiter, quotechar=command.quote)
    for row in reader:
        yield reader.line_num, row, command.delimiter.join(row)


def _text_rows(text: Iterable[str], command: CopyCommand) -> Iterator[tuple[int, list[str], str]]:
    """Yield rows of delimited text; with ESCAPE a backslash keeps what follows, a line end too."""
    number, held = 0, ""
    for part in text:
        number += 1
        line = held + part
        ended = line.endswith("\n")
        body = line.removesuffix("\n")
        if body.endswith("\r") and not (command.escape and _ends_escaped(body[:-1])):
            body = body[:-1]
        if command.escape and ended and _ends_escaped(body):
            held = line
            continue
        held = ""
        yield number, list(_fields(body, command)), body
    if held:
        yield number, list(_fields(held, command)), held


def _ends_escaped(body: str) -> bool:
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _fields(body: str, command: CopyCommand) -> Iterator[str]:
    """Split a line; quotes are removed around a field only, and protect delimiters inside."""
    if command.widths:
        yield from _columns_of(body, command.widths)
        return
    if not (command.escape or command.remove_quotes):
        yield from body.split(command.delimiter)
        return
    field: list[str] = []
    quote, position = "", 0
    while position < len(body):
        character = body[position]
        is_null_word = command.escape and body.startswith(command.null_as, position)
        if command.escape and character == "\\" and not (is_null_word and not field):
            position += 1
            field.append(body[position] if position < len(body) else "\\")
        elif quote:
            if character == quote:
                quote = ""
            else:
                field.append(character)
        elif command.remove_quotes and character in "'\"" and not field:
            quote = character
        elif body.startswith(command.delimiter, position):
            yield "".join(field)
            field = []
            position += len(command.delimiter) - 1
        elif is_null_word and not field:
            field.append(command.null_as)
            position += len(command.null_as) - 1
        else:
            field.append(character)
        position += 1
    yield "".join(field)


def _columns_of(body: str, widths: tuple[int, ...]) -> Iterator[str]:
    """Cut a line at its columns; the blanks that fill a column are no part of its value."""
    start = 0
    for width in widths:
        if start < len(body):
            yield body[start : start + width].rstrip(" ")
        start += width
    if len(body) > start:
        yield body[start:]  # more than the columns hold: the row has one field too many


def as_copy_lines(records: Iterable[list[Any]]) -> io.StringIO:
    """Return rows as CSV in which NULL is nothing and everything else is quoted."""
    buffer = io.StringIO()
    for row in records:
        buffer.write(
            ",".join("" if v is None else '"' + str(v).replace('"', '""') + '"' for v in row) + "\n"
        )
    buffer.seek(0)
    return buffer
