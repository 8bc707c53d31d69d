"""What is wrong with bytes that are no UTF-8, in COPY's words; what ACCEPTINVCHARS replaces.

The numbers are those of AWS's page "Multibyte character load errors". Code points that are valid
UTF-8 and no characters (U+FDD0 and the like) load, but for ACCEPTINVCHARS, which replaces them.
"""

from __future__ import annotations

import re

_TOO_LONG, _CUT_OFF, _NO_START, _NO_TRAIL, _SURROGATE, _BEYOND, _NO_POINT = 1, 2, 3, 4, 5, 8, 9
_INVALID = re.compile(
    "[\x00\udc80-\udcff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)


def decoded(body: bytes) -> tuple[str, bool]:
    """Return text in which wrong bytes are surrogates, and whether there are none."""
    try:
        return body.decode(), True
    except UnicodeDecodeError:
        return body.decode(errors="surrogateescape"), False


def is_text(value: str) -> bool:
    """Tell whether a field holds no byte that could not be decoded."""
    return not any("\udc80" <= character <= "\udcff" for character in value)


def bad_sequence(value: str) -> tuple[str, int]:
    """Return the first wrong bytes of a field in hex, and AWS's number of the error."""
    body = value.encode(errors="surrogateescape")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        number, size = _error(body[error.start :], error.end - error.start)
        return body[error.start :][:size].hex(" "), number
    raise ValueError("the field is UTF-8")


def _error(rest: bytes, size: int) -> tuple[int, int]:
    """Return the number of an error, and how many bytes belong to it."""
    first = rest[0]
    if 0x80 <= first < 0xC0 or first >= 0xFE:
        return _NO_START, 1
    length = next(n for n, below in enumerate((0xE0, 0xF0, 0xF8, 0xFC, 0xFE), 2) if first < below)
    present = 1
    while present < min(length, len(rest)) and 0x80 <= rest[present] < 0xC0:
        present += 1
    if length > 4:
        return _TOO_LONG, present
    if present < length:
        return (_CUT_OFF if present == len(rest) else _NO_TRAIL), max(size, present)
    if first == 0xED:
        return _SURROGATE, present
    return (_BEYOND if first >= 0xF4 else _NO_POINT), present


def replaced(value: str, replacement: str) -> str:
    """Return a field with as many replacements as there were bytes of invalid characters."""
    return _INVALID.sub(lambda found: replacement * _bytes(found[0]), value)


def _bytes(character: str) -> int:
    return 1 if "\udc80" <= character <= "\udcff" else len(character.encode())


def shown(text: str) -> str:
    """Return text as the system tables can hold it."""
    return text.encode("utf-8", "replace").decode().replace("\x00", ".")
