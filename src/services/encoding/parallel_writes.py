"""Storing files side by side: a distant store is slow by the trip, not by the file."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

AT_ONCE = 4


class SideBySide:
    """Puts files into a sink from a few threads; use it as a context manager.

    What a put raised is raised by a later one, or at the end; then nothing more is begun.
    """

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._begun: deque[Future[None]] = deque()

    def put(self, path: str, body: bytes) -> None:
        """Begin to store one file, when one of those before is done."""
        while len(self._begun) >= AT_ONCE:
            self._begun.popleft().result()
        self._begun.append(self._pool.submit(self._sink.put, path, body))

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        self._pool.shutdown(cancel_futures=error is not None)
        if error is None:
            for begun in self._begun:
                begun.result()
