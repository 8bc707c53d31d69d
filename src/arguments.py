"""The parser of every command: its errors look like all others, and name what was meant."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from src.commands import PROGRAM
from src.errors import UsageError


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is spelled most like `word`, or None where none is near.

    The start of exactly one known word is near, as is a word in other case.
    """
    names = {name.casefold().replace("_", "-"): name for name in known}
    wanted = word.casefold().replace("_", "-")
    starts = [name for name in names if wanted.strip("-") and name.startswith(wanted)]
    if wanted not in names and len(starts) == 1:
        return names[starts[0]]
    found = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the question to ask about a word that is not known, or None."""
    found = nearest(word, known)
    return f"did you mean {found}?" if found else None


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of exiting, so that every error looks the same."""

    _guess: str | None = None

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found."""
        python = "" if self.prog.startswith(("python ", PROGRAM)) else "python "
        raise UsageError(message, cause=self._guess, hint=f"{python}{self.prog} --help")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse all arguments; raises UsageError, with the option that an unknown one is like."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            options = {name for parser in self._all_parsers() for name in parser.options()}
            first = unknown[0].split("=")[0]
            self._guess = did_you_mean(first, options) if first.startswith("-") else None
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found

    def options(self) -> list[str]:
        """Return every option as it is typed in full."""
        return [
            name for action in self._actions for name in action.option_strings if name[1] == "-"
        ]

    def _all_parsers(self) -> list[Parser]:
        below = [
            parser
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for parser in action.choices.values()
        ]
        return [self, *below]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            self._guess = did_you_mean(str(value), [str(choice) for choice in action.choices])
        super()._check_value(action, value)
