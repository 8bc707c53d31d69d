"""Waiting for a condition and trying again: the only place that sleeps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from typing import TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")
Sleep = Callable[[float], None]
Clock = Callable[[], float]
real_sleep: Sleep = time.sleep
real_clock: Clock = time.monotonic
FOREVER_S = float("inf")


def is_there(found: object) -> bool:
    """Tell whether something was found."""
    return found is not None


def poll_until(
    probe: Callable[[], T],
    done: Callable[[T], bool] = is_there,
    *,
    pauses_s: Iterable[float],
    timeout_s: float = FOREVER_S,
    sleep: Sleep = real_sleep,
    clock: Clock = real_clock,
) -> T:
    """Call `probe` until it returns what is `done`, or the time or the pauses are over.

    Returns what it returned last.
    """
    deadline, pauses = clock() + timeout_s, iter(pauses_s)
    while not done(found := probe()):
        pause = next(pauses, None)
        if pause is None or clock() >= deadline:
            break
        sleep(pause)
    return found


def attempts(
    action: Callable[[], T],
    *,
    may_repeat: Callable[[Exception], bool],
    pauses_s: Iterable[float],
    timeout_s: float = FOREVER_S,
    sleep: Sleep = real_sleep,
    clock: Clock = real_clock,
) -> T:
    """Return what `action` returns, doing it again after errors that `may_repeat` accepts.

    There is one attempt more than pauses, and none after `timeout_s`; the last error is raised.
    """
    deadline = clock() + timeout_s
    for pause in chain(pauses_s, [None]):
        try:
            return action()
        except Exception as error:
            if pause is None or not may_repeat(error) or clock() >= deadline:
                raise
            cause = getattr(error, "cause", None) or type(error).__name__
            logger.info("again in %g s: %s: %s", pause, error, cause)
        sleep(pause)
    raise AssertionError("unreachable")


def every(seconds: float) -> Iterable[float]:
    """Return equal pauses without end."""
    return repeat(seconds)


def growing(first_s: float, *, factor: float = 2.0, longest_s: float = 60.0) -> Iterable[float]:
    """Yield pauses without end, each longer than the one before it."""
    while True:
        yield first_s
        first_s = min(first_s * factor, longest_s)
