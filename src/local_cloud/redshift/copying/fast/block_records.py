"""A block of delimited text as records, of which some are taken out."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.lines import require

_Places = npt.NDArray[np.int64]
_NEWLINE = ord("\n")


class BlockRecords:
    """Where the records of a block are, worked out when the first of them is dropped."""

    def __init__(self, body: bytes, command: CopyCommand) -> None:
        self.body = body
        self._mark = command.quote.encode() if command.format == "csv" else b""
        self._delimiter = command.delimiter.encode()
        self.has_quotes = bool(self._mark) and self._mark in body
        self._kept: npt.NDArray[np.bool_] | None = None

    @cached_property
    def _content(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.body, np.uint8)

    @cached_property
    def _quotes(self) -> _Places:
        return np.flatnonzero(self._content == self._mark[0]) if self.has_quotes else _NONE

    @cached_property
    def _newlines(self) -> _Places:
        return np.flatnonzero(self._content == _NEWLINE)

    @cached_property
    def _ends(self) -> _Places:
        """Return the place behind each record: an end of line inside quotes ends none."""
        ends = self._newlines[self._outside(self._newlines)] + 1
        is_ended = ends.size and ends[-1] == len(self.body)
        return ends if is_ended else np.append(ends, len(self.body))

    def _outside(self, places: _Places) -> npt.NDArray[np.bool_]:
        before = np.searchsorted(self._quotes, places)
        return np.equal(before % 2, 0)

    @property
    def dropped(self) -> int:
        """Return how many records were taken out."""
        return len(self._dropped_numbers())

    @property
    def count(self) -> int:
        """Return how many records there are."""
        return len(self._ends)

    def drop(self, numbers: _Places) -> None:
        """Take records out by their numbers."""
        if self._kept is None:
            self._kept = np.ones(self.count, bool)
        self._kept[numbers] = False

    def kept_numbers(self) -> _Places:
        """Return the numbers of the records that are left."""
        return np.arange(self.count) if self._kept is None else np.flatnonzero(self._kept)

    def drop_at(self, places: _Places) -> None:
        """Take out the records that hold these places of the block."""
        if places.size:
            self.drop(np.searchsorted(self._ends, places, side="right"))

    def drop_with(self, mark: bytes) -> None:
        """Take out the records that hold a text."""
        if mark in self.body:
            found = (at.start() for at in re.finditer(re.escape(mark), self.body))
            self.drop_at(np.fromiter(found, np.int64))

    def drop_misquoted(self) -> None:
        """Take out records whose quotes stand elsewhere than around fields, or doubled in them.

        Raises NotPlainError where such a quote may join lines to one record, or part them.
        """
        if not self.has_quotes:
            return
        quotes, content, size = self._quotes, self._content, len(self.body)
        require(quotes.size % 2 == 0)
        opening, closing = quotes[0::2], quotes[1::2]
        ends = np.frombuffer(self._delimiter + b"\r\n" + self._mark, np.uint8)
        before = np.isin(content[opening - 1], ends[ends != ord("\r")]) | (opening == 0)
        after = np.isin(content[np.minimum(closing + 1, size - 1)], ends) | (closing + 1 == size)
        if before.all() and after.all():
            return
        require(self._outside(self._newlines).all())  # so each line is a record
        self.drop_at(np.concatenate([opening[~before], closing[~after]]))

    def drop_unparsable(self, width: int) -> None:
        """Take out the records of more or fewer fields, and those that are no UTF-8."""
        delimiters = np.flatnonzero(self._content == self._delimiter[0])
        delimiters = delimiters[self._outside(delimiters)]
        owners = np.searchsorted(self._ends, delimiters, side="right")
        fields = np.bincount(owners, minlength=self.count) + 1
        self.drop(np.flatnonzero(fields != width))
        wide = np.flatnonzero(self._content >= 128)
        for number in np.unique(np.searchsorted(self._ends, wide, side="right")).tolist():
            start, end = self._bounds(number)
            try:
                self.body[start:end].decode()
            except UnicodeDecodeError:
                self.drop(np.array([number]))

    def _dropped_numbers(self) -> list[int]:
        return [] if self._kept is None else np.flatnonzero(~self._kept).tolist()

    def _bounds(self, number: int) -> tuple[int, int]:
        return int(self._ends[number - 1]) if number else 0, int(self._ends[number])

    def kept_body(self) -> bytes:
        """Return the records that are left."""
        if self._kept is None:
            return self.body
        dropped = [self._bounds(number) for number in self._dropped_numbers()]
        ends = [(0, 0), *dropped, (len(self.body), len(self.body))]
        return b"".join(self.body[end:start] for (_, end), (start, _) in pairwise(ends))

    def dropped_lines(self, first: int) -> tuple[bytes, list[int]]:
        """Return the records that were taken out, and the number of each of their lines.

        `first` is the number of the block's first line.
        """
        parts: list[bytes] = []
        lines: list[int] = []
        for number in self._dropped_numbers():
            start, end = self._bounds(number)
            part = self.body[start:end]
            line = first + int(np.searchsorted(self._newlines, start))
            lines += range(line, line + part.count(b"\n") + (not part.endswith(b"\n")))
            parts.append(part)
        return b"".join(parts), lines


_NONE: _Places = np.array([], np.int64)
