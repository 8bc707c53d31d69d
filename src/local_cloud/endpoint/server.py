"""The HTTP server of the AWS endpoint: 127.0.0.1, one thread a connection, kept alive."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from src.local_cloud.endpoint.dispatch import Dispatcher
from src.local_cloud.endpoint.signature import Request

MAX_BODY = 15 * 1024 * 1024  # bytes: 10 MiB of records as base64, the most PutRecords takes
MAX_CONNECTIONS = 200
IDLE_S = 75.0  # a connection that sends nothing for as long is closed
logger = logging.getLogger(__name__)


class EndpointServer:
    """Listens on a free port from `start` to `stop`."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Listen on a free port, again on the same one; returns at once."""
        self._server = _Server(self._dispatcher, self.port)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="aws-endpoint", daemon=True
        )
        self._thread.start()

    @property
    def end(self) -> str | None:
        """Return how the server ended, or None while it listens."""
        has_ended = self._thread is not None and not self._thread.is_alive()
        return "an internal error" if has_ended else None

    def stop(self) -> None:
        """Stop listening, and close every connection."""
        if self._server is not None:
            self._server.shutdown()
            self._server.close_connections()
            self._server.server_close()
            self._server = self._thread = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, dispatcher: Dispatcher, port: int) -> None:
        self.dispatcher = dispatcher
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without a look at the name service, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse a connection above the limit."""
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                return False
            self._open.add(request)
            return True

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End every connection: its thread reads the end of it."""
        with self._lock:
            held = list(self._open)
        for connection in held:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a connection that broke off; the others go on."""
        logger.debug("a connection to the AWS endpoint ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "concert-demo", ""
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece

    def do_POST(self) -> None:
        """Answer one request."""
        body = self._body()
        if body is None:
            return
        headers = {name.lower(): " ".join(value.split()) for name, value in self.headers.items()}
        answer = self.server.dispatcher.answer(Request("POST", self.path, headers, body))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("x-amzn-RequestId", answer.request_id)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def _body(self) -> bytes | None:
        """Read the body; one that is too long, or of no stated length, ends the connection."""
        text = self.headers.get("Content-Length", "")
        if not text.isascii() or not text.isdigit() or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(411)
            return None
        if len(text) > len(str(MAX_BODY)) or int(text) > MAX_BODY:
            self.close_connection = True
            self.send_error(413)
            return None
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            self.close_connection = True
            return None
        return body

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log of requests: they hold statements and signatures."""
