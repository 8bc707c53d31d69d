"""The verdict of a check, of whatever kind: of loaded data, of a model, of an installation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

Verdict = Literal["passed", "failed", "skipped"]


def passed_if(holds: bool) -> Verdict:
    """Return the verdict of a check that was made."""
    return "passed" if holds else "failed"


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how many checks passed, failed and were skipped."""
    found = list(verdicts)
    return {verdict: found.count(verdict) for verdict in get_args(Verdict)}
