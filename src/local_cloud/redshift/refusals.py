"""What the local Redshift refuses, and how a client gets to see it: as the server's own error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from src.sql.refusal import Refusal

logger = logging.getLogger(__name__)
_INTERNAL_ERRORS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
                    AssertionError, MemoryError)  # fmt: skip


@contextmanager
def raised_by_server(send: Callable[[str, tuple[str, str, str]], None]) -> Iterator[None]:
    """Turn a refusal into the server's error: class, SQLSTATE and aborted transaction are real.

    `send` is the plain cursor's execute method.
    """
    try:
        yield
        return
    except Refusal as refusal:
        refused = refusal
    except RecursionError:
        refused = Refusal("stack depth limit exceeded", "54001")
    except _INTERNAL_ERRORS as error:  # it must not end the session, nor pass for another outcome
        logger.exception("an internal error")
        refused = Refusal(f"internal error of the local Redshift: {type(error).__name__}: {error}")
    send("SELECT redshift_local.fail(%s, %s, %s)",
         (refused.message, refused.code, refused.detail))  # fmt: skip


def detail_block(error: str, code: int, context: str = "", query: int = 0) -> str:
    """Return Redshift's DETAIL block (its layout as clients print it)."""
    rule = "-----------------------------------------------"
    return (
        f"\n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n"
        f"  query:     {query}\n  location:  local_cloud\n  process:   local\n  {rule}"
    )
