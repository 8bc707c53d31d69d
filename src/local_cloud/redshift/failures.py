"""Raising errors from the server, so that a client sees what Redshift's clients see."""

from __future__ import annotations

from typing import Any, NoReturn

NOT_EMULATED = "0A000"
INTERNAL = "XX000"
SYNTAX = "42601"


def detail_block(error: str, code: int, context: str = "", query: int = 0) -> str:
    """Return Redshift's DETAIL block (its layout as clients print it)."""
    rule = "-----------------------------------------------"
    return (
        f"\n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n"
        f"  query:     {query}\n  location:  local_cloud\n  process:   local\n  {rule}"
    )


def fail(execute: Any, message: str, code: str = INTERNAL, detail: str = "") -> NoReturn:
    """Raise through the server: driver class, SQLSTATE, DETAIL and aborted transaction are real.

    `execute` is the plain cursor's execute method.
    """
    execute("SELECT redshift_local.fail(%s, %s, %s)", (message, code, detail))
    raise AssertionError("the server did not raise")


def not_emulated(execute: Any, what: str) -> NoReturn:
    """Refuse what this emulation does not know, by name."""
    fail(
        execute,
        f"{what} is not emulated by the local Redshift",
        NOT_EMULATED,
        "see src/local_cloud/README.md for what is",
    )


def fails_on_redshift(execute: Any, what: str) -> NoReturn:
    """Refuse what PostgreSQL has and Redshift has not."""
    fail(execute, f"{what} works on PostgreSQL, fails on Redshift", NOT_EMULATED)
