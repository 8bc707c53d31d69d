"""What a model holds only after it was fitted."""

from __future__ import annotations

from typing import TypeVar

from src.errors import UsageError

Learned = TypeVar("Learned")


def fitted(learned: Learned | None, model: str, method: str) -> Learned:
    """Return what `method` learns; raises UsageError where it was not called."""
    if learned is None:
        raise UsageError(
            f"the {model} model lacks what {method} learns", hint=f"call {method} first"
        )
    return learned
