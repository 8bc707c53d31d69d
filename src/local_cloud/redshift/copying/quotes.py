"""CSV as COPY reads it: strict about quotes, and in memory that a stray quote cannot fill."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from src.local_cloud.redshift.copying.lines import LONGEST


@dataclass(frozen=True)
class BadQuote:
    """Where a quote stands that is neither around a field nor doubled, and what was read of it."""

    field: int
    position: int
    read: str
    is_open: bool = False  # the record ended inside quotes


class CsvReader:
    """Splits lines into records, and records into fields."""

    def __init__(self, delimiter: str, quote: str) -> None:
        self._delimiter, self._quote = delimiter, quote
        self._quote_bytes = quote.encode()
        d, q = re.escape(delimiter), re.escape(quote)
        blanks = "".join({" ", "\t"} - {delimiter, quote})
        blank = f"[{blanks}]*+" if blanks else ""
        inside = f"(?:(?!{q}).)*+(?:{q}{q}(?:(?!{q}).)*+)*+"
        if len(quote) == 1:
            inside = f"[^{q}]*+(?:{q}{q}[^{q}]*+)*+"
        plain = f"[^{d}{q}]*+" if len(delimiter + quote) == 2 else f"(?:(?!{d}|{q}).)*+"
        end = f"(?={d}|\\Z)"
        self._field = re.compile(f"{blank}{q}({inside}){q}{blank}{end}|({plain}){end}", re.DOTALL)
        self._opened = re.compile(f"{blank}{q}({inside})", re.DOTALL)
        self._unquoted = re.compile(plain, re.DOTALL)

    def fields(self, text: str) -> list[str] | BadQuote:
        """Return the fields of a record; blanks around a quoted field are no part of it."""
        if self._quote not in text:
            return text.split(self._delimiter)
        found: list[str] = []
        position = 0
        while field := self._field.match(text, position):
            quoted = field[1]
            value = field[2] if quoted is None else quoted
            found.append(value if quoted is None else value.replace(self._quote * 2, self._quote))
            if field.end() == len(text):
                return found
            position = field.end() + len(self._delimiter)
        return self._complaint(text, position, len(found))

    def _complaint(self, text: str, start: int, field: int) -> BadQuote:
        opened = self._opened.match(text, start)
        if opened is None:
            plain = self._unquoted.match(text, start)
            read = plain[0] if plain else ""
            return BadQuote(field, len(read), read)
        read = opened[1].replace(self._quote * 2, self._quote)
        return BadQuote(field, opened.end() - start, read, opened.end() == len(text))

    def records(self, lines: Iterator[bytes], first: int) -> Iterator[tuple[int, bytes]]:
        """Yield each record with the number of its first line, without its end of line.

        A record whose quotes are wrong is its first line; the next record begins at the next line.
        """
        ahead: deque[bytes] = deque()  # lines that turned out to be no part of a record
        number = first
        while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
            # Quotes are open behind an odd number of them only.
            is_odd = line.count(self._quote_bytes) % 2 == 1
            if not is_odd or len(line) > LONGEST or not self._is_open(line):
                yield number, _body(line)
                number += 1
                continue
            record = self._continued(line, lines, ahead)
            rest, count = record[len(line) :], 1
            if self._is_bad(record):
                yield number, _body(line)
                ahead.extendleft(reversed(rest.splitlines(keepends=True)))
            else:
                yield number, _body(record)
                count += len(rest.splitlines())
            number += count

    def _continued(self, line: bytes, lines: Iterator[bytes], ahead: deque[bytes]) -> bytes:
        """Return the record that begins with a line: up to where its quotes are even."""
        parts, size = [line], len(line)
        is_odd = True
        while is_odd and size <= LONGEST:
            following = ahead.popleft() if ahead else next(lines, None)
            if following is None:
                break
            parts.append(following)
            size += len(following)
            is_odd ^= following.count(self._quote_bytes) % 2 == 1
        return b"".join(parts)

    def _is_open(self, line: bytes) -> bool:
        found = self.fields(_body(line).decode(errors="surrogateescape"))
        return isinstance(found, BadQuote) and found.is_open

    def _is_bad(self, record: bytes) -> bool:
        if len(record) > LONGEST:
            return True
        return isinstance(self.fields(_body(record).decode(errors="surrogateescape")), BadQuote)


def _body(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")
