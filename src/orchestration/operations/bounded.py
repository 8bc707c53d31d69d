"""Work for those outside, who may be down or slow: bounded in time, and never an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

Warn = Callable[[str], None]


def within(limit_s: float, tasks: Mapping[str, Callable[[], None]], warn: Warn) -> None:
    """Do tasks at the same time and wait for at most `limit_s`; what fails is a warning.

    A warning has the task's name and the kind of error: its text may hold a secret address.
    """

    def quietly(name: str, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:
            warn(f"{name}: {type(error).__name__}")

    threads = {name: threading.Thread(target=quietly, args=(name, task), daemon=True)
               for name, task in tasks.items()}  # fmt: skip
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + limit_s
    for name, thread in threads.items():
        thread.join(max(deadline - time.monotonic(), 0.0))
        if thread.is_alive():
            warn(f"{name}: no answer within {limit_s:g} s")
