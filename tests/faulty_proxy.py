"""An HTTP proxy before an S3 server that does to some answers what networks and servers do."""

import http.client
import select
import socket
import struct
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_S


class FaultyProxy:
    """Passes requests on; `fault` strikes the next `times` of them that `method` matches."""

    def __init__(self, endpoint):
        self.target = urlsplit(endpoint)
        self.fault, self.times, self.method = None, 0, ""
        self.struck = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                proxy.serve(self)

            do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that gave up
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def strike(self, fault, times, method=""):
        self.fault, self.times, self.method, self.struck = fault, times, method, 0

    def serve(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        strikes = self.struck < self.times and self.method in ("", request.command)
        if strikes:
            self.struck += 1
        if strikes and self.fault == "reset":
            # Closed with RST: what was sent is lost, and no end is sent.
            linger = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            request.connection.close()
            request.close_connection = True
            return
        if strikes and self.fault in ("500", "503"):
            request.send_response(int(self.fault))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if strikes and self.fault == "slow":
            select.select([request.connection], [], [], PATIENCE_S)  # until the client has left
        self._pass_on(request, body, truncate=strikes and self.fault == "truncated")

    def _pass_on(self, request, body, *, truncate):
        with closing(
            http.client.HTTPConnection(self.target.hostname, self.target.port)
        ) as connection:
            connection.request(request.command, request.path, body, dict(request.headers))
            answer = connection.getresponse()
            content = answer.read()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date"):
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else len(content)
        request.send_header("Content-Length", str(length or 0))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content[: len(content) // 2] if truncate else content)
        if truncate:
            request.wfile.flush()
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
