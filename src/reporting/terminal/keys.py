"""What a presenter presses: whole keys of a terminal, named for what they do."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_KEYS = {
    " ": "next", "\r": "next", "\n": "next", "n": "next", "\x1b[C": "next", "\x1bOC": "next",
    "\x1b[6~": "next",  # page down, as remote controls for slides send it
    "b": "back", "\x7f": "back", "\x1b[D": "back", "\x1bOD": "back", "\x1b[5~": "back",
    "o": "open", "s": "record", "?": "help", "h": "help", "q": "stop",
    **{str(number): str(number) for number in range(1, 10)},
}  # fmt: skip
_REST_S = 0.05  # the bytes of one key follow each other at once
_SPLIT_S = 0.5  # of one that has begun as a sequence, also over a slow network


def key_name(sequence: str) -> str:
    """Return what a key does; empty for one that does nothing."""
    return _KEYS.get(sequence, "")


@contextmanager
def keyboard(descriptor: int) -> Iterator[Callable[[], str]]:
    """Take keys one by one from a terminal; gives a function that waits for the next one.

    What was pressed before is thrown away: it is no answer to what is shown now.
    """
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda: key_name(read_sequence(descriptor))
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def read_sequence(descriptor: int) -> str:
    """Return the characters of one key, an escape sequence whole; of an ended input, Enter."""
    first = os.read(descriptor, 1)
    if not first:
        return "\n"
    if first != b"\x1b":
        return (first + _rest_of_character(descriptor, first[0])).decode(errors="replace")
    found = first + _ready(descriptor, _REST_S)
    if found == b"\x1bO":
        found += _ready(descriptor, _SPLIT_S)
    while found[1:2] == b"[" and not _is_whole(found):
        more = _ready(descriptor, _SPLIT_S)
        if not more:
            break
        found += more
    return found.decode(errors="replace")


def _is_whole(found: bytes) -> bool:
    return len(found) > 2 and 0x40 <= found[-1] <= 0x7E


def _rest_of_character(descriptor: int, first: int) -> bytes:
    following = (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
    return b"".join(_ready(descriptor, _REST_S) for _ in range(following))


def _ready(descriptor: int, seconds: float) -> bytes:
    """Return the next byte, if it comes soon."""
    ready, _, _ = select.select([descriptor], [], [], seconds)
    return os.read(descriptor, 1) if ready else b""
