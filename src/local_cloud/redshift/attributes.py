"""Table attributes of CREATE TABLE: taken out of the text, for PostgreSQL knows none of them."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from src.local_cloud.redshift import dialect
from src.local_cloud.redshift.failures import SYNTAX, fail

_STYLES = ("AUTO", "EVEN", "KEY", "ALL")
Recorded = list[tuple[str, str]]


def take_attributes(statement: str, execute: Any) -> tuple[str, Recorded]:
    """Return the statement without its attributes, and what they said: (kind, declaration)."""
    return _Taker(statement, execute).take()


class _Taker:
    def __init__(self, statement: str, execute: Any) -> None:
        self._statement = statement
        self._execute = execute
        self._tokens = dialect.tokens(statement)
        self._at = 0
        self._depth = 0
        self._taken: Recorded = []
        self._kept: list[str] = []
        self._position = 0
        self._column = ""  # whose definition is being read

    def take(self) -> tuple[str, Recorded]:
        """Walk the tokens up to a top-level AS; the query behind it is not ours."""
        while self._at < len(self._tokens):
            word = self._word()
            if self._depth == 1 and self._word(-1) in ("(", ","):
                self._column = self._tokens[self._at].text.lower()
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
            self._at += 1
        self._kept.append(self._statement[self._position :])
        return " ".join(part.strip() for part in self._kept), self._taken

    def _word(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return str(self._tokens[at].text).upper() if 0 <= at < len(self._tokens) else ""

    def _cut(self, handler: Any) -> None:
        first = self._tokens[self._at]
        kind = handler(self)
        last = self._tokens[self._at - 1]
        self._kept.append(self._statement[self._position : first.start])
        self._position = last.end + 1
        said = self._statement[first.start : self._position]
        self._taken.append((kind, f"{said}({self._column})" if self._depth else said))

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
        if not re.fullmatch("YES|NO|AUTO", self._word(1)):
            self._syntax(1)
        self._at += 2
        return kind

    def _syntax(self, ahead: int) -> NoReturn:
        near = self._word(ahead) or "end of statement"
        fail(self._execute, f'syntax error at or near "{near}"', SYNTAX)


_TABLE = {
    "DISTSTYLE": _Taker._style,
    "DISTKEY": _Taker._key,
    "SORTKEY": _Taker._key,
    "COMPOUND": _Taker._key,
    "INTERLEAVED": _Taker._key,
    "BACKUP": _Taker._choice,
    "ENCODE": _Taker._choice,
}
