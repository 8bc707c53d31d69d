"""The figures as a page on 127.0.0.1, sent on as they change (server-sent events)."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from src.errors import UnreachableError
from src.streaming.live_view import Figures, LiveView, show_until

_PAGE = Path(__file__).with_name("watch_page.html")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'",
    "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
}  # fmt: skip
_BEAT_S = 15.0  # a comment at least as often, so that a browser that is gone is noticed


class Newest:
    """The newest look; readers wait for the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._text, self._number = json.dumps(Figures(note="looking").as_json()), 0
        self.is_over = False

    def put(self, figures: Figures) -> None:
        """Take a look in."""
        with self._changed:
            self._text, self._number = json.dumps(figures.as_json()), self._number + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let the readers end."""
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def next(self, after: int) -> tuple[int, str]:
        """Return the number and text of a look behind one, or of the same one after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self.is_over, _BEAT_S)
            return self._number, self._text


def application(newest: Newest) -> Any:
    """Return the ASGI application: the page, and its events."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE.read_text(encoding="utf-8"), headers=_HEADERS)

    async def events(request: Request) -> Response:
        return StreamingResponse(stream(), media_type="text/event-stream", headers=_HEADERS)

    async def stream() -> AsyncIterator[str]:
        seen = -1
        while not newest.is_over:
            number, text = await asyncio.to_thread(newest.next, seen)
            yield f"data: {text}\n\n" if number > seen else ": waiting\n\n"
            seen = number

    # Only by these names: a page of another site must not read the figures through its own.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=[Route("/", page), Route("/events", events)], middleware=[hosts])


def serve(
    view: LiveView, port: int, every_s: float, end: float, is_stopped: threading.Event,
    report: Callable[[str], None],
) -> None:  # fmt: skip
    """Serve the page until an end, or until asked to stop."""
    import uvicorn

    listening = _listening(port)
    newest = Newest()
    config = uvicorn.Config(application(newest), log_level="error", lifespan="off",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run, args=([listening],), daemon=True)
    serving.start()
    report(f"http://127.0.0.1:{listening.getsockname()[1]}/   Ctrl-C stops it")
    try:
        show_until(view, newest.put, every_s, end, is_stopped)
    finally:
        newest.close()
        server.should_exit = True
        serving.join(5)
        listening.close()


def _listening(port: int) -> socket.socket:
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen(64)  # who comes before the server runs waits for it
    except (OSError, OverflowError) as error:
        found.close()
        raise UnreachableError(
            f"port {port} cannot be used", where="127.0.0.1", cause=str(error),
            hint="python -m src.streaming watch --page, which takes a free port",
        ) from error  # fmt: skip
    return found
