"""Avro files as lines of JSON: COPY finds their fields by name or path, as it does JSON's."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any

from src.local_cloud.redshift.copying.copy_failures import LoadError

_INVALID = 8001  # the code of Redshift's "invalid AVRO file found"


class AvroLines(io.RawIOBase):
    """The records of an Avro file, each a line of JSON in UTF-8."""

    def __init__(self, content: IO[bytes], uri: str) -> None:
        self._lines = _lines(content, uri)
        self._left = b""

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as io.RawIOBase requires."""
        self._left = self._left or next(self._lines, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def _lines(content: IO[bytes], uri: str) -> Iterator[bytes]:
    import fastavro  # only for who loads Avro

    try:
        for record in fastavro.reader(content):
            if not isinstance(record, dict):
                raise LoadError("the Avro file's schema is no record", _INVALID, uri)
            yield json.dumps(record, default=_text).encode() + b"\n"
    except LoadError:
        raise
    # A damaged file raises what the place of the damage raises.
    except Exception as error:
        raise LoadError(f"Invalid AVRO file found. {error}", _INVALID, uri) from error


def _text(value: Any) -> str:
    """Return a value that JSON does not have as COPY reads it from text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, (date, time, Decimal)):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__}")
