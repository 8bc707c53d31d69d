"""Reads single values of a saved model's state; ValueError or TypeError where they are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from src.json_object import JsonObject
from src.services.arrays import Floats


def number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{value!r:.40} is no finite number")
    return float(value)


def seed(state: JsonObject) -> int:
    """Return the random state."""
    value = state["random_state"]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"random_state is {value!r:.40}, no whole number")
    return value


def share(state: JsonObject, name: str) -> float:
    """Return a share between 0 and 1."""
    value = number(state[name])
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}, not between 0 and 1")
    return value


def moment(state: JsonObject, name: str) -> str:
    """Return a moment as numpy writes it."""
    found = np.datetime64(str(state[name]), "us")
    if np.isnat(found):
        raise ValueError(f"no {name}")
    return str(found)


def words(values: Any) -> tuple[str, ...]:
    """Return a list of words."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r:.40} is no list of words")
    return tuple(values)


def rising(values: Any, name: str) -> Floats:
    """Return numbers that never fall, at least one."""
    found = np.array([number(value) for value in values], dtype=np.float64)
    if len(found) == 0 or (np.diff(found) < 0).any():
        raise ValueError(f"{name} are {len(found)} numbers, not in rising order")
    return found
