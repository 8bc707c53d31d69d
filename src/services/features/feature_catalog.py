"""What the sales model may see, and when each of it is known; too late is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from src.errors import ModelError

KnownAt = Literal["on_sale", "show", "after_show"]
_ORDER: dict[str, int] = {"on_sale": 0, "show": 1, "after_show": 2}


@dataclass(frozen=True)
class Feature:
    """One column a model sees: when it is known and what it means."""

    name: str
    known_at: KnownAt
    doc: str


SALES_FEATURES: tuple[Feature, ...] = (
    Feature("log_capacity", "on_sale", "log of the venue's capacity"),
    Feature("log_price", "on_sale", "log of the standard ticket's price"),
    Feature("popularity", "on_sale", "the artist's popularity, 0-100"),
    Feature("log_lead", "on_sale", "log of the days from on-sale to show, and one"),
    Feature("years", "on_sale", "years since the first show of the training data"),
    Feature("competition", "on_sale", "shows in the city within a week, on sale before"),
    Feature("genre", "on_sale", "the artist's genre"),
    Feature("city", "on_sale", "the city"),
    Feature("venue_type", "on_sale", "the kind of venue"),
    Feature("month", "on_sale", "month of the show"),
    Feature("weekday", "on_sale", "weekday of the show, Sunday is 0"),
    Feature("artist_draw", "on_sale", "residual log demand of the artist's earlier shows, shrunk"),
    Feature("artist_shows", "on_sale", "how many those are, at most 30"),
    Feature("venue_draw", "on_sale", "the same of the venue's earlier shows"),
    Feature("venue_shows", "on_sale", "how many those are, at most 30"),
)


def refuse_late(features: Iterable[Feature], *, prediction_at: KnownAt = "on_sale") -> None:
    """Raise ModelError naming every feature that is not known yet at prediction time."""
    late = [f.name for f in features if _ORDER[f.known_at] > _ORDER[prediction_at]]
    if late:
        raise ModelError(
            f"features known too late for a prediction at {prediction_at}: {', '.join(late)}",
            where="src/services/features/feature_catalog.py",
            cause="they leak the target",
            hint="remove them, or predict later",
        )
