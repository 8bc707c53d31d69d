"""One client of the front: its messages go to PostgreSQL, its SQL is translated on the way.

The server behind is a psycopg2 connection of the product. While it is idle, its socket relays the
client's messages, so types, formats, portals and errors are PostgreSQL's own. A statement that
takes more than one of PostgreSQL's (COPY, UNLOAD, ...) runs on the connection itself, in the
client's session and transaction.
"""

from __future__ import annotations

import os
import socket
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import psycopg2

from src.local_cloud.redshift import write_locks
from src.local_cloud.redshift.front import calls, messages
from src.local_cloud.redshift.front.calls import Prepared
from src.local_cloud.redshift.front.front_connection import FrontConnection
from src.local_cloud.redshift.front.messages import Channel, Message, texts_of
from src.local_cloud.redshift.front.writing import Writes
from src.local_cloud.redshift.refusals import raised_by_server
from src.local_cloud.redshift.statements import dispatch
from src.local_cloud.redshift.write_locks import written_table
from src.sql import scanning
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

# The messages by which the server ends its answer to each of the client's.
_ENDS = {b"P": b"1E", b"B": b"2E", b"D": b"nTE", b"E": b"CIsE", b"C": b"3E"}
_EXTENDED = frozenset([b"P", b"B", b"D", b"E", b"C", b"H"])
_COPY_MESSAGES = frozenset([b"d", b"c", b"f"])
_MAX_WAITING = 200  # answers left unread: a long pipeline must not fill the sockets between us
# A script that has one of these is not a transaction of its own.
_IN_NO_SCRIPT = frozenset(["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "VACUUM"])


class Session:
    """Serves one client until it leaves."""

    def __init__(self, client: Channel, connection: FrontConnection) -> None:
        self._client = client
        self._connection = connection
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        self._server = Channel(self._socket)
        self._writes = Writes(connection, self._server)
        self._prepared: dict[str, Prepared] = {}
        self._texts: dict[str, Statement] = {}  # of the server's prepared statements
        self._bound: dict[str, Statement | None] = {}  # of the server's portals
        self._portals: dict[str, Prepared] = {}
        self._waiting: list[bytes] = []  # messages whose answers were not read yet
        self._is_skipping = False  # after an error, up to the client's Sync

    def close(self) -> None:
        """Let go of the server's socket."""
        self._socket.close()

    def serve(self) -> None:
        """Answer the client's messages; ends when it terminates or is gone."""
        while True:
            message = self._client.read()
            if message.kind == b"X":
                return
            if message.kind == b"S":
                self._sync(message)
            elif message.kind == b"Q":
                self._query(message)
            elif message.kind == b"F":
                self._call(message)
            elif message.kind in _COPY_MESSAGES:  # no COPY is under way: PostgreSQL passes too
                continue
            elif message.kind not in _EXTENDED:
                text = f"invalid frontend message type {message.kind[0]}"
                self._client.send(messages.error("FATAL", "08P01", text))
                return
            elif not self._is_skipping:
                self._extended(message)

    # -- the simple protocol ---------------------------------------------------------------

    def _query(self, message: Message) -> None:
        """Run a script statement by statement, up to the first error."""
        self._is_skipping = False
        try:
            if self._writes.is_own:  # the client has left out its Sync
                self._drain()
                self._writes.end()
            with self._refusing():
                found = scanning.split(texts_of(message, 1)[0][0])
                if not found:
                    self._client.send(Message(b"I"))
                if len(found) > 1 and _IN_NO_SCRIPT.isdisjoint(s.leading_word for s in found):
                    self._as_one_transaction(found)
                else:
                    for statement in found:
                        if not self._one(statement):
                            break
        except psycopg2.Error as error:
            self._fail(error)
        self._client.send(Message(b"Z", self._connection.status_byte))

    def _call(self, message: Message) -> None:
        """Refuse a FunctionCall message."""
        self._is_skipping = False
        try:
            with self._refusing():
                raise Refusal.fails_on_redshift("a FunctionCall message")
        except psycopg2.Error as error:
            self._fail(error)
        self._client.send(Message(b"Z", self._connection.status_byte))

    def _refusing(self) -> AbstractContextManager[None]:
        """Let the server raise what is refused; answers that are due come first."""

        def execute(*arguments: Any) -> None:
            self._drain()
            with self._connection.cursor() as cursor:
                cursor.execute_postgres(*arguments)

        return raised_by_server(execute)

    def _as_one_transaction(self, script: list[Statement]) -> None:
        """Run the statements of a script: all of them or, outside of a transaction, none."""
        is_alone = not self._connection.is_in_transaction
        is_good = False
        try:
            for statement in script:
                if is_alone and not self._connection.is_in_transaction:  # the first, or a TRUNCATE
                    self._silently("BEGIN")
                is_good = False  # also where the next line raises
                is_good = self._one(statement)
                if not is_good:
                    break
        finally:
            if is_alone and self._connection.is_in_transaction:
                self._silently("COMMIT" if is_good else "ROLLBACK")

    def _silently(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute_postgres(statement)
        self._connection.status_byte = b"T" if statement == "BEGIN" else b"I"

    def _one(self, statement: Statement) -> bool:
        """Run one statement; tells whether the next may run."""
        run = dispatch.runner_of(statement)
        if run is not None:
            self._run(Prepared(statement, run))
            return True
        with self._connection.noting(statement):
            translated = self._translated(statement)
        self._connection.begin_running(statement)
        table = written_table(statement, self._connection.prepared_writes)
        opened = table is not None and write_locks.begin(self._connection, table)
        self._server.send(Message(b"Q", messages.text(translated)))
        is_good = self._relay_to_ready()
        if opened:
            self._connection.status_byte = b"I"
            write_locks.end(self._connection, is_good)
        return is_good

    def _translated(self, statement: Statement) -> str:
        with self._connection.translating(self._drain):
            return dispatch.postgres_text(statement, self._connection.is_serverless)

    def _relay_to_ready(self) -> bool:
        is_good = True
        while True:
            answer = self._server.read()
            if answer.kind == b"Z":
                self._connection.status_byte = answer.body
                return is_good
            is_good = is_good and answer.kind != b"E"
            answer = self._connection.as_redshifts(answer)
            if answer.kind in b"GW":  # a COPY FROM STDIN, which no translation begins
                self._server.send(Message(b"f", messages.text("not emulated")))
                continue
            self._client.send(answer)

    # -- the extended protocol -------------------------------------------------------------

    def _extended(self, message: Message) -> None:
        forms = self._connection.forms
        try:
            with self._refusing():
                passed = self._prepare(message if forms is None else forms.taken(message))
        except psycopg2.Error as error:
            self._fail(error)
            self._is_skipping = True
            return
        if passed is None:
            return
        if forms is not None:
            forms.sent(passed)
        self._server.send(passed)
        if passed.kind in _ENDS:
            self._waiting.append(passed.kind)
        if len(self._waiting) >= _MAX_WAITING:
            self._drain()

    def _prepare(self, message: Message) -> Message | None:
        """Return what the server gets for a message; None where it was answered here."""
        if message.kind == b"P":
            return self._parse(message)
        if message.kind == b"B":
            (portal, name), bind = texts_of(message, 2)
            self._portals.pop(portal, None)
            if name in self._prepared:
                self._portals[portal] = replace(self._prepared[name], bind=bind)
            self._bound[portal] = self._texts.get(name)
            if self._writes.is_write(name):
                self._drain()
                if self._is_skipping:
                    return None
                self._writes.before_bind(name, self._end_implicit)
            else:
                self._writes.forget()
        elif message.kind == b"E":
            (portal,), _ = texts_of(message, 1)
            if portal in self._portals:
                self._drain()
                if not self._is_skipping:
                    self._run(self._portals[portal])
                return None
            self._connection.begin_running(self._bound.get(portal))
        elif message.kind == b"H":
            self._drain()
            return None
        else:
            texts_of(message, 0)
        return message

    def _parse(self, message: Message) -> Message:
        """Return the message with PostgreSQL's text; what is run here is empty there."""
        (name, query), rest = texts_of(message, 2)
        self._prepared.pop(name, None)
        found = scanning.split(query)
        if len(found) > 1:
            raise Refusal("cannot insert multiple commands into a prepared statement", SYNTAX)
        text = ""
        self._texts.pop(name, None)
        if found:
            run = dispatch.runner_of(found[0])
            if run is not None:
                self._prepared[name] = Prepared(found[0], run, rest)
                if calls.is_call(found[0]):
                    self._drain()
                    with self._connection.cursor() as cursor:
                        text = calls.outline(found[0], cursor)
            else:
                self._texts[name] = found[0]
                with self._connection.noting(found[0]) as self._connection.preparing:
                    text = self._translated(found[0])
        passed = Message(b"P", messages.text(name) + messages.text(text) + rest)
        table = written_table(found[0], self._connection.prepared_writes) if text else None
        if table is not None:
            self._drain()
        elif text and found[0].leading_word in ("BEGIN", "START"):
            self._writes.adopt()
        self._writes.parsed(name, table, passed)
        return passed

    def _end_implicit(self) -> None:
        """End the transaction that the server has opened for this pipeline: its snapshot is old."""
        self._server.send(Message(b"S"))
        while self._server.read().kind != b"Z":
            pass

    def _drain(self) -> None:
        """Read the answers that are due, so that the connection itself can be used."""
        if self._waiting:
            self._server.send(Message(b"H"))
        while self._waiting:
            answer = self._server.read()
            self._client.send(self._connection.as_redshifts(answer))
            if answer.kind == b"E":
                self._waiting.clear()
                self._is_skipping = True
            elif answer.kind in _ENDS[self._waiting[0]]:
                self._waiting.pop(0)

    def _sync(self, message: Message) -> None:
        self._server.send(message)
        self._waiting.clear()
        self._is_skipping = False
        self._relay_to_ready()
        try:
            self._writes.end()
        except psycopg2.Error as error:
            self._fail(error)
        self._client.send(Message(b"Z", self._connection.status_byte))

    # -- on the connection itself ----------------------------------------------------------

    def _run(self, prepared: Prepared) -> None:
        del self._connection.notices[:]
        statement, row_query = prepared.statement, ""
        with self._connection.cursor() as cursor, self._connection.noting(statement) as entry:
            try:
                if prepared.bind is not None and calls.is_call(statement):
                    given = (prepared.types, prepared.bind)
                    statement = calls.with_values(statement, given, cursor, self._server)
                with self._connection.translating():
                    prepared.run(statement, cursor)
                rows = cursor.rowcount
                if calls.is_call(statement) and cursor.description:
                    row_query = cursor.query.decode()
            finally:
                self._client.send(*self._connection.notes(statement.leading_word))
        if row_query:
            answers = calls.rows(row_query, prepared.bind, self._server)
            self._client.send(*map(self._connection.as_redshifts, answers))
        tag = dispatch.tag(prepared.statement)
        if tag == "MERGE":
            tag += f" {max(rows, 0)}"
        self._connection.end_entry(entry, f"{tag} {max(rows, 0)}".encode())
        self._client.send(Message(b"C", messages.text(tag)))

    def _fail(self, error: psycopg2.Error) -> None:
        """Tell the client of an error that the connection itself met."""
        if self._connection.status_byte == b"T":
            self._connection.status_byte = b"E"
        self._client.send(self._connection.as_message(error))
