"""Waiting for a condition: the one way by which tests meet what happens beside them."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Long enough for a machine that is busy with something else: only a test that fails waits so long.
PATIENCE_S = 120


def wait_until(
    probe: Callable[[], T], what: str, *, timeout_s: float = PATIENCE_S, pause_s: float = 0.02
) -> T:
    """Call `probe` until it returns something true; returns that, or fails naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(pause_s)
    return found
