"""Table attributes of CREATE TABLE: taken out of the words, because PostgreSQL has none of them."""

from __future__ import annotations

from typing import Any, NoReturn

from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token

_STYLES = ("AUTO", "EVEN", "KEY", "ALL")
Recorded = list[tuple[str, str]]


def take_attributes(statement: Statement) -> tuple[Statement, Recorded]:
    """Return the statement without its attributes, and what they declared: (kind, declaration)."""
    return _Taker(statement).take()


class _Taker:
    def __init__(self, statement: Statement) -> None:
        self._tokens = statement.tokens
        self._at = 0
        self._depth = 0
        self._taken: Recorded = []
        self._kept: list[Token] = []
        self._column = ""  # whose definition is being read

    def take(self) -> tuple[Statement, Recorded]:
        """Walk the tokens up to a top-level AS; the query behind it has no attributes."""
        while self._at < len(self._tokens):
            word = self._word()
            if self._depth == 1 and self._word(-1) in ("(", ","):
                self._column = self._tokens[self._at].name
            if word == "(":
                self._depth += 1
            elif word == ")":
                self._depth -= 1
            elif self._depth == 0 and word == "AS":
                break
            elif self._depth == 0 and word in _TABLE:
                self._cut(_TABLE[word])
                continue
            elif self._depth == 1 and word in ("DISTKEY", "SORTKEY"):
                self._cut(type(self)._column_key)
                continue
            self._kept.append(self._tokens[self._at])
            self._at += 1
        return Statement((*self._kept, *self._tokens[self._at :])), self._taken

    def _word(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].word if 0 <= at < len(self._tokens) else ""

    def _cut(self, handler: Any) -> None:
        first = self._at
        kind = handler(self)
        declared = Statement(self._tokens[first : self._at]).code
        self._taken.append((kind, f"{declared}({self._column})" if self._depth else declared))

    def _style(self) -> str:
        if self._word(1) not in _STYLES:
            self._syntax(1)
        self._at += 2
        return "diststyle"

    def _key(self) -> str:
        kind = "interleaved sortkey" if self._word() == "INTERLEAVED" else "sortkey"
        if self._word() in ("INTERLEAVED", "COMPOUND"):
            self._at += 1
        if self._word() == "DISTKEY":
            kind = "distkey"
        self._at += 1
        if self._word() == "AUTO":
            self._at += 1
            return kind
        if self._word() != "(":
            self._syntax(0)
        while self._word() != ")":
            if self._at >= len(self._tokens):
                self._syntax(0)
            self._at += 1
        self._at += 1
        return kind

    def _column_key(self) -> str:
        kind = self._word().lower()
        self._at += 1
        return kind

    def _choice(self) -> str:
        """BACKUP YES | NO, ENCODE AUTO."""
        kind = self._word().lower()
        if self._word(1) not in ("YES", "NO", "AUTO"):
            self._syntax(1)
        self._at += 2
        return kind

    def _syntax(self, ahead: int) -> NoReturn:
        near = self._word(ahead) or "end of statement"
        raise Refusal(f'syntax error at or near "{near}"', SYNTAX)


_TABLE = {
    "DISTSTYLE": _Taker._style,
    "DISTKEY": _Taker._key,
    "SORTKEY": _Taker._key,
    "COMPOUND": _Taker._key,
    "INTERLEAVED": _Taker._key,
    "BACKUP": _Taker._choice,
    "ENCODE": _Taker._choice,
}
