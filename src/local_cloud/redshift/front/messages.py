"""Messages of PostgreSQL's protocol, version 3.0 (documentation: "Message Formats")."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Any

from src.sql.refusal import SYNTAX, Refusal

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
PROTOCOL_3 = 3
_MAX_MESSAGE = (1 << 30) - 1
# Of a longer one the body is not kept: a statement of Redshift's ends at 16 MB.
_MAX_KEPT = (16 << 20) + 4_096
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP
MAX_BEFORE_AUTHENTICATION = 10_000
_MAX_STATEMENT = 16 << 20  # bytes, as on Redshift


class ClosedError(Exception):
    """The other side has gone."""


@dataclass(frozen=True)
class Message:
    """One message: its type byte and its body."""

    kind: bytes
    body: bytes = b""
    left_out: int = 0  # bytes of the body that were too many to be kept

    @property
    def size(self) -> int:
        """Return the length of the body as it came."""
        return len(self.body) + self.left_out

    def encoded(self) -> bytes:
        """Return the message as it stands on the wire."""
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


class Channel:
    """A socket that may be non-blocking, read and written message by message."""

    def __init__(self, connected: socket.socket, max_kept: int = _MAX_MESSAGE) -> None:
        self._socket = connected
        self._held = bytearray()
        self._deadline: float | None = None
        self._max_kept = max_kept

    @classmethod
    def to_client(cls, connected: socket.socket) -> Channel:
        """Return the channel to a client, whose messages are bounded."""
        return cls(connected, _MAX_KEPT)

    def limit_time(self, seconds: float | None) -> None:
        """Let reading fail from so many seconds on; None takes the limit away."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        if seconds is None:
            self._socket.settimeout(None)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Agree to TLS; raises ClosedError where the client fails, or has sent more already."""
        if self._held:  # it would pass for what came encrypted
            raise ClosedError
        self.send_bytes(b"S")
        try:
            self._limit()
            self._socket = context.wrap_socket(self._socket, server_side=True)
        except TimeoutError:
            raise
        except OSError as error:
            raise ClosedError from error

    def close(self) -> None:
        """Close the socket: TLS took it from its first owner, and clients expect its farewell."""
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._socket.setblocking(False)  # the client's own is not waited for
                self._socket.unwrap().close()
        self._socket.close()

    def origin(self) -> dict[str, str]:
        """Return where the other side is, and the version of TLS, as the connection log has it."""
        host, port = self._socket.getpeername()[:2]
        tls = self._socket.version() if isinstance(self._socket, ssl.SSLSocket) else None
        return {"remotehost": host, "remoteport": str(port), "sslversion": tls or ""}

    def is_gone(self) -> bool:
        """Tell whether the other side has closed the connection, whatever is still unread of it."""
        with contextlib.suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(self._socket.fileno(), _HUNG_UP)
            return bool(poll.poll(0))
        return False

    def _limit(self) -> None:
        """Give the socket the time that is left."""
        left = self._deadline - time.monotonic() if self._deadline is not None else 1.0
        if left <= 0:
            raise TimeoutError
        if self._deadline is not None:
            self._socket.settimeout(left)

    def read(self, longest: int = _MAX_MESSAGE) -> Message:
        """Return the next message; raises ClosedError at the end, or where it is too long."""
        head = self._exactly(5)
        length = struct.unpack("!I", head[1:])[0] - 4
        if not 0 <= length <= longest:
            raise ClosedError
        left_out = max(length - self._max_kept, 0)
        body = self._exactly(length - left_out)
        self._pass_over(left_out)
        return Message(head[:1], body, left_out)

    def read_startup(self) -> tuple[int, bytes]:
        """Return (protocol or request code, body) of a connection's first message."""
        (length,) = struct.unpack("!I", self._exactly(4))
        if not 8 <= length <= MAX_BEFORE_AUTHENTICATION:
            raise ClosedError
        body = self._exactly(length - 4)
        return struct.unpack("!I", body[:4])[0], body[4:]

    def send(self, *messages: Message) -> None:
        """Write messages."""
        self.send_bytes(b"".join(message.encoded() for message in messages))

    def send_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                select.select([], [self._socket], [])
            except OSError as error:
                raise ClosedError from error

    def _exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += self._received()
        found = bytes(self._held[:count])
        del self._held[:count]
        return found

    def _pass_over(self, count: int) -> None:
        while count:
            if not self._held:
                self._held += self._received()
            passed = min(count, len(self._held))
            del self._held[:passed]
            count -= passed

    def _received(self) -> bytes:
        while True:
            self._limit()
            try:
                part = self._socket.recv(1 << 16)
            except TimeoutError:
                raise
            except BlockingIOError:
                select.select([self._socket], [], [])
                continue
            except OSError as error:
                raise ClosedError from error
            if not part:
                raise ClosedError
            return part


def text(value: str) -> bytes:
    """Return a string as messages hold it."""
    return value.encode() + b"\x00"


def split_text(body: bytes, count: int) -> tuple[list[str], bytes]:
    """Return the first `count` strings of a body, and what follows them.

    Raises UnicodeDecodeError where a text is not UTF-8.
    """
    found = []
    for _ in range(count):
        value, _, body = body.partition(b"\x00")
        found.append(value.decode())
    return found, body


def startup_parameters(body: bytes) -> dict[str, str]:
    """Return the parameters of a startup message."""
    parts = [part.decode() for part in body.split(b"\x00")]
    return dict(zip(parts[::2], parts[1::2], strict=False))


def authentication(code: int) -> Message:
    """Request a password (3), or report success (0)."""
    return Message(b"R", struct.pack("!I", code))


def error(severity: str, code: str, message: str, detail: str = "", hint: str = "") -> Message:
    """Return an ErrorResponse."""
    return Message(b"E", _fields(S=severity, V=severity, C=code, M=message, D=detail, H=hint))


def notice(severity: str, message: str) -> Message:
    """Return a NoticeResponse."""
    return Message(b"N", _fields(S=severity, V=severity, C="00000", M=message))


def fields(error: Message) -> dict[str, str]:
    """Return the fields of an ErrorResponse by their letters."""
    parts = error.body.split(b"\x00")
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in parts if part}


def sqlstate(error: Message) -> str:
    """Return the SQLSTATE of an ErrorResponse."""
    return fields(error).get("C", "")


def _fields(**values: Any) -> bytes:
    named = (name.encode() + text(str(value)) for name, value in values.items() if value)
    return b"".join(named) + b"\x00"


def texts_of(message: Message, count: int) -> tuple[list[str], bytes]:
    """Return the first strings of a message, and what follows them; raises Refusal."""
    if message.size > _MAX_STATEMENT:
        raise Refusal(
            f"Statement is too large. Statement Size: {message.size} bytes. "
            f"Maximum Allowed: {_MAX_STATEMENT} bytes",
            SYNTAX,
        )
    try:
        return split_text(message.body, count)
    except UnicodeDecodeError as error:
        near = " ".join(f"0x{byte:02x}" for byte in error.object[error.start : error.end])
        raise Refusal(f'invalid byte sequence for encoding "UTF8": {near}', "22021") from error
