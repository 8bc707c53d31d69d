"""Listens on 127.0.0.1, requests the password from each client, and serves it in a thread."""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import secrets
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2

from src.local_cloud.redshift.front import messages
from src.local_cloud.redshift.front.messages import (
    MAX_BEFORE_AUTHENTICATION,
    Channel,
    ClosedError,
    Message,
)
from src.local_cloud.redshift.front.session import FrontConnection, Session
from src.local_cloud.redshift.front.startup import startup_settings
from src.local_cloud.redshift.refusals import raised_by_server
from src.local_cloud.redshift.statements.identity import NAMES, reported_parameters
from src.local_cloud.redshift.statements.session_settings import (
    set_setting,
    startup_setting,
)
from src.sql.quoting import shown
from src.sql.refusal import Refusal

AUTHENTICATION_S = 60.0  # as PostgreSQL's authentication_timeout
logger = logging.getLogger(__name__)


class Front:
    """The front of one server: `address` are psycopg2's arguments for it."""

    def __init__(
        self, address: Mapping[str, Any], make_s3: Callable[[], Any],
        authentication_s: float = AUTHENTICATION_S, tls: ssl.SSLContext | None = None,
        is_temporary: Callable[[str, bytes], bool] = lambda user, password: False,
    ) -> None:  # fmt: skip
        self._address = dict(address)
        self._authentication_s = authentication_s
        self._make_s3 = make_s3
        self._tls = tls
        self._is_temporary = is_temporary  # whether a temporary password is good for the user
        self._s3: Any = None
        self._lock = threading.Lock()
        self._sessions: dict[int, tuple[FrontConnection, bytes]] = {}  # with the cancel key
        self._server: _Server | None = None
        self.port = 0

    def start(self) -> None:
        """Listen on a free port; returns at once."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="front", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening, and end every session."""
        if self._server is None:
            return
        self._server.shutdown()
        for connection, _ in list(self._sessions.values()):
            # The session's thread reads from the server's socket: that ends it.
            with (
                contextlib.suppress(OSError, psycopg2.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as behind,
            ):
                behind.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._server = None

    def handle(self, client: Channel) -> None:
        """Serve one client from its first message to its last."""
        client.limit_time(self._authentication_s)
        code, body = client.read_startup()
        for _ in range(2):  # each may be requested once
            if code == messages.SSL_REQUEST and self._tls is not None:
                client.start_tls(self._tls)
                code, body = client.read_startup()
            elif code in (messages.SSL_REQUEST, messages.GSS_REQUEST):
                client.send_bytes(b"N")
                code, body = client.read_startup()
        if code == messages.CANCEL_REQUEST:
            self._cancel(body)
            return
        if code >> 16 != messages.PROTOCOL_3:
            client.send(messages.error("FATAL", "0A000", "only protocol 3 is spoken here"))
            return
        wanted = messages.startup_parameters(body)
        if self._is_allowed(client, wanted):
            client.limit_time(None)
            self._serve(client, wanted)

    def _is_allowed(self, client: Channel, wanted: Mapping[str, str]) -> bool:
        client.send(messages.authentication(3))
        answer = client.read(MAX_BEFORE_AUTHENTICATION)
        given = answer.body.partition(b"\x00")[0]
        good = answer.kind == b"p" and hmac.compare_digest(
            given, self._address["password"].encode()
        )
        user = wanted.get("user", "")
        if not (good and user == self._address["user"]) and not self._is_temporary(user, given):
            text = f"password authentication failed for user {shown(user)}"
            client.send(messages.error("FATAL", "28P01", text))
            return False
        return True

    def _serve(self, client: Channel, wanted: Mapping[str, str]) -> None:
        try:
            connection = self._connect(wanted)
        except Refusal as refusal:
            client.send(messages.error("FATAL", refusal.code, refusal.message))
            return
        except psycopg2.Error as error:
            code = error.pgcode or getattr(error, "sqlstate", None) or "08006"
            client.send(messages.error("FATAL", code, _without_address(error)))
            return
        pid, secret = connection.get_backend_pid(), secrets.token_bytes(4)
        self._sessions[pid] = connection, secret
        session = Session(client, connection)
        try:
            client.send(messages.authentication(0))
            real = {name: connection.get_parameter_status(name) for name in NAMES}
            for name, value in reported_parameters(wanted, real):
                client.send(Message(b"S", messages.text(name) + messages.text(value)))
            key = Message(b"K", struct.pack("!I", pid) + secret)
            client.send(key, Message(b"Z", b"I"))
            session.serve()
        finally:
            self._sessions.pop(pid, None)
            session.close()
            connection.close()

    def _connect(self, wanted: Mapping[str, str]) -> FrontConnection:
        from src.local_cloud.redshift.connection import RedshiftCursor

        settings = startup_settings(wanted)
        address = {**self._address, "dbname": wanted.get("database") or self._address["dbname"]}
        connection: FrontConnection = psycopg2.connect(
            **address, connection_factory=FrontConnection, cursor_factory=RedshiftCursor
        )
        connection.autocommit = True
        connection.address = self._address
        connection.s3 = self._shared_s3()
        try:
            with connection.cursor() as cursor, raised_by_server(cursor.execute_postgres):
                connection.start_settings = [
                    set_setting(startup_setting(name, value)) for name, value in settings
                ]
                for setting in connection.start_settings:
                    cursor.execute_postgres(setting)
        except psycopg2.Error:
            connection.close()
            raise
        return connection

    def _shared_s3(self) -> Any:
        with self._lock:
            self._s3 = self._s3 or self._make_s3()
            return self._s3

    def _cancel(self, body: bytes) -> None:
        pid, secret = struct.unpack("!I", body[:4].ljust(4, b"\x00"))[0], body[4:]
        connection, right = self._sessions.get(pid, (None, b""))
        if connection is not None and hmac.compare_digest(secret, right):
            connection.cancel()


def _without_address(error: psycopg2.Error) -> str:
    """Return an error's text; the text about connecting to the server behind is left out."""
    text = error.diag.message_primary or str(error).strip()
    if "connection to server" in text:
        _, found, text = text.rpartition("FATAL:")
        text = text.strip() if found else "the local warehouse does not answer"
    return text


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, front: Front) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Channel.to_client(self.request)
        with contextlib.suppress(ClosedError), contextlib.closing(client):
            try:
                self.server.front.handle(client)
            except ClosedError:
                raise
            except TimeoutError:
                text = "canceling authentication due to timeout"
                client.send(messages.error("FATAL", "08006", text))
            except UnicodeDecodeError:
                text = 'invalid byte sequence for encoding "UTF8"'
                client.send(messages.error("FATAL", "22021", text))
            except Exception as error:  # an internal error ends this session, and no other
                logger.exception("the front met an error")
                text = f"internal error of the local Redshift: {type(error).__name__}: {error}"
                client.send(messages.error("FATAL", "XX000", text))
