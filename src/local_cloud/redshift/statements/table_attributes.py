"""Table attributes of CREATE TABLE: taken out of the words, because PostgreSQL has none of them."""

from __future__ import annotations

from typing import Any, NoReturn

from src.sql.quoting import shown
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token

_STYLES = ("AUTO", "EVEN", "KEY", "ALL")
_FOR_TEXT = frozenset(["text255", "text32k"])
_NOT_FOR_TEXT = frozenset(["az64", "delta", "delta32k", "mostly8", "mostly16", "mostly32"])
_ENCODINGS = _FOR_TEXT | _NOT_FOR_TEXT | {"raw", "bytedict", "lzo", "runlength", "zstd", "auto"}
Recorded = list[tuple[str, str]]


def take_attributes(statement: Statement) -> tuple[Statement, Recorded]:
    """Return the statement without its attributes, and what they declared: (kind, declaration)."""
    return _Taker(statement).take()


def check_attributes(recorded: Recorded, columns: dict[str, str]) -> None:
    """Refuse what Redshift refuses of keys, styles and encodings; `columns` are names and types."""
    kinds = [kind for kind, _ in recorded]
    style = next((d.split()[1].upper() for kind, d in recorded if kind == "diststyle"), "")
    if kinds.count("distkey") > 1:
        raise Refusal("table can have only one distkey", SYNTAX)
    if style == "KEY" and "distkey" not in kinds:
        raise Refusal("DISTSTYLE KEY requires a distkey column", SYNTAX)
    if style in ("EVEN", "ALL") and "distkey" in kinds:
        raise Refusal(f"cannot specify DISTKEY with DISTSTYLE {style}", SYNTAX)
    if columns:
        check_columns(recorded, set(columns))
    for kind, declaration in recorded:
        names = declaration.partition("(")[2].rstrip(") ").split(",")
        if kind.endswith(("sortkey", "distkey")) and any(
            columns.get(name.strip().strip('"').lower()) == "SUPER" for name in names
        ):
            raise Refusal(f"a column of type super cannot be a {kind}", SYNTAX)


def check_columns(recorded: Recorded, columns: set[str]) -> None:
    """Refuse a key of a column that the table does not have."""
    for kind, declaration in recorded:
        if kind.endswith(("sortkey", "distkey")) and "(" in declaration:
            for name in declaration.partition("(")[2].rstrip(") ").split(","):
                plain = name.strip().strip('"').lower()
                if plain not in columns:
                    raise Refusal(f'column "{plain}" named in {kind} does not exist', "42703")


def check_encoding(encoding: str, type_name: str) -> None:
    """Refuse an encoding that Redshift lacks, or has not for the type."""
    if encoding not in _ENCODINGS:
        raise Refusal(f"encoding type {shown(encoding)} does not exist", SYNTAX)
    is_text = type_name in ("VARCHAR", "TEXT", "NVARCHAR", "CHAR", "BPCHAR", "NCHAR")
    wrong = _NOT_FOR_TEXT if is_text else _FOR_TEXT
    if encoding in wrong:
        kind = type_name.lower()
        raise Refusal(f"invalid encoding type {shown(encoding)} for type {kind}", SYNTAX)


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
