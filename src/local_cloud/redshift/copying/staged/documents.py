"""Reads concatenated JSON documents one by one, wherever their lines end."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from src.json_object import JsonObject
from src.local_cloud.redshift.copying.lines import LONGEST

_CHUNK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")  # JSON's, and no other
_DEEPEST = 512  # more than anything has, and less than any parser's limit
_ESCAPED = re.compile(r"\\u(0000|d[89a-f])", re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """An object or array, or None where there is none that can be loaded; `line` is its last."""

    line: int
    content: JsonObject | list[Any] | None
    raw: str


def read_documents(stream: IO[bytes]) -> Iterator[Document]:
    """Yield each document; a bad one ends with its line."""
    # What is loaded is the text itself; here a number is only passed over, whatever its size.
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    held, position, line, is_last, is_skipping = "", 0, 1, False, False
    while True:  # `line` is that of the position
        space = _SPACE.match(held, position)
        start = position if is_skipping or not space else space.end()
        content, end = (None, _line_end(held, start)) if is_skipping else _decoded(
            decoder, held, start
        )  # fmt: skip
        # What ends where the text held ends may continue in the file.
        may_go_on = not is_last and end == len(held)
        if may_go_on and len(held) - start <= LONGEST and not is_skipping:
            more = text.read(_CHUNK)
            held, position, is_last = held[position:] + more, 0, not more
            continue
        if not is_skipping and start < len(held):
            raw = held[start:end]
            yield Document(
                line + held.count("\n", position, end),
                content if len(raw) <= LONGEST and _is_loadable(content, raw) else None,
                raw,
            )
        line += held.count("\n", position, end)
        position = end
        is_skipping = may_go_on  # the rest of a line that is too long
        if may_go_on:
            held, position = text.read(_CHUNK), 0
            is_last = not held
        elif position == len(held):
            return


def lower_keys(raw: str) -> str:
    """Return an object's text with the keys of its first level in lower case."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    members, at = [], _after_space(raw, raw.index("{") + 1)
    while raw[at] != "}":
        key, end = decoder.raw_decode(raw, at)
        start = _after_space(raw, _after_space(raw, end) + 1)  # behind the colon
        _, end = decoder.raw_decode(raw, start)
        members.append(f"{json.dumps(key.lower())}: {raw[start:end]}")
        at = _after_space(raw, end)
        at = _after_space(raw, at + 1) if raw[at] == "," else at
    return "{" + ", ".join(members) + "}"


def _after_space(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found else start


def _line_end(text: str, start: int) -> int:
    newline = text.find("\n", start)
    return len(text) if newline < 0 else newline


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    """Return the document at a place and its end; where there is none, the line's."""
    try:
        return decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, _line_end(text, start)


def _is_loadable(document: Any, raw: str) -> bool:
    """Tell whether a document is an object or array whose texts PostgreSQL can hold."""
    if not isinstance(document, (dict, list)) or any("\udc80" <= c <= "\udcff" for c in raw):
        return False
    if raw.count("{") + raw.count("[") > _DEEPEST and _depth(document) > _DEEPEST:
        return False
    if not _ESCAPED.search(raw):
        return True
    written = json.dumps(document, ensure_ascii=False)
    return "\\u0000" not in written and not any("\ud800" <= c <= "\udfff" for c in written)


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, (dict, list))
        ]
    return depth


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
