"""The words of a statement that no SQL parser knows: COPY and UNLOAD."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from src.sql import scanning
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token


class StatementTokens:
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
        text = self.next()
        if not text.isdigit() or not low <= int(text) <= high:
            raise Refusal(f"{word} value must be between {low} and {high}", SYNTAX)
        return int(text)

    def syntax(self, near: str) -> NoReturn:
        """Raise a syntax error."""
        raise Refusal(f'syntax error at or near "{near}"', SYNTAX)


class OptionTokens(StatementTokens):
    """What COPY and UNLOAD have in common: options by their word, and authorisation."""

    def option(self, word: str, command: Any) -> None:
        """Let `_option_WORD` read an option's arguments; an unknown word is a syntax error."""
        handler = getattr(self, f"_option_{word.lower()}", None)
        if handler is None:
            self.syntax(word)
        handler(command)

    def _option_with(self, command: Any) -> None:
        command.given.discard("WITH")

    def _option_format(self, command: Any) -> None:
        command.given.discard("FORMAT")
        self.take("AS")

    # Region and credentials are read and forgotten: the local S3 has its own.
    def _option_iam_role(self, _: Any) -> None:
        if not self.take_any("DEFAULT"):
            self.string()

    def _option_region(self, _: Any) -> None:
        self.take("AS")
        self.string()

    _option_credentials = _option_region
    _option_access_key_id = _option_region
    _option_secret_access_key = _option_region
    _option_session_token = _option_region


def character(text: str) -> str:
    """Return a character written as itself, as \\t and the like, or as \\ddd in octal."""
    named = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\0": "\0"}
    if text in named:
        return named[text]
    octal = re.fullmatch(r"\\([0-7]{3})", text)
    return chr(int(octal[1], 8)) if octal else text
