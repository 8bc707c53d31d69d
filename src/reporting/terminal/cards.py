"""The cards of the talk: what happens now, on which service, and what to say about it.

The presenter's guide is made of the same file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("cards.json")


@dataclass(frozen=True)
class Card:
    """One card; `type` are the commands to type, for scenes that a presenter types himself."""

    key: str
    service: str
    what: str
    say: str
    type: str = ""


@dataclass(frozen=True)
class Scene:
    """A part of the talk."""

    title: str
    cards: tuple[Card, ...]


@cache
def scenes() -> dict[str, Scene]:
    """Return the talk's scenes by name."""
    found = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: Scene(scene["title"], tuple(Card(**card) for card in scene["cards"]))
        for name, scene in found.items()
    }


def card_of(key: str) -> Card | None:
    """Return the card of a stage; None for a stage that no talk shows."""
    return next((c for scene in scenes().values() for c in scene.cards if c.key == key), None)
