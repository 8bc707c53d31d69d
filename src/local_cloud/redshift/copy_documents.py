"""Reads concatenated JSON documents one by one, wherever their lines end."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 1 << 20
_LONGEST = 4 << 20  # Redshift's limit of one document
_SPACE = re.compile(r"\s*")

Document = tuple[int, dict[str, Any] | None, str]


def read_documents(stream: IO[bytes]) -> Iterator[Document]:
    """Yield (last line, object or None, text) of each document; a bad one ends with its line."""
    # Numbers stay the text they were: both end as the same text field.
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    held, position, line, is_last = "", 0, 1, False  # `line` is that of the position
    while True:
        space = _SPACE.match(held, position)
        start = space.end() if space else position
        document, end = _decoded(decoder, held, start)
        # What ends where the text held ends may go on in the file.
        if not is_last and end == len(held) and len(held) - start <= _LONGEST:
            more = text.read(_CHUNK)
            held, position, is_last = held[position:] + more, 0, not more
            continue
        if start == len(held):
            return
        raw = held[start:end]
        line += held.count("\n", position, end)
        yield line, document if _is_loadable(document, raw) else None, raw
        position = end


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    """Return the document at a place and its end; where there is none, the line's."""
    try:
        return decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        newline = text.find("\n", start)
        return None, len(text) if newline < 0 else newline


def _is_loadable(document: Any, raw: str) -> bool:
    """Tell whether a document is an object whose texts PostgreSQL can hold."""
    if not isinstance(document, dict) or any("\udc80" <= c <= "\udcff" for c in raw):
        return False
    written = json.dumps(document, ensure_ascii=False)
    return "\\u0000" not in written and not any("\ud800" <= c <= "\udfff" for c in written)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
