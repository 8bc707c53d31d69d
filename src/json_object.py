"""The shape of what is read from or written as JSON: reports, documents, AWS's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

JsonObject = dict[str, Any]
JsonView = Mapping[str, Any]  # one that is read only


def first_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that was there before; each is read once, however many there are."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
