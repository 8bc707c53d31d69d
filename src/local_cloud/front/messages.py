"""Messages of PostgreSQL's protocol, version 3.0 (documentation: "Message Formats")."""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass
from typing import Any

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
PROTOCOL_3 = 3
_MAX_MESSAGE = 1 << 30


class ClosedError(Exception):
    """The other side has gone."""


@dataclass(frozen=True)
class Message:
    """One message: its type byte and its body."""

    kind: bytes
    body: bytes = b""

    def encoded(self) -> bytes:
        """Return the message as it stands on the wire."""
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


class Channel:
    """A socket that may be non-blocking, read and written message by message."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held = b""

    def read(self) -> Message:
        """Return the next message; raises ClosedError at the end."""
        head = self._exactly(5)
        (length,) = struct.unpack("!I", head[1:])
        if not 4 <= length < _MAX_MESSAGE:
            raise ClosedError
        return Message(head[:1], self._exactly(length - 4))

    def read_startup(self) -> tuple[int, bytes]:
        """Return (protocol or request code, body) of a connection's first message."""
        (length,) = struct.unpack("!I", self._exactly(4))
        if not 8 <= length <= 10_000:
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
            try:
                part = self._socket.recv(1 << 16)
            except BlockingIOError:
                select.select([self._socket], [], [])
                continue
            except OSError as error:
                raise ClosedError from error
            if not part:
                raise ClosedError
            self._held += part
        found, self._held = self._held[:count], self._held[count:]
        return found


def text(value: str) -> bytes:
    """Return a string as messages hold it."""
    return value.encode() + b"\x00"


def split_text(body: bytes, count: int) -> tuple[list[str], bytes]:
    """Return the first `count` strings of a body, and what follows them."""
    found = []
    for _ in range(count):
        value, _, body = body.partition(b"\x00")
        found.append(value.decode(errors="replace"))
    return found, body


def startup_parameters(body: bytes) -> dict[str, str]:
    """Return the parameters of a startup message."""
    parts = [part.decode(errors="replace") for part in body.split(b"\x00")]
    return dict(zip(parts[::2], parts[1::2], strict=False))


def authentication(code: int) -> Message:
    """Ask for a password (3), or say that all is well (0)."""
    return Message(b"R", struct.pack("!I", code))


def error(severity: str, code: str, message: str, detail: str = "", hint: str = "") -> Message:
    """Return an ErrorResponse."""
    return Message(b"E", _fields(S=severity, V=severity, C=code, M=message, D=detail, H=hint))


def notice(severity: str, message: str) -> Message:
    """Return a NoticeResponse."""
    return Message(b"N", _fields(S=severity, V=severity, C="00000", M=message))


def _fields(**values: Any) -> bytes:
    named = (name.encode() + text(str(value)) for name, value in values.items() if value)
    return b"".join(named) + b"\x00"
