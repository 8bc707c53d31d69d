"""The table locks of a client's writes: each is taken before the snapshot that the write sees.

PostgreSQL takes a transaction's snapshot when it reads its first statement, in the extended
protocol at Parse. So where a client has no transaction, one is opened around its write, and a
statement without a name is read again behind the lock.
"""

from __future__ import annotations

from collections.abc import Callable

from src.local_cloud.redshift import write_locks
from src.local_cloud.redshift.front.front_connection import FrontConnection
from src.local_cloud.redshift.front.messages import Channel, Message


class Writes:
    """The tables that a client's prepared statements change, and the transaction around them."""

    def __init__(self, connection: FrontConnection, server: Channel) -> None:
        self._connection = connection
        self._server = server
        self._parsed: dict[str, tuple[str, Message]] = {}
        self._held: str | None = None  # of the write before, in the same pipeline
        self.is_own = False  # a transaction was opened here, and ends at the client's Sync

    def parsed(self, name: str, table: str | None, passed: Message) -> None:
        """Note what a prepared statement changes; locks it in a transaction of the client's."""
        self._parsed.pop(name, None)
        if table is None:
            return
        self._parsed[name] = table, passed
        if self._connection.is_in_transaction:
            self._lock(table)

    def is_write(self, name: str) -> bool:
        """Tell whether a prepared statement changes a table."""
        return name in self._parsed

    def adopt(self) -> None:
        """Leave the transaction to the client, which has begun one itself."""
        self.is_own = False

    def forget(self) -> None:
        """Take the lock anew: another statement came between."""
        self._held = None

    def before_bind(self, name: str, end_implicit: Callable[[], None]) -> None:
        """Lock a prepared statement's table, outside of a transaction in a new one."""
        table, parse = self._parsed[name]
        if self._held == table and self._connection.is_in_transaction:
            return
        if not self._connection.is_in_transaction:
            end_implicit()
        self._lock(table)
        if not name:  # a simple query has put an end to it
            self._server.send(parse, Message(b"H"))
            answer = self._server.read()
            while answer.kind not in b"1E":
                answer = self._server.read()

    def _lock(self, table: str) -> None:
        if self._connection.status_byte == b"E":
            return
        if write_locks.begin(self._connection, table):
            self.is_own = True
            self._connection.status_byte = b"T"
        self._held = table

    def end(self) -> None:
        """Commit what was opened here, or roll it back where it failed."""
        if not self.is_own:
            return
        is_good, self.is_own, self._held = self._connection.status_byte == b"T", False, None
        try:
            write_locks.end(self._connection, is_good)
        finally:
            self._connection.status_byte = b"I"
