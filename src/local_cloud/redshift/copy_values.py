"""One field of a COPY: when text is a value of the column's type, and what Redshift says if not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from src.local_cloud.redshift.copy_command import CopyCommand

_INTEGERS = {
    "smallint": ("int2", -(2**15), 2**15 - 1),
    "integer": ("int4", -(2**31), 2**31 - 1),
    "bigint": ("int8", -(2**63), 2**63 - 1),
}
_PG_NAMES = {
    "character varying": "varchar",
    "character": "char",
    "numeric": "numeric",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "double precision": "float8",
    "real": "float4",
    "boolean": "bool",
    "date": "date",
}
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_DATE = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_STRICT_TIMESTAMP = rf"^\s*{_DATE}( {_TIME})?\s*$"
_AUTO_TIMESTAMP = rf"^\s*{_DATE}([ T]{_TIME}(Z| ?[+-][0-9]{{2}}(:?[0-9]{{2}})?)?)?\s*$"


@dataclass(frozen=True)
class BadRow:
    """One row of stl_load_errors."""

    file: int
    line: int
    column: str
    type: str
    length: str
    position: int
    raw_line: str
    raw_value: str
    code: int
    reason: str


@dataclass(frozen=True)
class TargetColumn:
    """A column of the table being loaded."""

    name: str
    type: str  # PostgreSQL's long name
    not_null: bool
    has_default: bool
    precision: int
    scale: int
    max_bytes: int | None

    @classmethod
    def from_catalog(
        cls, name: str, kind: str, not_null: bool, has_default: bool, typmod: int,
        max_bytes: int | None,
    ) -> TargetColumn:  # fmt: skip
        """Build from a row of pg_attribute."""
        precision, scale = 38, 0
        if kind == "numeric" and typmod >= 4:
            precision, scale = (typmod - 4) >> 16, (typmod - 4) & 0x7FF
        return cls(name, kind, not_null, has_default, precision, scale, max_bytes)

    @property
    def is_text(self) -> bool:
        """Tell whether '' is a value of the column."""
        return self.type in ("character varying", "character", "text")

    @property
    def pg_name(self) -> str:
        """Return the type as stl_load_errors names it."""
        return _INTEGERS.get(self.type, (_PG_NAMES.get(self.type, self.type),))[0]

    @property
    def length(self) -> str:
        """Return col_length as stl_load_errors shows it."""
        if self.type == "numeric":
            return f"{self.precision}, {self.scale}"
        return str(self.max_bytes or 0)

    def field(self, command: CopyCommand) -> str:
        """Return SQL that gives the column's field as text, NULL rules applied."""
        name = f'"{self.name}"'
        if self.is_text:
            if command.trim_blanks:
                name = f"rtrim({name}, ' ')"
            if command.blanks_as_null:
                name = f"CASE WHEN {name} ~ '^\\s+$' THEN NULL ELSE {name} END"
            return f"NULLIF({name}, '')" if command.empty_as_null else name
        return f"NULLIF(btrim({name}), '')"

    def valid(self, command: CopyCommand) -> str:
        """Return SQL that is true where the field can be loaded."""
        field = self.field(command)
        test = self._type_test(field, command)
        if self.not_null:
            return f"({field} IS NOT NULL AND {test})" if test else f"{field} IS NOT NULL"
        return f"({field} IS NULL OR {test})" if test else "true"

    def _type_test(self, field: str, command: CopyCommand) -> str:
        if self.is_text:
            if self.max_bytes is None or command.truncate_columns:
                return ""
            return f"octet_length(rtrim({field}, ' ')) <= {self.max_bytes}"
        if self.type in _INTEGERS:
            short = _INTEGERS[self.type][0]
            return f"({field} ~ '^[+-]?[0-9]+$' AND pg_input_is_valid({field}, '{short}'))"
        if self.type == "numeric":
            limit = 10 ** (self.precision - self.scale)
            return (
                f"CASE WHEN {field} ~ '{_NUMBER}' "
                f"THEN abs(trunc({field}::numeric, {self.scale})) < {limit} ELSE false END"
            )
        if self.type.startswith("timestamp") or self.type == "date":
            pattern = _timestamp_pattern(self, command)
            short = "timestamptz" if self.type.endswith("with time zone") else "timestamp"
            return f"({field} ~ '{pattern}' AND pg_input_is_valid({field}, '{short}'))"
        return f"pg_input_is_valid({field}, '{self.pg_name}')"

    def converted(self, command: CopyCommand) -> str:
        """Return SQL that gives the value; only ever applied to valid fields."""
        field = self.field(command)
        if self.is_text:
            if self.max_bytes is None:
                return field
            if command.truncate_columns:
                return f"redshift_local.truncate_bytes({field}, {self.max_bytes})"
            return (
                f"CASE WHEN octet_length({field}) > {self.max_bytes} "
                f"THEN rtrim({field}, ' ') ELSE {field} END"
            )
        if self.type == "numeric":
            return f"trunc({field}::numeric, {self.scale})"
        if self.type == "timestamp without time zone":
            # An offset is applied, then dropped: the column holds UTC.
            return (
                f"CASE WHEN {field} ~ '(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$' AND {field} ~ ':' "
                f"THEN {field}::timestamptz AT TIME ZONE 'UTC' ELSE {field}::timestamp END"
            )
        if self.type == "date":
            return f"{field}::timestamp::date"
        return f"{field}::{self.pg_name}"

    def complaint(self, value: str | None, command: CopyCommand) -> tuple[int, str] | None:
        """Return (err_code, err_reason) if this field cannot be loaded."""
        text = value
        if text is not None and not self.is_text:
            text = text.strip() or None
        if text == "" and command.empty_as_null:
            text = None
        if text is None:
            return (1213, "Missing data for not-null field") if self.not_null else None
        if self.is_text:
            too_long = self.max_bytes is not None and not command.truncate_columns
            if too_long and len(text.rstrip(" ").encode()) > (self.max_bytes or 0):
                return 1204, "String length exceeds DDL length"
            return None
        if self.type in _INTEGERS:
            return _integer_complaint(text, self.type)
        if self.type == "numeric":
            return _decimal_complaint(text, self)
        if self.type.startswith("timestamp"):
            if re.match(_timestamp_pattern(self, command), text) and _real_moment(text):
                return None
            return 1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"
        if self.type == "date":
            return 1205, "Invalid Date Format - length must be 10 or more"
        return 1223, f"Invalid value for type {self.pg_name}"


def _timestamp_pattern(column: TargetColumn, command: CopyCommand) -> str:
    chosen = command.date_format if column.type == "date" else command.time_format
    return _AUTO_TIMESTAMP if chosen == "auto" else _STRICT_TIMESTAMP


def _real_moment(text: str) -> bool:
    from datetime import datetime

    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _integer_complaint(text: str, kind: str) -> tuple[int, str] | None:
    body = text[1:] if text[:1] in "+-" else text
    label = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}[kind]
    for position, character in enumerate(body):
        if not character.isascii() or not character.isdigit():
            at = position + len(text) - len(body)
            return 1207, f"Invalid digit, Value '{character}', Pos {at}, Type: {label}"
    if not body:
        return 1207, f"Invalid digit, Value '{text}', Pos 0, Type: {label}"
    _, low, high = _INTEGERS[kind]
    if not low <= int(text) <= high:
        return 1204, f"Overflow, Value '{text[:40]}', Type: {label}"
    return None


def _decimal_complaint(text: str, column: TargetColumn) -> tuple[int, str] | None:
    if not re.match(_NUMBER, text):
        for position, character in enumerate(text):
            if character not in "0123456789+-.eE":
                return 1207, f"Invalid digit, Value '{character}', Pos {position}, Type: Decimal"
        return 1209, f"Invalid value '{text[:40]}', Type: Decimal"
    try:
        number = Decimal(text).quantize(Decimal(1).scaleb(-column.scale), ROUND_DOWN)
    except InvalidOperation:
        return 1204, f"Overflow, Value '{text[:40]}', Type: Decimal"
    if abs(number) >= 10 ** (column.precision - column.scale):
        return 1204, f"Overflow, Value '{text[:40]}', Type: Decimal"
    return None


def first_complaint(
    columns: list[TargetColumn], values: list[Any], command: CopyCommand
) -> tuple[TargetColumn, str, int, str]:
    """Return the first field of a refused row that cannot be loaded, and why."""
    for column, value in zip(columns, values, strict=True):
        found = column.complaint(value, command)
        if found:
            return column, "" if value is None else str(value), *found
    last = columns[-1]
    return last, str(values[-1]), 1200, "Unknown parse error"
