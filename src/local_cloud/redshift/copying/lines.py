"""The lines and blocks of a file, in memory that does not grow with what the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

LONGEST = 4 << 20  # bytes of one row: Redshift's limit
BLOCK_BYTES = 1 << 20
NO_QUOTE = b"\x02"  # where delimited text has no quotes, PostgreSQL's parser still wants one
_CHUNK = 1 << 18


@dataclass(frozen=True)
class LeftOver:
    """Records of a file that the fast way left, and the number each of their lines has there."""

    body: bytes
    lines: list[int]


class NotPlainError(Exception):
    """Something in a file needs Redshift's own rules."""


def require(condition: object) -> None:
    """Leave the file to the slower way unless the condition holds."""
    if not condition:
        raise NotPlainError


def read_lines(stream: IO[bytes], *, universal: bool) -> Iterator[bytes]:
    """Yield lines with their ends: LF, and if `universal` also CR and CR LF.

    A line of more than LONGEST bytes comes as its first LONGEST + 1.
    """
    held, is_skipping = b"", False
    while chunk := stream.read(_CHUNK):
        lines = (held + chunk).splitlines(keepends=True) if universal else _split(held + chunk)
        # A CR at the end may be half of a CR LF.
        held = b"" if lines[-1].endswith(b"\n") else lines.pop()
        for line in lines:
            if is_skipping:
                is_skipping = False
                continue
            yield line[: LONGEST + 1]
        if is_skipping:  # keep what decides how the line ends
            held = held[-1:]
        elif len(held) > LONGEST + 1:
            yield held[: LONGEST + 1]
            held, is_skipping = held[-1:], True
    if held and not is_skipping:
        yield held


def _split(text: bytes) -> list[bytes]:
    *ended, rest = text.split(b"\n")
    lines = [line + b"\n" for line in ended]
    return [*lines, rest] if rest else lines


def read_blocks(stream: IO[bytes], quote: bytes) -> Iterator[bytes]:
    """Yield a stream in blocks of whole records; an end of line inside quotes ends none."""
    held = b""
    while chunk := stream.read(BLOCK_BYTES):
        held += chunk
        require(len(held) <= LONGEST)  # so no record in it is longer
        end = _last_end(held, quote)
        if end:
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def _last_end(body: bytes, quote: bytes) -> int:
    """Return the place behind the last end of line that has an even number of quotes before it."""
    end = len(body)
    before = body.count(quote) if quote else 0
    while (at := body.rfind(b"\n", 0, end)) >= 0:
        before -= body.count(quote, at, end) if quote else 0
        if before % 2 == 0:
            return at + 1
        end = at
    return 0


def skip_lines(stream: IO[bytes], count: int) -> None:
    """Read past the first lines, which must end in LF."""
    while count > 0 and (part := stream.readline(_CHUNK)):
        require(b"\r" not in part.removesuffix(b"\n").removesuffix(b"\r"))
        count -= part.endswith(b"\n")


def ends_alike(body: bytes) -> bool:
    """Tell whether every line ends in LF, or every line in CR LF."""
    carriages = body.count(b"\r")
    return carriages == 0 or carriages == body.count(b"\n") == body.count(b"\r\n")
