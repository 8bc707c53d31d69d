"""Reads the tokens of a statement that no SQL parser reads, front to back."""

from __future__ import annotations

from typing import NoReturn

from src.sql import scanning
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token


def whole_number(text: str) -> int | None:
    """Return the number that some ASCII digits write, at most 18; else None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


class TokenReader:
    """Reads a statement front to back."""

    def __init__(self, statement: Statement | str) -> None:
        found = scanning.read(statement) if isinstance(statement, str) else statement
        self._tokens = found.tokens
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Tell whether every token was read."""
        return self._at >= len(self._tokens)

    def next(self) -> str:
        """Return the next token's text, and step over it."""
        return self._next().text

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            self.syntax("end of statement")
        self._at += 1
        return self._tokens[self._at - 1]

    def peek_kind(self) -> str:
        """Return the kind of the next token: string, quoted, word, mark, or nothing."""
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def peek_is(self, *texts: str) -> bool:
        """Tell whether the next token is one of some words."""
        return self._at < len(self._tokens) and self._tokens[self._at].word in texts

    def take(self, text: str) -> bool:
        """Step over a word, if it is the next one; tells whether it was."""
        if self.peek_is(text):
            self._at += 1
            return True
        return False

    def take_any(self, *texts: str) -> bool:
        """Step over one of some words; tells whether there was one."""
        return any(self.take(text) for text in texts)

    def expect(self, text: str) -> None:
        """Step over a word that must be there."""
        if not self.take(text):
            found = self._tokens[self._at].text if self._at < len(self._tokens) else "end"
            self.syntax(found)

    def identifier(self) -> str:
        """Return a name, folded to lower case also when quoted."""
        token = self._next()
        if token.kind not in ("word", "quoted"):
            self.syntax(token.text)
        return token.name

    def string(self) -> str:
        """Return the text of a string literal."""
        token = self._next()
        if token.kind != "string":
            self.syntax(token.text)
        return token.value

    def number(self, low: int, high: int, word: str) -> int:
        """Return a whole number within its limits."""
        found = whole_number(self.next())
        if found is None or not low <= found <= high:
            raise Refusal(f"{word} value must be between {low} and {high}", SYNTAX)
        return found

    def syntax(self, near: str) -> NoReturn:
        """Raise a syntax error."""
        raise Refusal(f'syntax error at or near "{near}"', SYNTAX)
