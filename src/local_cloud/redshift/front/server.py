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
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2

from src.local_cloud.redshift import query_log
from src.local_cloud.redshift.front import messages
from src.local_cloud.redshift.front.driver_forms import DriverForms
from src.local_cloud.redshift.front.front_connection import FrontConnection
from src.local_cloud.redshift.front.logins import Login, Logins, TemporaryLogin
from src.local_cloud.redshift.front.messages import (
    MAX_BEFORE_AUTHENTICATION,
    Channel,
    ClosedError,
    Message,
)
from src.local_cloud.redshift.front.session import Session
from src.local_cloud.redshift.front.startup import startup_settings
from src.local_cloud.redshift.refusals import raised_by_server
from src.local_cloud.redshift.sql import user_functions
from src.local_cloud.redshift.statements.identity import (
    NAMES,
    protocol_version,
    reported_parameters,
)
from src.local_cloud.redshift.statements.session_settings import (
    set_setting,
    startup_setting,
)
from src.sql.quoting import shown
from src.sql.refusal import Refusal

_WATCH_S = 0.5
_LOGGED = ("application_name", "driver_version", "os_version")  # of a startup message
AUTHENTICATION_S = 60.0  # as PostgreSQL's authentication_timeout
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Served:
    """A session, and the secret of its cancel key."""

    client: Channel
    connection: FrontConnection
    secret: bytes


class Front:
    """The front of one server: `address` are psycopg2's arguments for it."""

    def __init__(
        self, address: Mapping[str, Any], make_s3: Callable[[], Any],
        authentication_s: float = AUTHENTICATION_S, tls: ssl.SSLContext | None = None,
        temporary: Callable[[str, bytes], TemporaryLogin | None] = lambda user, password: None,
        streams: Callable[[], Any] | None = None,
    ) -> None:  # fmt: skip
        self._address = dict(address)
        self._authentication_s = authentication_s
        self._make_s3, self._streams = make_s3, streams
        self._tls = tls
        self._temporary = temporary  # whom a temporary password is good for
        self._logins = Logins(address)
        self._s3: Any = None
        self._lock = threading.Lock()
        self._sessions: dict[int, _Served] = {}
        self._is_stopped = threading.Event()
        self._server: _Server | None = None
        self.port = 0

    def start(self) -> None:
        """Listen on a free port; returns at once."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="front", daemon=True
        ).start()
        threading.Thread(target=self._watch, name="front-watch", daemon=True).start()

    def _watch(self) -> None:
        """End what is under way for clients that are gone: a COPY, a query, waiting for a table."""
        gone: set[int] = set()
        while not self._is_stopped.wait(_WATCH_S):
            found = {pid for pid, s in list(self._sessions.items()) if s.client.is_gone()}
            for pid in found & gone:  # twice: one that takes its leave has the time to
                session = self._sessions.get(pid)
                if session is not None:
                    with contextlib.suppress(psycopg2.Error):
                        session.connection.cancel()
                    _end(session.connection)
            gone = found

    def stop(self) -> None:
        """Stop listening, and end every session."""
        if self._server is None:
            return
        self._is_stopped.set()
        self._server.shutdown()
        for session in list(self._sessions.values()):
            _end(session.connection)
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
        login = self._login(client, wanted)
        if login is not None:
            client.limit_time(None)
            self._serve(client, wanted, login)

    def _login(self, client: Channel, wanted: Mapping[str, str]) -> Login | None:
        """Return the user and password for the server, which checks those that clients made."""
        client.send(messages.authentication(3))
        answer = client.read(MAX_BEFORE_AUTHENTICATION)
        given = answer.body.partition(b"\x00")[0]
        user = wanted.get("user", "")
        temporary = self._temporary(user, given) if answer.kind == b"p" else None
        if temporary is not None and temporary.user != self._address["user"]:
            return Login(temporary.user, "", temporary)
        if temporary is not None:
            return Login(self._address["user"], self._address["password"])
        is_right = hmac.compare_digest(given, self._address["password"].encode())
        is_own = user == self._address["user"]
        if answer.kind != b"p" or not given or (is_own and not is_right):
            client.send(_wrong_password(wanted))
            return None
        return Login(user, given.decode(errors="replace"))

    def _serve(self, client: Channel, wanted: Mapping[str, str], login: Login) -> None:
        try:
            joined = self._logins.join(login.temporary) if login.temporary is not None else []
            connection = self._connect(wanted, login)
        except Refusal as refusal:
            client.send(messages.error("FATAL", refusal.code, refusal.message))
            return
        except psycopg2.Error as error:
            if "password authentication failed" in str(error):
                client.send(_wrong_password(wanted))
                return
            is_missing = str(error).rstrip().endswith("does not exist")
            code = error.pgcode or ("3D000" if is_missing else "08006")
            client.send(messages.error("FATAL", code, _without_address(error)))
            return
        pid, secret = connection.get_backend_pid(), secrets.token_bytes(4)
        self._sessions[pid] = _Served(client, connection, secret)
        version = protocol_version(wanted)
        if version is not None:
            connection.forms = DriverForms(version, connection.look_up)
        session = Session(client, connection)
        note = self._noting(client, connection, wanted)
        try:
            note("authenticated")
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
            note("disconnecting session")
            connection.close()
            if joined:
                self._logins.leave(login.user, joined)

    def _noting(
        self, client: Channel, connection: FrontConnection, wanted: Mapping[str, str]
    ) -> Callable[[str], object]:
        """Return what adds an event of a session to the connection log."""
        began, log = time.monotonic(), query_log.log_of(self._address)
        same = {"pid": connection.get_backend_pid(), "usename": connection.info.user,
                **client.origin(), **{name: wanted.get(name, "") for name in _LOGGED}}  # fmt: skip

        def note(event: str) -> None:
            duration = int((time.monotonic() - began) * 1_000_000)
            log.add({**same, "event": event, "recordtime": query_log.now(), "duration": duration})

        return note

    def _connect(self, wanted: Mapping[str, str], login: Login) -> FrontConnection:
        from src.local_cloud.redshift.connection import RedshiftCursor

        settings = startup_settings(wanted)
        database = wanted.get("database") or self._address["dbname"]
        address = {**self._address, "dbname": database, "user": login.user}
        with self._logins.password(login) as address["password"]:
            connection: FrontConnection = psycopg2.connect(
                **address, connection_factory=FrontConnection, cursor_factory=RedshiftCursor
            )
        if connection.get_parameter_status("is_superuser") == "on":  # no client is one
            connection.close()
            raise psycopg2.OperationalError("password authentication failed")
        connection.autocommit = True
        connection.address = self._address
        connection.s3, connection.streams = self._shared_s3(), self._streams
        try:
            with connection.cursor() as cursor, raised_by_server(cursor.execute_postgres):
                connection.start_settings = [
                    set_setting(startup_setting(name, value)) for name, value in settings
                ]
                for setting in connection.start_settings:
                    cursor.execute_postgres(setting)
                user_functions.learn(cursor)
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
        found = self._sessions.get(pid)
        if found is not None and hmac.compare_digest(secret, found.secret):
            found.connection.cancel()

    def cancel(self, pid: int) -> None:
        """Stop what a session is doing, for a client within this process.

        psycopg2's cancel() keeps the interpreter from every other thread, the front's included.
        """
        found = self._sessions.get(pid)
        if found is not None and not found.connection.closed:
            found.connection.cancel()


def _end(connection: FrontConnection) -> None:
    """Close the server's socket under the session's thread, which reads from it."""
    with (
        contextlib.suppress(OSError, psycopg2.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as behind,
    ):
        behind.shutdown(socket.SHUT_RDWR)


def _wrong_password(wanted: Mapping[str, str]) -> Message:
    text = f"password authentication failed for user {shown(wanted.get('user', ''))}"
    return messages.error("FATAL", "28P01", text)


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
    _STACK = 32 * 1024 * 1024  # bytes, of which a deeply nested statement alone takes some

    def __init__(self, front: Front) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        before = threading.stack_size(self._STACK)
        try:
            super().process_request(request, client_address)
        finally:
            threading.stack_size(before)


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
