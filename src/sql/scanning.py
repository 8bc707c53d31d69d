"""The one reader of SQL text: it finds the words; everything else decides by words and trees.

What comes out is written anew from the words: comments are blanks, a string stands in one form.
So no later reader (sqlglot, PostgreSQL) can take for code what is a string here, or the reverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from src.sql.quoting import postgres_literal, redshift_literal
from src.sql.refusal import SYNTAX, Refusal

_MAX_NAME = 63  # bytes: what PostgreSQL keeps of a name; Redshift keeps 127
_LETTER = r"[A-Za-z_#\u0080-\U0010ffff]"
_PIECE = re.compile(
    rf"""(?P<blank>[ \t\r\n\f\v]+|--[^\n]*)
    |(?P<comment>/\*)
    |(?P<string>[eEnN]?'(?:[^'\\]|\\.|'')*')
    |(?P<coded>[bBxX]'|[uU]&['"])
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<parameter>\$[0-9]+)
    |(?P<dollar>\$(?:{_LETTER}[\w\u0080-\U0010ffff]*)?\$)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>{_LETTER}[\w$#\u0080-\U0010ffff]*)
    |(?P<mark>[^'"\x00])""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(
    r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL
)
_PLAIN = r"(?:''|NULL|-?\d+(?:\.\d+)?)"  # means the same in PostgreSQL; '' stands for any string
_PLAIN_ROWS = re.compile(rf"(?:\s*,\s*\(\s*{_PLAIN}(?:\s*,\s*{_PLAIN})*\s*\))+", re.IGNORECASE)
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a statement: its kind, how it is written, and the blank in front of it."""

    kind: str  # word, quoted, string, number, parameter, mark
    text: str
    gap: str = ""
    exact: str | None = None  # the text of E'...' and $$...$$

    @property
    def word(self) -> str:
        """Return a bare word in capitals, or a mark; nothing for strings and quoted names."""
        return self.text.upper() if self.kind in ("word", "mark") else ""

    @property
    def name(self) -> str:
        """Return the text of a name, folded to lower case also when quoted."""
        text = self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text
        return text.lower()

    @property
    def value(self) -> str:
        """Return a string's text; in a plain one a backslash counts before a quote only."""
        if self.exact is not None:
            return self.exact
        return self.text[1:-1].replace("''", "'").replace("\\'", "'")

    @property
    def postgres(self) -> str:
        """Return the word as PostgreSQL reads it: there only E'...' has backslashes."""
        if self.kind != "string" or "\\" not in self.text:
            return self.text
        value = self.exact
        if value is None:
            value = _unescaped(self.text[1:-1].replace("''", "'"))
        return f" {postgres_literal(value)}"


@dataclass(frozen=True)
class Statement:
    """One statement of a script, as its words."""

    tokens: tuple[Token, ...]

    @cached_property
    def code(self) -> str:
        """Return the text without comments; sqlglot needs a blank behind a parameter."""
        parts = (t.gap + t.text + (" " if t.kind == "parameter" else "") for t in self.tokens)
        return "".join(parts).strip()

    @cached_property
    def outline(self) -> str:
        """Return the text with all strings empty: every reader finds the same words in it."""
        texts = (t.gap + ("''" if t.kind == "string" else t.text) for t in self.tokens)
        return "".join(texts)

    @cached_property
    def postgres(self) -> str:
        """Return the same words for PostgreSQL."""
        return "".join(t.gap + t.postgres for t in self.tokens).strip()

    @property
    def leading_word(self) -> str:
        """Return the first word in capitals; ( for a query in brackets."""
        return self.tokens[0].word if self.tokens else ""

    def words(self, start: int = 0, count: int | None = None) -> list[str]:
        """Return some words in capitals; a string or a quoted name is an empty one."""
        end = None if count is None else start + count
        return [token.word for token in self.tokens[start:end]]

    def since(self, start: int, end: int | None = None) -> Statement:
        """Return the statement that some of the words make."""
        return Statement(self.tokens[start:end])


def read(text: str) -> Statement:
    """Read a text that is one statement."""
    found = split(text)
    if len(found) != 1:
        raise Refusal("syntax error: one statement is expected here", SYNTAX)
    return found[0]


def split(script: str) -> list[Statement]:
    """Read a script's statements; empty ones are left out."""
    found: list[Statement] = []
    held: list[Token] = []
    for token in tokens(script):
        if token.kind == "mark" and token.text == ";":
            found.append(Statement(tuple(held)))
            held = []
        else:
            held.append(token)
    found.append(Statement(tuple(held)))
    return [statement for statement in found if statement.tokens]


def without_plain_rows(statement: Statement) -> tuple[Statement, Statement | None]:
    """Return INSERT ... VALUES with its first row, and the others where all are plain literals."""
    end = _end_of_first_row(statement)
    more = statement.since(end)
    if _PLAIN_ROWS.fullmatch(more.outline) and not any("\\" in t.text for t in more.tokens):
        return statement.since(0, end), more
    return statement, None


def _end_of_first_row(statement: Statement) -> int:
    """Return where the first row of INSERT ... VALUES ends; of another statement, its end."""
    end = len(statement.tokens)
    if statement.leading_word != "INSERT":
        return end
    depth, is_row = 0, False
    for position, token in enumerate(statement.tokens):
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if is_row and depth == 0 and token.word == ")":
            return position + 1
        is_row |= depth == 0 and token.word == "VALUES"
    return end


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of a text; `;` is one."""
    position, gap = 0, ""
    while position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            raise _unreadable(text[position:])
        kind, piece, start = match.lastgroup or "", match[0], position
        position, exact = match.end(), None
        if kind in ("blank", "comment"):
            if kind == "comment":
                position = _end_of_comment(text, position)
            # A line break between two strings makes them one: it stays.
            gap = "\n" if "\n" in gap or "\n" in text[start:position] else " "
            continue
        if kind == "dollar":
            end = text.find(piece, position)
            if end < 0:
                raise _unreadable(text[start:])
            exact, position = text[position:end], end + len(piece)
            kind, piece = "string", redshift_literal(exact)
        elif kind == "string" and piece[0] in "eE":
            exact = _unescaped(piece[2:-1].replace("''", "'"))
            piece = redshift_literal(exact)
        elif kind == "string":
            piece = piece.lstrip("nN")
        elif kind == "coded":
            raise Refusal.fails_on_redshift(f"{piece.upper()}...{piece[-1]}")
        elif len(piece) > _MAX_NAME // 4 and kind in ("word", "quoted"):
            _check_length(piece)
        yield Token(kind, piece, gap, exact)
        gap = ""


def _end_of_comment(text: str, position: int) -> int:
    """Return where a comment ends; comments nest."""
    depth = 1
    while depth:
        found = _COMMENT.search(text, position)
        if found is None:
            raise Refusal("unterminated comment", SYNTAX)
        depth += 1 if found[0] == "/*" else -1
        position = found.end()
    return position


def _unescaped(body: str) -> str:
    value = _ESCAPE.sub(_character, body)
    try:
        value = value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise Refusal("invalid Unicode surrogate pair", SYNTAX) from error
    if "\x00" in value:
        raise Refusal('invalid byte sequence for encoding "UTF8": 0x00', "22021")
    return value


def _character(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) > 1 and code[0] in "uUx":
        number = int(code[1:], 16)
    elif code[0] in "01234567":
        number = int(code, 8)
    else:
        return _CONTROL.get(code, code)
    if number > 0x10FFFF or (code[0] not in "uU" and number > 127):
        raise Refusal('invalid byte sequence for encoding "UTF8"', "22021")
    return chr(number)


def _check_length(piece: str) -> None:
    name = piece[1:-1].replace('""', '"') if piece[0] == '"' else piece
    if len(name.encode()) > _MAX_NAME:
        text = f"a name of more than {_MAX_NAME} bytes ({name[:20]}...)"
        raise Refusal.not_emulated(text)


def _unreadable(rest: str) -> Refusal:
    if rest[:1] in ("'", '"', "$"):
        return Refusal(f"unterminated quoted text at or near {rest[:20]!r}", SYNTAX)
    return Refusal(f"syntax error at or near {rest[:20]!r}", SYNTAX)
