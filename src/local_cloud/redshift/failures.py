"""What the local Redshift refuses, and how a client gets to see it: as the server's own error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

NOT_EMULATED = "0A000"
INTERNAL = "XX000"
SYNTAX = "42601"
PERMISSION = "42501"


class Refusal(Exception):  # noqa: N818 (the name that DESIGN gives it)
    """A statement that will not run; raised by what reads it, without a server at hand."""

    def __init__(self, message: str, code: str = INTERNAL, detail: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.detail = message, code, detail

    @classmethod
    def not_emulated(cls, what: str) -> Refusal:
        """Refuse what this emulation does not know, by name."""
        detail = "see src/local_cloud/README.md for what is"
        return cls(f"{what} is not emulated by the local Redshift", NOT_EMULATED, detail)

    @classmethod
    def fails_on_redshift(cls, what: str) -> Refusal:
        """Refuse what PostgreSQL has and Redshift has not."""
        return cls(f"{what} works on PostgreSQL, fails on Redshift", NOT_EMULATED)

    @classmethod
    def no_permission(cls, what: str) -> Refusal:
        """Refuse what no client may touch."""
        return cls(f"permission denied for {what}", PERMISSION)


@contextmanager
def raised_by_server(execute: Any) -> Iterator[None]:
    """Turn a refusal into the server's error: class, SQLSTATE and aborted transaction are real.

    `execute` is the plain cursor's execute method.
    """
    try:
        yield
        return
    except Refusal as refusal:
        refused = refusal
    except RecursionError:
        refused = Refusal("stack depth limit exceeded", "54001")
    execute("SELECT redshift_local.fail(%s, %s, %s)",
            (refused.message, refused.code, refused.detail))  # fmt: skip


def detail_block(error: str, code: int, context: str = "", query: int = 0) -> str:
    """Return Redshift's DETAIL block (its layout as clients print it)."""
    rule = "-----------------------------------------------"
    return (
        f"\n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n"
        f"  query:     {query}\n  location:  local_cloud\n  process:   local\n  {rule}"
    )


def fail(_: Any, message: str, code: str = INTERNAL, detail: str = "") -> NoReturn:
    """Refuse; the server raises it at the door (`raised_by_server`)."""
    raise Refusal(message, code, detail)


def not_emulated(_: Any, what: str) -> NoReturn:
    """Refuse what this emulation does not know, by name."""
    raise Refusal.not_emulated(what)
