"""The tokens of a procedure's body, read front to back; `;` is one of them."""

from __future__ import annotations

from src.local_cloud.redshift.procedures.nodes import Tokens
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Token


class BodyTokens:
    """Reads tokens front to back; `;` is one of them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Tell whether every token was read."""
        return self._at >= len(self._tokens)

    def fail(self) -> Refusal:
        """Raise a syntax error at the next token."""
        near = "end of the procedure" if self.is_at_end else self._tokens[self._at].text
        raise Refusal(f'syntax error at or near "{near}" in a procedure', SYNTAX)

    def word(self, ahead: int = 0) -> str:
        """Return a coming word in capitals, or a mark; nothing for strings."""
        at = self._at + ahead
        return self._tokens[at].word if at < len(self._tokens) else ""

    def take(self, *words: str) -> bool:
        """Step over some words, if they come next; tells whether they did."""
        if all(self.word(ahead) == word for ahead, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Step over words that must be there."""
        if not self.take(*words):
            self.fail()

    def name(self) -> str:
        """Return a name, folded to lower case."""
        if self.is_at_end or self._tokens[self._at].kind not in ("word", "quoted"):
            self.fail()
        self._at += 1
        return self._tokens[self._at - 1].name

    def until(self, *words: str) -> Tokens:
        """Return the tokens before one of some words outside of brackets and CASE."""
        start, depth = self._at, 0
        while not self.is_at_end:
            word = self.word()
            if depth == 0 and word in words:
                return self._tokens[start : self._at]
            depth += {"(": 1, "[": 1, "CASE": 1, ")": -1, "]": -1, "END": -1}.get(word, 0)
            self._at += 1
        raise self.fail()

    def rest(self) -> Tokens:
        """Return what is left of a statement, and step over its end."""
        found = self.until(";")
        self._at += 1
        return found

    def listed(self, *ends: str) -> tuple[Tokens, ...]:
        """Return expressions between commas, up to one of some words, which stays."""
        found = [self.until(",", *ends)]
        while self.take(","):
            found.append(self.until(",", *ends))
        return tuple(found) if found != [()] else ()

    def names(self) -> tuple[str, ...]:
        """Return the variables of INTO."""
        found = [self.target()]
        while self.take(","):
            found.append(self.target())
        return tuple(found)

    def target(self) -> str:
        """Return a variable's name, or a record's and its field's."""
        name = self.name()
        return f"{name}.{self.name()}" if self.take(".") else name

    def last(self, back: int) -> Token:
        """Return a token that was read."""
        return self._tokens[self._at - back]
