"""Everything that decides what a data set holds, also as text that another machine reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date

from src.services.encoding.record_encoding import RawFormat
from src.services.generation.concert_world import WorldSize
from src.services.generation.later_days import WorldClock


@dataclass(frozen=True)
class Recipe:
    """The arguments of a data set."""

    size: WorldSize
    seed: int
    defect_rate: float
    raw_format: RawFormat
    clock: WorldClock = WorldClock()

    def as_text(self) -> str:
        """Return the recipe as JSON."""
        return json.dumps(asdict(self), default=str)


def recipe_from(text: str) -> Recipe:
    """Return the recipe that `as_text` wrote."""
    found = json.loads(text)
    days = {name: day and date.fromisoformat(day) for name, day in found["clock"].items()}
    given = {"size": WorldSize(**found["size"]), "clock": WorldClock(**days)}
    return Recipe(**found | given)
