"""What AWS's own drivers get and send otherwise than PostgreSQL's clients.

A driver names the version of the protocol it wants (`client_protocol_version`). From version 1 on
each column of a result names its table. Version 2 wants binary NUMERIC, whose scale the
server must know before it computes: it is answered with 1, as AWS's drivers allow. INTERVALs are
of two types, with months or with microseconds (redshift_connector/utils/type_utils.py).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from src.local_cloud.redshift.front.messages import Message, text, texts_of
from src.sql.refusal import Refusal

_INTERVAL, _MONTHS, _SECONDS = 1186, 1188, 1190  # the types' numbers
_SIZES = {_INTERVAL: 12, _MONTHS: 4, _SECONDS: 8}
_RANGE_OF_MONTHS = 0b110  # PostgreSQL's bits of YEAR and MONTH in a type's modifier
_DAY = 86_400_000_000
_NULLABLE = 1
_NAMES = """
SELECT coalesce(jsonb_object_agg(c.oid || '.' || attnum, jsonb_build_array(
           CASE nspname WHEN 'redshift_local' THEN 'pg_catalog' ELSE nspname END, relname, attname,
           current_database(), (NOT attnotnull)::int
               | CASE WHEN attidentity <> '' THEN 16 ELSE 0 END | 4096)), '{}')
  FROM unnest(%s::oid[], %s::int2[]) AS wanted(tbl, number)
  JOIN pg_class c ON c.oid = tbl JOIN pg_namespace n ON n.oid = relnamespace
  JOIN pg_attribute a ON attrelid = c.oid AND attnum = number
"""


@dataclass(frozen=True)
class _Column:
    name: bytes
    table: int
    number: int
    type: int
    size: int
    modifier: int
    format: int


class DriverForms:
    """The forms of one session's results and parameters."""

    def __init__(self, version: int, look_up: Callable[[str, Any], Any]) -> None:
        self._version = version
        self._look_up = look_up
        self._intervals: dict[str, list[int]] = {}  # the types of a statement's parameters
        self._types: dict[str, list[int]] = {}  # of a statement's columns, once it is described
        self._portals: dict[str, tuple[str, list[int]]] = {}  # statement, formats of its columns
        self._due: deque[tuple[bytes, str]] = deque()  # what is described or executed, in order

    # -- what the client sends --------------------------------------------------------------

    def taken(self, message: Message) -> Message:
        """Return a message as PostgreSQL reads it."""
        count = {b"P": 2, b"B": 2}.get(message.kind)
        if count is None:
            return message
        names, rest = texts_of(message, count)
        try:
            rest = (self._parsed if message.kind == b"P" else self._bound)(names, rest)
        except struct.error:
            raise Refusal("invalid message format", "08P01") from None
        return Message(message.kind, b"".join(map(text, names)) + rest)

    def sent(self, message: Message) -> None:
        """Note a Describe or Execute that the server behind will answer."""
        if message.kind in b"DE":
            kind = message.body[:1] if message.kind == b"D" else message.kind
            (name,), _ = texts_of(message, 1)
            self._due.append((kind, name[1:] if message.kind == b"D" else name))

    def _parsed(self, names: list[str], types: bytes) -> bytes:
        """Return the types of a statement's parameters in PostgreSQL's numbers."""
        found = list(struct.unpack_from(f"!{_count(types)}I", types, 2))
        name = names[0]
        self._types.pop(name, None)
        self._intervals[name] = found if {_MONTHS, _SECONDS} & set(found) else []
        known = [_INTERVAL if kind in (_MONTHS, _SECONDS) else kind for kind in found]
        return types[:2] + struct.pack(f"!{len(known)}I", *known)

    def _bound(self, names: list[str], bind: bytes) -> bytes:
        """Note the formats of a result; returns the values as PostgreSQL reads them."""
        portal, name = names
        formats, at = _numbers(bind, 0)
        head = bind[:at]
        values, end = _values(bind, at)
        self._portals[portal] = name, _numbers(bind, end)[0]
        kinds = self._intervals.get(name)
        if not kinds:
            return bind
        changed = [
            _as_postgres(value, kind) if _is_binary(formats, at) else value
            for at, (value, kind) in enumerate(zip(values, kinds, strict=False))
        ]
        return head + _packed(changed + values[len(changed) :]) + bind[end:]

    # -- what the server answers ------------------------------------------------------------

    def answered(self, answer: Message) -> Message:
        """Return an answer as the driver expects it."""
        kind = answer.kind
        if kind == b"T":
            return self._described(answer)
        if kind == b"D" and self._due and self._due[0][0] == b"E":
            return self._row(answer, self._due[0][1])
        if kind in b"EZ":
            self._due.clear()
        elif self._due and (kind in b"CsI" if self._due[0][0] == b"E" else kind == b"n"):
            self._due.popleft()
        return answer

    def _described(self, answer: Message) -> Message:
        columns = [_as_redshifts(column) for column in _columns(answer.body)]
        if self._due and self._due[0][0] != b"E":
            kind, name = self._due.popleft()
            statement = name if kind == b"S" else self._portals.get(name, ("", []))[0]
            self._types[statement] = [column.type for column in columns]
        origins = self._origins(columns) if self._version else {}
        body = struct.pack("!H", len(columns))
        for column in columns:
            body += column.name + b"\x00" + struct.pack(
                "!IhIhih", column.table, column.number, column.type, column.size,
                column.modifier, column.format)  # fmt: skip
            if self._version:
                *names, flags = origins.get(
                    f"{column.table}.{column.number}", ["", "", "", "", _NULLABLE]
                )
                body += b"".join(name.encode() + b"\x00" for name in names)
                body += struct.pack("!H", flags)
        return Message(b"T", body)

    def _origins(self, columns: list[_Column]) -> dict[str, list[Any]]:
        """Return schema, table, column, database and flags; none of a table not committed yet."""
        wanted = [(c.table, c.number) for c in columns if c.table]
        if not wanted:
            return {}
        tables, numbers = (list(part) for part in zip(*wanted, strict=True))
        found: dict[str, list[Any]] = self._look_up(_NAMES, (tables, numbers))[0]
        return found

    def _row(self, answer: Message, portal: str) -> Message:
        name, formats = self._portals.get(portal, ("", []))
        kinds = self._types.get(name, [])
        if not {_INTERVAL, _MONTHS, _SECONDS} & set(kinds):
            return answer
        values, _ = _values(answer.body, 0)
        changed = [
            _as_drivers(value, kind) if _is_binary(formats, at) else value
            for at, (value, kind) in enumerate(zip(values, kinds, strict=True))
        ]
        return Message(b"D", _packed(changed))


def _as_redshifts(column: _Column) -> _Column:
    """Give an INTERVAL column Redshift's type, by the fields that it holds."""
    if column.type != _INTERVAL:
        return column
    held = column.modifier >> 16 & 0x7FFF
    kind = _INTERVAL
    if column.modifier >= 0 and held != 0x7FFF:
        kind = _SECONDS if held & ~_RANGE_OF_MONTHS else _MONTHS
    return _Column(column.name, column.table, column.number, kind, _SIZES[kind], -1, column.format)


def _as_drivers(value: bytes | None, kind: int) -> bytes | None:
    """Return PostgreSQL's binary INTERVAL as the type's own."""
    if value is None or kind not in _SIZES:
        return value
    microseconds, days, months = struct.unpack("!qii", value)
    if kind == _MONTHS:
        return struct.pack("!i", months)
    if kind == _SECONDS:
        return struct.pack("!q", microseconds + days * _DAY)
    if max(abs(days), abs(months)) >= 1 << 15:
        return struct.pack("!qi", microseconds + days * _DAY, months)
    return struct.pack("!qhh", microseconds, days, months)


def _as_postgres(value: bytes | None, kind: int) -> bytes | None:
    """Return a binary value of a parameter as PostgreSQL's INTERVAL."""
    if value is None or kind not in (_MONTHS, _SECONDS):
        return value
    if kind == _MONTHS:
        return struct.pack("!qii", 0, 0, *struct.unpack("!i", value))
    return struct.pack("!qii", *struct.unpack("!q", value), 0, 0)


def _is_binary(formats: list[int], at: int) -> bool:
    """Tell the format of a value: one that is given alone is that of all."""
    return bool(formats and (formats[at] if len(formats) > 1 else formats[0]))


def _count(body: bytes, at: int = 0) -> int:
    return int(struct.unpack_from("!H", body, at)[0])


def _numbers(body: bytes, at: int) -> tuple[list[int], int]:
    """Read a list of formats; returns also where it ends."""
    count = _count(body, at)
    return list(struct.unpack_from(f"!{count}H", body, at + 2)), at + 2 + 2 * count


def _values(body: bytes, at: int) -> tuple[list[bytes | None], int]:
    """Read a list of values, each with its length; returns also where it ends."""
    count, found = _count(body, at), list[bytes | None]()
    at += 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        found.append(body[at : at + length] if length >= 0 else None)
        at += max(length, 0)
    return found, at


def _packed(values: list[bytes | None]) -> bytes:
    parts = [struct.pack("!H", len(values))]
    for value in values:
        parts.append(struct.pack("!i", -1 if value is None else len(value)) + (value or b""))
    return b"".join(parts)


def _columns(body: bytes) -> list[_Column]:
    """Read a RowDescription."""
    at, found = 2, []
    for _ in range(_count(body)):
        end = body.index(b"\x00", at)
        found.append(_Column(body[at:end], *struct.unpack_from("!IhIhih", body, end + 1)))
        at = end + 19
    return found
