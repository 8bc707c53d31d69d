"""Statements of the Data API: each runs in a thread of its own, on a connection to the front."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg2

from src.json_object import JsonObject
from src.local_cloud.endpoint.data_results import Result, ResultTooLargeError, read_texts, result_of
from src.local_cloud.endpoint.errors import AwsError

_CANCEL_PAUSE_S = 0.05
ENDED = ("FINISHED", "FAILED", "ABORTED")
_TYPES = "SELECT oid, typname FROM pg_type WHERE typtype = 'b' OR typnamespace <> 11"
Connect = Callable[[str, str], Any]  # of a database and a user
OWN_USER = "demo"


@dataclass
class Part:
    """One SQL text of a statement, and what became of it."""

    id: str
    sql: str
    code: str  # with its parameters
    status: str = "SUBMITTED"
    error: str | None = None
    rows: int = -1
    result: Result | None = None
    seconds: float = 0.0
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))

    def become(self, status: str) -> None:
        """Take the next state."""
        self.status, self.updated = status, datetime.now(UTC)

    def as_answer(self) -> JsonObject:
        """Return what DescribeStatement shows of it."""
        answer = {
            "Id": self.id, "Status": self.status, "CreatedAt": self.created,
            "UpdatedAt": self.updated, "Duration": int(self.seconds * 1e9),
            "HasResultSet": self.result is not None, "QueryString": self.sql,
            "ResultRows": self.rows, "RedshiftQueryId": 0,
            "ResultSize": self.result.size if self.result else -1,
        }  # fmt: skip
        return {**answer, "Error": self.error} if self.error else answer


@dataclass
class Session:
    """A connection that outlives its statements; it runs one at a time."""

    id: str
    where: dict[str, str]
    keep_alive_s: int
    connection: Any = None
    is_busy: bool = False
    end_timer: threading.Timer | None = None


@dataclass
class Statement:
    """One call of ExecuteStatement or BatchExecuteStatement."""

    id: str
    where: dict[str, str]
    parts: list[Part]
    session: Session | None
    is_batch: bool
    in_transaction: bool
    name: str | None = None
    parameters: list[dict[str, str]] | None = None
    format: str = "JSON"
    connection: Any = None
    pid: int = 0
    is_canceled: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    whole: Part = field(init=False)

    def __post_init__(self) -> None:
        self.whole = Part(self.id, "", "") if self.is_batch else self.parts[0]

    @property
    def status(self) -> str:
        """Return the state of the whole."""
        return self.whole.status


class Runner:
    """Runs statements; sessions keep their connections here."""

    def __init__(
        self, connect: Connect, cancel: Callable[[int], None], most_at_once: int = 32
    ) -> None:
        self._connect = connect
        self._cancel_session = cancel
        self._free = threading.Semaphore(most_at_once)
        self._types: dict[int, str] = {}
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Statement, threading.Thread]] = {}
        self.sessions: dict[str, Session] = {}

    @property
    def active(self) -> int:
        """Return how many statements have not ended."""
        return len(self._running)

    def new_session(self, where: dict[str, str], keep_alive_s: int) -> Session:
        """Make a session; its connection opens with its first statement."""
        session = Session(str(uuid.uuid4()), where, keep_alive_s)
        self.sessions[session.id] = session
        return session

    def take_session(self, session: Session) -> None:
        """Take a session for a statement; ValidationException where one is running in it."""
        with self._lock:
            if session.is_busy:
                raise AwsError("ValidationException", "Session is not available")
            session.is_busy = True
            if session.end_timer is not None:
                session.end_timer.cancel()

    def start(self, statement: Statement) -> None:
        """Begin a statement."""
        thread = threading.Thread(target=self._work, args=(statement,), name="data-api",
                                  daemon=True)  # fmt: skip
        with self._lock:
            self._running[statement.id] = statement, thread
        thread.start()

    def cancel(self, statement: Statement) -> None:
        """Begin to stop a statement: the server passes over what comes before it runs."""
        statement.is_canceled = True
        threading.Thread(target=self._cancel, args=(statement,), daemon=True).start()

    def _cancel(self, statement: Statement) -> None:
        while not statement.done.is_set():
            with self._lock:  # within it the connection is the statement's own
                connection = statement.connection
                if connection is not None and not connection.closed:
                    self._cancel_session(connection.info.backend_pid)
            statement.done.wait(_CANCEL_PAUSE_S)

    def close(self) -> None:
        """Stop all that runs, and end every session."""
        with self._lock:
            running = list(self._running.values())
        for statement, _ in running:
            self.cancel(statement)
        for _, thread in running:
            thread.join(10)
        for session in list(self.sessions.values()):
            self._end_session(session)

    def _work(self, statement: Statement) -> None:
        """Run to an end; every outcome is a state."""
        with_session = statement.session is not None
        if not with_session:
            self._free.acquire()
        try:
            statement.whole.become("PICKED")
            connection = statement.connection = self._connection_of(statement)
            statement.pid = connection.info.backend_pid
            self._run(statement, connection)
        except psycopg2.Error as error:
            statement.whole.error = _text(error)
            statement.whole.become("FAILED")
        except Exception as error:  # an internal error is this statement's, and no other's
            statement.whole.error = f"internal error: {type(error).__name__}: {error}"
            statement.whole.become("FAILED")
        finally:
            with self._lock:
                connection, statement.connection = statement.connection, None
            if with_session:
                self._give_back(statement.session)
            else:
                if connection is not None:
                    connection.close()
                self._free.release()
            for part in statement.parts:
                if part.status not in ENDED:
                    part.become("ABORTED")
            with self._lock:
                self._running.pop(statement.id, None)
            statement.done.set()

    def _connection_of(self, statement: Statement) -> Any:
        session = statement.session
        if session is not None and session.connection is not None:
            return session.connection
        connection = self._connect(
            statement.where["Database"], statement.where.get("DbUser", OWN_USER)
        )
        connection.autocommit = True
        read_texts(connection)
        if session is not None:
            session.connection = connection
        return connection

    def _run(self, statement: Statement, connection: Any) -> None:
        with connection.cursor() as cursor:
            if not self._types:
                cursor.execute(_TYPES)
                self._types.update(cursor.fetchall())
            whole = statement.whole
            whole.become("STARTED")
            started = time.monotonic()
            if statement.in_transaction:
                cursor.execute("BEGIN")
            for part in statement.parts:
                if statement.is_canceled or (statement.in_transaction and whole.error):
                    part.become("ABORTED")
                    continue
                self._run_part(statement, part, cursor)
                if part.error:
                    whole.error = part.error
            if statement.in_transaction:
                cursor.execute("ROLLBACK" if whole.error or statement.is_canceled else "COMMIT")
            whole.seconds = time.monotonic() - started
            if statement.is_batch:
                whole.become("ABORTED" if statement.is_canceled
                             else "FAILED" if whole.error else "FINISHED")  # fmt: skip

    def _run_part(self, statement: Statement, part: Part, cursor: Any) -> None:
        part.become("STARTED")
        started = time.monotonic()
        try:
            cursor.execute(part.code)
            part.rows = cursor.rowcount
            if cursor.description:
                part.result = result_of(cursor, self._types)
        except psycopg2.Error as error:
            part.error = _text(error)
        except ResultTooLargeError as error:
            part.error = str(error)
        part.seconds = time.monotonic() - started
        if part.error and statement.is_canceled:
            part.become("ABORTED")
        else:
            part.become("FAILED" if part.error else "FINISHED")

    def _give_back(self, session: Session | None) -> None:
        if session is None:
            return
        lost = session.connection is None or session.connection.closed
        with self._lock:
            session.is_busy = False
            if session.keep_alive_s and not lost:
                session.end_timer = threading.Timer(
                    session.keep_alive_s, self._end_session, (session,)
                )
                session.end_timer.daemon = True
                session.end_timer.start()
                return
        self._end_session(session)

    def _end_session(self, session: Session) -> None:
        with self._lock:
            if session.is_busy:
                return
            self.sessions.pop(session.id, None)
        if session.end_timer is not None:
            session.end_timer.cancel()
        if session.connection is not None:
            session.connection.close()


def _text(error: psycopg2.Error) -> str:
    """Return an error as the Data API words it."""
    return f"ERROR: {error.diag.message_primary or str(error).strip()}"
