"""HTTP/1.1 whose requests have a head of limited size, in limited time.

uvicorn limits neither: one connection could fill the memory, or stay open for ever.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536  # about; a piece that the system delivers may be longer once
HEAD_S = 30.0


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection whose request line and headers are too long, or take too long to arrive."""

    _head_bytes: int | None = 0  # None while a request's body is read
    _head_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self._head_limit = self.loop.call_later(HEAD_S, self._refuse)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time limit."""
        self._end_limit()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count the head of a request."""
        self._head_bytes = 0
        if self._head_limit is None:
            self._head_limit = self.loop.call_later(HEAD_S, self._refuse)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is read."""
        self._head_bytes = None
        self._end_limit()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request."""
        super().data_received(data)
        if self._head_bytes is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse()

    def _refuse(self) -> None:
        self._end_limit()
        self.send_400_response("The head of the request is too long, or took too long.")

    def _end_limit(self) -> None:
        if self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None
