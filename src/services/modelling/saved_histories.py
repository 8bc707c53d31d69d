"""The history of artists and venues in a saved model: JSON for what is few, arrays for the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from src.json_object import JsonObject
from src.services.arrays import Array
from src.services.demand.earlier_shows import EarlierShows, Spread


def state_of(earlier: EarlierShows) -> JsonObject:
    """Return what is few."""
    spread = earlier.spread
    return {
        "within": spread.within,
        "between": spread.between,
        "decay_days": earlier.decay_days,
    }


def arrays_of(earlier: EarlierShows, name: str) -> dict[str, Array]:
    """Return the shows as named arrays."""
    return {
        f"{name}_owners": np.array(earlier.owners, dtype=np.str_),
        f"{name}_owner": earlier.owner,
        f"{name}_starts_at": earlier.starts_at.astype(np.int64),
        f"{name}_total": earlier.total,
        f"{name}_weight": earlier.weight,
    }


def history(state: JsonObject, arrays: Mapping[str, Array], name: str) -> EarlierShows:
    """Return the history of saved values; raises ValueError where they do not fit."""
    owners = tuple(arrays[f"{name}_owners"].astype(np.str_, casting="safe").tolist())
    owner, starts_at = (
        arrays[f"{name}_{part}"].astype(np.int64, casting="safe") for part in ("owner", "starts_at")
    )
    total, weight = (
        arrays[f"{name}_{part}"].astype(np.float64, casting="safe") for part in ("total", "weight")
    )
    decay, within, between = state["decay_days"], float(state["within"]), float(state["between"])
    numbers = (within, between, 1.0 if decay is None else float(decay))
    if not all(np.isfinite(number) and number > 0 for number in numbers):
        raise ValueError(f"{name}: a variance or a decay is not above 0")
    is_sorted = (np.diff(owner) > 0) | ((np.diff(owner) == 0) & (np.diff(starts_at) >= 0))
    if (
        {a.shape for a in (owner, starts_at, total, weight)} != {(len(owner),)}
        or not is_sorted.all()
        or ((owner < 0) | (owner >= len(owners))).any()
        or not (np.isfinite(total).all() and np.isfinite(weight).all() and (weight > 0).all())
    ):
        raise ValueError(f"{name}: shows that are no history")
    spread = Spread(within, between)
    decay = None if decay is None else float(decay)
    return EarlierShows(
        spread, decay, owners, owner, starts_at.astype("datetime64[us]"), total, weight
    )
