"""Reads delimited text and CSV record by record, where PostgreSQL's own parser does not serve."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.encodings import (
    bad_sequence,
    decoded,
    is_text,
    replaced,
    shown,
)
from src.local_cloud.redshift.copying.field_rules import TargetColumn
from src.local_cloud.redshift.copying.lines import LONGEST, read_lines
from src.local_cloud.redshift.copying.quotes import CsvReader

RAW_BYTES = 1024  # what the system tables keep of a line


@dataclass(frozen=True)
class Complaint:
    """Why a record cannot be loaded, and where in it; `field` counts from 0."""

    code: int
    reason: str
    field: int | None = None
    position: int = 0
    value: str = ""


NO_DATA = Complaint(1211, "Input line had no data")
EXTRA = Complaint(1202, "Extra column(s) found")
FEWER = Complaint(1203, "Delimiter not found")


@dataclass
class Record:
    """One record: its first line, its fields (None is NULL), and why it is refused, if so."""

    line: int
    fields: list[str | None]
    raw: str
    complaint: Complaint | None = None
    was_replaced: bool = False

    @property
    def size(self) -> int:
        """Return the characters of the fields."""
        return sum(len(value) for value in self.fields if value)


@dataclass(frozen=True)
class _Row:
    """A record as it was split."""

    line: int
    fields: list[str]
    raw: str
    is_clean: bool = True
    complaint: Complaint | None = None


def read_records(
    stream: IO[bytes], command: CopyCommand, columns: list[TargetColumn]
) -> Iterator[Record]:
    """Yield the records of a file, its header passed over."""
    is_csv = command.format == "csv"
    lines = read_lines(stream, universal=is_csv)  # a lone CR ends no record of delimited text
    for _ in itertools.islice(lines, command.ignore_header):
        pass
    first = command.ignore_header + 1
    rows = _csv_rows(lines, command, first) if is_csv else _text_rows(lines, command, first)
    for row in rows:
        if row.raw != "" or not command.ignore_blank_lines:
            yield _judged(row, command, columns)


def _judged(row: _Row, command: CopyCommand, columns: list[TargetColumn]) -> Record:
    width = len(columns)
    record = Record(row.line, list(row.fields), shown(row.raw[:RAW_BYTES]), row.complaint)
    if row.complaint is not None:
        return record
    if row.raw == "" and width > 1:
        record.complaint = NO_DATA
        return record
    if command.fill_record:
        record.fields += [""] * (width - len(record.fields))
    if len(record.fields) != width:
        record.complaint = EXTRA if len(record.fields) > width else FEWER
        record.fields = []
        return record
    for index, value in enumerate(record.fields):
        if value == command.null_as:
            record.fields[index] = None
        elif value is not None and (command.replacement or not row.is_clean):
            _check_characters(record, index, value, command, columns[index])
    return record


def _check_characters(
    record: Record, index: int, value: str, command: CopyCommand, column: TargetColumn
) -> None:
    if "\0" in value:  # the row's complaint, but where NULL AS '\0' makes it a word
        reason = "Invalid null byte - field longer than 1 byte"
        record.complaint = record.complaint or Complaint(1218, reason, index, 0, shown(value))
    elif command.replacement and column.is_text and not column.is_single_byte:
        fixed = replaced(value, command.replacement)
        record.was_replaced |= fixed != value
        record.fields[index] = fixed
    elif not is_text(value) and record.complaint is None:
        sequence, number = bad_sequence(value)
        if column.is_single_byte:
            code, reason = 1215, column.no_multibyte(sequence)
        else:
            code, reason = 1220, (
                "String contains invalid or unsupported UTF-8 codepoints. "
                f"Bad UTF-8 hex sequence: {sequence} (error {number})"
            )  # fmt: skip
        record.complaint = Complaint(code, reason, index, 0, shown(value))


# -- lines into fields -----------------------------------------------------------------------


def _split(number: int, line: bytes, command: CopyCommand, fields: Any) -> _Row:
    """Return the row of one record; `fields` splits its text."""
    if len(line) > LONGEST:
        return _ended_early(number, line[:LONGEST])
    has_nul = b"\0" in line
    if has_nul and command.null_as != "\0":
        return _ended_early(number, line[: line.index(b"\0")])
    text, is_clean = decoded(line)
    found = fields(text)
    if isinstance(found, Complaint):
        return _Row(number, [], text, is_clean, found)
    return _Row(number, found, text, is_clean and not has_nul)


def _ended_early(number: int, line: bytes) -> _Row:
    """Refuse a record that ends where no line does: at a NUL, or at the longest a row can be."""
    last = line[-1] if line else 0
    at = max(len(line) - 1, 0)
    reason = f"Missing newline: Unexpected character 0x{last:02x} found at location {at}"
    return _Row(number, [], decoded(line[:RAW_BYTES])[0], complaint=Complaint(1216, reason))


def _csv_rows(lines: Iterator[bytes], command: CopyCommand, first: int) -> Iterator[_Row]:
    reader = CsvReader(command.delimiter, command.quote)

    def fields(text: str) -> list[str] | Complaint:
        found = reader.fields(text)
        if isinstance(found, list):
            return found
        return Complaint(
            1214, "Invalid quote formatting for CSV", found.field, found.position, shown(found.read)
        )

    for number, record in reader.records(lines, first):
        yield _split(number, record, command, fields)


def _text_rows(lines: Iterable[bytes], command: CopyCommand, first: int) -> Iterator[_Row]:
    """Yield rows of delimited text; with ESCAPE a backslash keeps what follows, a line end too."""
    held: list[bytes] = []
    size, start = 0, first

    def fields(text: str) -> list[str] | Complaint:
        return _fields(text, command)

    for number, part in enumerate(lines, first):
        start = start if held else number
        body = part.removesuffix(b"\n")
        if body.endswith(b"\r") and not (command.escape and _ends_escaped(body[:-1])):
            body = body[:-1]
        if command.escape and part.endswith(b"\n") and _ends_escaped(body) and size <= LONGEST:
            held.append(part)
            size += len(part)
            continue
        yield _split(start, b"".join([*held, body]), command, fields)
        held, size = [], 0
    if held:
        yield _split(start, b"".join(held), command, fields)


def _ends_escaped(body: bytes) -> bool:
    return (len(body) - len(body.rstrip(b"\\"))) % 2 == 1


def _fields(body: str, command: CopyCommand) -> list[str] | Complaint:
    if command.widths:
        return list(_columns_of(body, command.widths))
    if not (command.escape or command.remove_quotes):
        return body.split(command.delimiter)
    return _unquoted(body, command)


def _unquoted(body: str, command: CopyCommand) -> list[str] | Complaint:
    """Split a line; quotes are removed around a field only, and protect delimiters inside."""
    fields: list[str] = []
    field: list[str] = []
    word = command.null_as if command.escape else ""
    quote, start, position = "", 0, 0
    while position < len(body):
        character = body[position]
        is_start = position == start
        if word and not field and (is_start or quote) and body.startswith(word, position):
            field.append(word)
            position += len(word) - 1
        elif command.escape and character == "\\":
            position += 1
            field.append(body[position] if position < len(body) else "\\")
        elif quote:
            behind = position + 1
            if character == quote and (
                behind == len(body) or body.startswith(command.delimiter, behind)
            ):
                quote = ""
            else:
                field.append(character)
        elif command.remove_quotes and character in "'\"" and is_start:
            quote = character
        elif body.startswith(command.delimiter, position):
            fields.append("".join(field))
            field = []
            position += len(command.delimiter) - 1
            start = position + 1
        else:
            field.append(character)
        position += 1
    if quote:
        reason = "Delimited value missing end quote"
        return Complaint(1214, reason, len(fields), 0, shown("".join(field)))
    return [*fields, "".join(field)]


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
