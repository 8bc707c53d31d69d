"""One field of a COPY: when text is a value of the column's type, and the error if not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.date_formats import has_offset, moment
from src.sql.quoting import identifier

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
_READERS = {"super": "redshift_local.json_parse", "varbyte": "redshift_local.from_hex"}
_DEFAULT_NUMERIC = (18, 0)  # of a NUMERIC without precision and scale
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"


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
    fields: tuple[tuple[str, str, str, str | None], ...] = ()  # (column, type, length, value)


_MAX_REPORTED = 1_000  # bad rows, and rows with replacements, that are kept one by one
_RAW_TEXT = 1024  # characters that are kept of a line and of a value


class TooManyErrors(Exception):  # noqa: N818
    """A load has failed already, and no more of its errors would be kept."""


@dataclass
class CopyResult:
    """What a COPY did."""

    rows: int = 0
    scanned: list[int] = field(default_factory=list)  # lines per file
    bad: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    replaced: list[tuple[int, int, str]] = field(default_factory=list)  # ACCEPTINVCHARS
    errors_allowed: float = float("inf")

    def refuse(self, row: BadRow) -> None:
        """Count a row that cannot be loaded, and keep the first of them.

        Raises TooManyErrors where the load has failed and nothing more is to be found out.
        """
        self.bad_count += 1
        if len(self.bad) < _MAX_REPORTED:
            raw, value = row.raw_line[:_RAW_TEXT], row.raw_value[:_RAW_TEXT]
            self.bad.append(replace(row, raw_line=raw, raw_value=value))
        elif self.bad_count >= self.errors_allowed:
            raise TooManyErrors

    def replace(self, file: int, line: int, raw: str) -> None:
        """Note a row in which characters were replaced."""
        if len(self.replaced) < _MAX_REPORTED:
            self.replaced.append((file, line, raw))


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
    identity: str = ""  # as pg_attribute has it: a is always, d is by default

    @classmethod
    def from_catalog(
        cls, name: str, kind: str, not_null: bool, has_default: bool, typmod: int,
        max_bytes: int | None, identity: str,
    ) -> TargetColumn:  # fmt: skip
        """Build from a row of pg_attribute."""
        precision, scale = _DEFAULT_NUMERIC
        if kind == "character":
            max_bytes = typmod - 4
        if kind == "numeric" and typmod >= 4:
            precision, scale = (typmod - 4) >> 16, (typmod - 4) & 0x7FF
        return cls(name, kind, not_null, has_default, precision, scale, max_bytes, identity)

    @property
    def quoted(self) -> str:
        """Return the name as SQL takes it."""
        return identifier(self.name)

    @property
    def is_text(self) -> bool:
        """Tell whether '' is a value of the column."""
        return self.type in ("character varying", "character", "text")

    @property
    def is_single_byte(self) -> bool:
        """Tell whether the column takes characters of one byte only."""
        return self.type == "character"

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
        name = self.quoted
        if self.is_text:
            if command.trim_blanks:
                name = f"rtrim({name}, ' ')"
            if command.blanks_as_null:
                name = f"CASE WHEN {name} ~ '^\\s+$' THEN NULL ELSE {name} END"
            return f"NULLIF({name}, '')" if command.empty_as_null else name
        return f"NULLIF(btrim({name}), '')"

    def valid(self, field: str, command: CopyCommand) -> str:
        """Return SQL that is true where a field, its NULL rules applied, can be loaded."""
        test = self._type_test(field, command)
        if self.not_null:
            return f"({field} IS NOT NULL AND {test})" if test else f"{field} IS NOT NULL"
        if self.is_moment and command.accept_any_date:
            return "true"
        return f"({field} IS NULL OR {test})" if test else "true"

    def _type_test(self, field: str, command: CopyCommand) -> str:
        if self.is_text:
            tests = []
            if self.is_single_byte:
                tests.append(f"octet_length({field}) = length({field})")
            if self.max_bytes is not None and not command.truncate_columns:
                tests.append(
                    f"(octet_length({field}) <= {self.max_bytes} "
                    f"OR octet_length(rtrim({field}, ' ')) <= {self.max_bytes})"
                )
            return " AND ".join(tests)
        if self.type in _INTEGERS:
            short = _INTEGERS[self.type][0]
            # What is left without its digits: several times as fast as a pattern; and so few
            # digits fit any integer.
            left = f"translate({field}, '0123456789', '')"
            return (
                f"CASE WHEN length({field}) < 5 AND {left} = '' THEN true "
                f"ELSE {left} IN ('', '-', '+') AND pg_input_is_valid({field}, '{short}') END"
            )
        if self.type == "numeric":
            limit = 10 ** (self.precision - self.scale)
            simple = f"translate({field}, '0123456789.', '') IN ('', '-', '+')"
            room = self.precision - self.scale  # so few characters are below the limit
            return (
                f"CASE WHEN ({simple} OR {field} ~ '{_NUMBER}') "
                f"AND pg_input_is_valid({field}, 'numeric') "
                f"THEN ({simple} AND length({field}) < {room}) "
                f"OR abs({self._number(field, command)}) < {limit} ELSE false END"
            )
        if self.is_moment:
            return (
                f"coalesce(pg_input_is_valid({self._moment(field, command)}, 'timestamptz'), false)"
            )
        if self.type == "super":
            return f"{field} IS JSON"
        if self.type == "varbyte":
            return f"{field} ~ '^([0-9A-Fa-f]{{2}})*$'"
        return f"pg_input_is_valid({field}, '{self.pg_name}')"

    def _number(self, field: str, command: CopyCommand) -> str:
        way = "round" if command.round_decimals else "trunc"
        return f"{way}({field}::numeric, {self.scale})"

    def _moment(self, field: str, command: CopyCommand) -> str:
        return moment(field, self._format(command))

    def _format(self, command: CopyCommand) -> str:
        return command.date_format if self.type == "date" else command.time_format

    def converted(self, field: str, command: CopyCommand) -> str:
        """Return SQL that gives the value; only ever applied to valid fields."""
        if self.is_text:
            if self.max_bytes is None:
                return field
            if command.truncate_columns:
                return (
                    f"CASE WHEN octet_length({field}) > {self.max_bytes} "
                    f"THEN redshift_local.truncate_bytes({field}, {self.max_bytes}) "
                    f"ELSE {field} END"
                )
            return (
                f"CASE WHEN octet_length({field}) > {self.max_bytes} "
                f"THEN rtrim({field}, ' ') ELSE {field} END"
            )
        if self.type == "numeric":
            return self._number(field, command)
        if self.is_moment:
            return self._converted_moment(field, command)
        if self.type in _READERS:
            return f"{_READERS[self.type]}({field})"
        return f"{field}::{self.pg_name}"

    def _converted_moment(self, field: str, command: CopyCommand) -> str:
        text = self._moment(field, command)
        if not (self._format(command) or command.accept_any_date):
            text = field  # the default format's, and known to be valid
        if self.type == "timestamp without time zone":
            # An offset is applied, then dropped: the column holds UTC.
            has_zone = f"length({text}) > 19 AND {has_offset(text)}"
            value = (
                f"CASE WHEN {has_zone} THEN ({text})::timestamptz AT TIME ZONE 'UTC' "
                f"ELSE ({text})::timestamp END"
            )
        elif self.type == "date":
            value = f"({text})::timestamp::date"
        else:
            value = f"({text})::timestamptz"
        if not command.accept_any_date:
            return value
        return f"CASE WHEN pg_input_is_valid({text}, 'timestamptz') THEN {value} END"

    @property
    def is_moment(self) -> bool:
        """Tell whether the column holds dates or times."""
        return self.type == "date" or self.type.startswith("timestamp")

    def _reads_null(self, text: str, command: CopyCommand) -> bool:
        if not self.is_text:
            return False
        return (text == "" and command.empty_as_null) or (
            command.blanks_as_null and not text.strip()
        )

    def no_multibyte(self, sequence: str) -> str:
        """Return the reason for bytes that are no character of one byte."""
        hint = "(Hint: Try using VARCHAR)"
        return f"Multibyte character not supported for CHAR {hint}. Invalid char: {sequence}"

    def reason(self, value: str | None, command: CopyCommand) -> tuple[int, str]:
        """Return (err_code, err_reason) of a field that is known not to be valid."""
        text = value if self.is_text or value is None else value.strip() or None
        if text is None or self._reads_null(text, command):
            return 1213, "Missing data for not-null field"
        if self.is_single_byte and not text.isascii():
            found = next(c for c in text if not c.isascii()).encode().hex(" ")
            return 1215, self.no_multibyte(found)
        if self.is_text:
            kind = "Char" if self.is_single_byte else "String"
            return 1204, f"{kind} length exceeds DDL length"
        if self.type in _INTEGERS:
            return _integer_complaint(text, self.type)
        if self.type == "numeric":
            return _decimal_complaint(text, self)
        if self.type.startswith("timestamp"):
            offset = "OF" if self.type.endswith("with time zone") else ""
            shown = command.time_format or f"YYYY-MM-DD HH24:MI:SS{offset}"
            return 1206, f"Invalid timestamp format or value [{shown}]"
        if self.type == "date":
            return 1205, "Invalid Date Format - length must be 10 or more"
        codes = {"boolean": 1210, "real": 1208, "double precision": 1208}
        return codes.get(self.type, 1223), f"Invalid value for type {self.pg_name}"


def _integer_complaint(text: str, kind: str) -> tuple[int, str]:
    body = text[1:] if text[:1] in "+-" else text
    label = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}[kind]
    for position, character in enumerate(body):
        if not character.isascii() or not character.isdigit():
            at = position + len(text) - len(body)
            return 1207, f"Invalid digit, Value '{character}', Pos {at}, Type: {label}"
    if not body:
        return 1207, f"Invalid digit, Value '{text}', Pos 0, Type: {label}"
    return 1204, f"Overflow, Value '{text[:40]}', Type: {label}"


def _decimal_complaint(text: str, column: TargetColumn) -> tuple[int, str]:
    if re.match(_NUMBER, text):
        return 1204, f"Overflow, Value '{text[:40]}', Type: Decimal"
    for position, character in enumerate(text):
        if character not in "0123456789+-.eE":
            return 1207, f"Invalid digit, Value '{character}', Pos {position}, Type: Decimal"
    return 1209, f"Invalid value '{text[:40]}', Type: Decimal"
