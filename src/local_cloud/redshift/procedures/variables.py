"""The variables of a procedure that runs: typed values that stand in for their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from src.local_cloud.redshift.procedures.nodes import Tokens
from src.sql.quoting import redshift_literal
from src.sql.refusal import Refusal
from src.sql.scanning import Statement, Token

Value = Any  # what psycopg2 makes of a column
RECORD = "record"


@dataclass
class Variable:
    """One variable: a value of a type, or a record's fields by name."""

    type: str
    value: Value = None
    is_constant: bool = False
    not_null: bool = False
    fields: dict[str, Value] | None = None
    cursor: tuple[Tokens, tuple[str, ...]] | None = None

    @property
    def literal(self) -> str:
        """Return the value as SQL."""
        return _literal(self.value, self.type)


@dataclass
class Scope:
    """The variables of a block, and those around it."""

    outer: Scope | None = None
    held: dict[str, Variable] = field(default_factory=dict)

    def find(self, name: str) -> Variable | None:
        """Return the variable of a name, the innermost first."""
        found = self.held.get(name)
        return found if found is not None or self.outer is None else self.outer.find(name)

    def need(self, name: str) -> Variable:
        """Return a variable; raises Refusal where there is none."""
        found = self.find(name)
        if found is None:
            raise Refusal(f'"{name}" is not a known variable', "42601")
        return found

    def bound(self, tokens: Tokens) -> str:
        """Return a text of SQL with each variable's value in the place of its name."""
        found: list[Token] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            text, used = self._value(tokens, at)
            found.append(token if text is None else Token("mark", text, token.gap or " "))
            at += used
        return Statement(tuple(found)).code

    def _value(self, tokens: Tokens, at: int) -> tuple[str | None, int]:
        token = tokens[at]
        behind = tokens[at + 1].text if at + 1 < len(tokens) else ""
        before = tokens[at - 1] if at else None
        if token.kind == "parameter":
            variable = self.find(token.text)
        else:
            is_other = before is not None and (before.text == "." or before.word == "AS")
            if token.kind not in ("word", "quoted") or behind == "(" or is_other:
                return None, 1
            variable = self.find(token.name)
        if variable is None:
            return None, 1
        if variable.type == RECORD:
            if behind != "." or at + 2 >= len(tokens):
                return None, 1
            name = tokens[at + 2].name
            if variable.fields is None or name not in variable.fields:
                raise Refusal(f'record "{token.name}" has no field "{name}"', "42703")
            return _literal(variable.fields[name], ""), 3
        return (None, 1) if behind == "." else (variable.literal, 1)


def record_of(columns: Sequence[Any] | None, row: Sequence[Value] | None) -> dict[str, Value]:
    """Return a row's fields by name; NULLs where there is no row."""
    names = [column.name for column in columns or ()]
    return dict(zip(names, row or [None] * len(names), strict=True))


def _literal(value: Value, kind: str) -> str:
    if value is None:
        return f"CAST(NULL AS {kind})" if kind else "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, (bytes, memoryview)):
        return f"FROM_HEX({redshift_literal(bytes(value).hex())})"
    if isinstance(value, float):
        kind = kind or "DOUBLE PRECISION"
    elif isinstance(value, Decimal) and not kind:
        return f"({value:f})"
    elif isinstance(value, date) and not kind:  # datetime is one
        kind = "TIMESTAMP" if hasattr(value, "hour") else "DATE"
    text = redshift_literal(str(value))
    return f"CAST({text} AS {kind})" if kind else text
