"""What the options of COPY and UNLOAD have in common."""

from __future__ import annotations

import re
from typing import Any

from src.sql.reading import TokenReader


class OptionTokens(TokenReader):
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
