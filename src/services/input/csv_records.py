"""The user's CSV files: a header line, commas, double quotes; text columns by name."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from src.errors import InputDataError
from src.services.input.input_columns import Block, positions
from src.services.input.input_errors import broken_line, quoted, refused, shown, shown_all
from src.services.input.text_records import MAX_LINE_BYTES, open_text, sample_of

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class CsvFile:
    """One CSV file; its columns are what its header line names."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, required: Sequence[str]) -> tuple[str, ...]:
        """Return the columns' names as written; raises InputDataError where one is lacking."""
        with open_text(self._path) as stream:
            names, line = self._header(_reader(stream))
        own = positions(names, self._path, line)
        lacking = [name for name in required if name not in own]
        if lacking:
            raise self._lacking(lacking, names)
        return tuple(names)

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Block]:
        """Yield the records, `rows` at a time, each as one array of text for every column."""
        with open_text(self._path) as stream:
            reader = _reader(stream)
            names, line = self._header(reader)
            own = positions(names, self._path, line)
            places = [own.get(name) for name in columns]
            lines: list[int] = []
            records = self._records(reader, names, lines)
            while batch := list(itertools.islice(records, rows)):
                fields = list(zip(*batch, strict=True))
                self._refuse_nul(fields, lines, names)
                yield Block(
                    len(batch),
                    [None if place is None else _texts(fields[place]) for place in places],
                )
                lines.clear()

    def _header(self, reader: Any) -> tuple[list[str], int]:
        """Return the header's names and its line: the first that is not blank, nor `sep=,`."""
        try:
            for fields in reader:
                if not "".join(fields).strip() and len(fields) <= 1:
                    continue
                if reader.line_num == 1 and len(fields) <= 2 and fields[0].lower() == "sep=":
                    continue  # how a spreadsheet marks that fields are separated by commas
                return [name.strip() for name in fields], reader.line_num
        except csv.Error as error:
            raise self._broken(reader, 1, error) from error
        raise refused(
            self._path,
            "is empty",
            "it has no line, not even a header",
            "write the header line if the table has no rows, or put _ in front of its name",
        )

    def _records(self, reader: Any, names: list[str], lines: list[int]) -> Iterator[list[str]]:
        """Yield the fields of each record, and keep the line on which it begins."""
        width, first = len(names), reader.line_num + 1
        try:
            for fields in reader:
                if len(fields) != width:
                    if fields:  # an empty line is no record
                        raise self._ragged(first, reader.line_num, len(fields), width)
                else:
                    lines.append(first)
                    yield fields
                first = reader.line_num + 1
        except csv.Error as error:
            raise self._broken(reader, first, error) from error

    def _refuse_nul(
        self, fields: list[tuple[str, ...]], lines: list[int], names: list[str]
    ) -> None:
        for name, column in zip(names, fields, strict=True):
            if "\x00" in "".join(column):
                row = next(i for i, text in enumerate(column) if "\x00" in text)
                cause = f"a NUL character in column {shown(name)}"
                raise broken_line(self._path, lines[row], cause)

    def _ragged(self, first: int, last: int, found: int, expected: int) -> InputDataError:
        cause = f"{found} fields where the header names {expected}"
        if last > first:
            cause += f"; the record continues to line {last}: a quote is not closed before"
        return broken_line(self._path, first, cause)

    def _broken(self, reader: Any, first: int, error: csv.Error) -> InputDataError:
        """Return the error for the record that begins in line `first`."""
        line, cause = first, str(error)
        opened = _open_quote(self._path, first, reader.line_num)
        if "field larger" in cause:
            cause = f"a field of more than {MAX_LINE_BYTES:,} characters"
        elif "unexpected end" in cause:
            cause = "the file ends inside quotes"
        elif "expected after" in cause:
            cause = f"text behind a closing quote in line {reader.line_num}"
        if opened is not None:
            line = opened
            cause += "; the quote that opens in this line is not closed where a field ends"
        return broken_line(self._path, line, cause)

    def _lacking(self, lacking: list[str], names: list[str]) -> InputDataError:
        """Return the error for columns that a header does not name, and how that may be."""
        file, own = quoted(self._path), f"its columns are {shown_all(names)}"
        message = f"has no column {', '.join(lacking)}"
        for number, text in enumerate(sample_of(self._path), 1):
            for separator, word in _SEPARATORS.items():
                parts = [part.strip().lower() for part in text.split(separator)]
                if lacking[0] in parts:
                    convert = (
                        "import csv,sys; csv.writer(sys.stdout).writerows("
                        f"csv.reader(sys.stdin, delimiter={separator!r}))"
                    )
                    new = quoted(self._path.with_name("_" + self._path.name))
                    return refused(
                        self._path,
                        message,
                        f"its fields are separated by {word}, not by commas",
                        f'python -c "{convert}" < {file} > {new} && mv {new} {file}',
                        line=number,
                    )
            if number > 1 and lacking[0] in [
                part.strip(' \r\n"').lower() for part in text.split(",")
            ]:
                return refused(
                    self._path,
                    message,
                    f"the header seems to be line {number}; {own}",
                    f"remove the lines before it: sed -i 1,{number - 1}d {file}",
                )
        return refused(
            self._path,
            message,
            own,
            "the first line must name the columns: docs/reference/data_dictionary.md lists them",
        )


def _reader(stream: IO[str]) -> Any:
    csv.field_size_limit(MAX_LINE_BYTES)
    return csv.reader(stream, strict=True)


def _texts(column: tuple[str, ...]) -> pa.Array:
    """Return one column; as CSV has it, an empty field is an absent value."""
    texts = pa.array(column, pa.string())
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _open_quote(path: Path, first: int, last: int) -> int | None:
    """Return the line where the last quoted field of the record in these lines opens."""
    opened, inside, may_open, may_go_on = None, False, True, False
    with open_text(path) as stream:
        for number, line in enumerate(itertools.islice(stream, first - 1, last), first):
            for char in line:
                if char == '"' and (inside or may_open or may_go_on):
                    if may_open:
                        opened = number
                    inside = not inside
                may_go_on = char == '"' and not inside  # a second quote stands for one
                may_open = char in ",\r\n" and not inside
    return opened
