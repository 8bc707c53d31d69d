"""A connection to Redshift by way of its Data API, for shells that have no route to it.

It has the part of psycopg2's interface that RedshiftClient uses. All statements of a connection
run in one session of the Data API, so that transactions and temporary tables span them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2.extensions import STATUS_BEGIN, STATUS_READY, adapt

from src.infrastructure.aws.answers import AWS_ERRORS, refusal_of
from src.json_object import JsonObject
from src.sql.quoting import redshift_literal
from src.waiting import Clock, Sleep, attempts, every, poll_until, real_clock, real_sleep

# Of an idle session: longer than any pause within a transaction, and how long the locks of a
# command that was killed stay.
KEEP_ALIVE_S = 120
_LONG_POLL_S = 20  # the service answers at the statement's end, or after this
_TIMEOUT_S = 30 * 60
_CANCEL_S = 30.0  # within which a canceled statement has ended
_PAUSE_S = 0.2
_BUSY = "Session is not available"  # also of a session that has ended
_ENDED = ("FINISHED", "FAILED", "ABORTED")


class DataApiError(psycopg2.DatabaseError):
    """A statement that Redshift refused; the text is Redshift's."""


class DataApiUnavailableError(psycopg2.OperationalError):
    """The Data API itself refused, or did not answer."""


@dataclass(frozen=True)
class Column:
    """One column of a result, as psycopg2 describes it."""

    name: str
    type: str


class DataApiConnection:
    """Opens its session with the first statement.

    Without `autocommit` a transaction begins with the first statement after each end of one. A
    session runs one statement at a time and answers another one that it is not available.
    """

    def __init__(
        self,
        client: Any,
        target: dict[str, str],
        *,
        keep_alive_s: int = KEEP_ALIVE_S,
        sleep: Sleep = real_sleep,
        clock: Clock = real_clock,
    ) -> None:
        self._client = client
        self._target = target
        self._session: str | None = None
        self._keep_alive_s = keep_alive_s
        self.autocommit = False
        self._sleep = sleep
        self._clock = clock
        self._in_transaction = False
        self.closed = 0

    def cursor(self) -> DataApiCursor:
        """Return a cursor."""
        return DataApiCursor(self)

    def commit(self) -> None:
        """Commit the open transaction, if there is one."""
        if self._in_transaction:
            self._in_transaction = False
            self.run("COMMIT")

    def rollback(self) -> None:
        """Roll the open transaction back, if there is one."""
        if self._in_transaction:
            self._in_transaction = False
            self._end_transaction()

    def _end_transaction(self) -> None:
        """Send ROLLBACK, also where a canceled statement still holds the session."""

        def may_repeat(error: Exception) -> bool:
            return isinstance(error, DataApiUnavailableError) and _BUSY in str(error)

        attempts(
            lambda: self.run("ROLLBACK"),
            may_repeat=may_repeat,
            pauses_s=every(_PAUSE_S),
            timeout_s=_CANCEL_S,
            sleep=self._sleep,
            clock=self._clock,
        )

    def close(self) -> None:
        """Roll back; the session ends at once with that, else when it was idle for a while."""
        if not self.closed:
            self._keep_alive_s = 0
            self.rollback()
            self.closed = 1

    @property
    def status(self) -> int:
        """Return psycopg2's word for whether a transaction is open."""
        return int(STATUS_BEGIN if self._in_transaction else STATUS_READY)

    def begin(self) -> None:
        """Begin a transaction unless one is open or none is wanted, as psycopg2 does."""
        if not self._in_transaction and not self.autocommit:
            self.run("BEGIN")
            self._in_transaction = True

    def run(self, statement: str) -> JsonObject:
        """Run one statement to its end; returns what DescribeStatement returns for it."""
        where = {"SessionId": self._session} if self._session else self._target
        try:
            started = self.call(
                "execute_statement",
                Sql=statement,
                SessionKeepAliveSeconds=self._keep_alive_s,
                **where,
            )
        except DataApiUnavailableError as error:
            if _BUSY in str(error) and statement != "ROLLBACK":
                self.closed, self._in_transaction = 1, False  # the session has ended
            raise
        self._session = started.get("SessionId") or self._session
        try:
            found = self._wait(started["Id"], _TIMEOUT_S)
            if not _has_ended(found):
                raise DataApiError(f"canceled: not done after {_TIMEOUT_S} s")
        except BaseException:
            self._cancel(started["Id"])
            raise
        if found["Status"] != "FINISHED":
            text = found.get("Error") or f"the statement was {found['Status'].lower()}"
            raise DataApiError(text.removeprefix("ERROR: "))
        return found

    def _wait(self, statement_id: str, timeout_s: float) -> JsonObject:
        """Return what DescribeStatement shows at a statement's end, or when the time is over."""
        return poll_until(
            lambda: self.call("describe_statement", Id=statement_id, WaitTimeSeconds=_LONG_POLL_S),
            _has_ended,
            pauses_s=every(_PAUSE_S),
            timeout_s=timeout_s,
            sleep=self._sleep,
            clock=self._clock,
        )

    def _cancel(self, statement_id: str) -> None:
        """Stop a statement that is not waited for; the error that ended the wait counts.

        A cancellation is only begun by its call: until its end the session takes no ROLLBACK.
        """
        try:
            self._client.cancel_statement(Id=statement_id)
            self._wait(statement_id, _CANCEL_S)
        except (*AWS_ERRORS, DataApiUnavailableError):
            return  # it has ended, or its session's transaction ends with the session

    def call(self, operation: str, **arguments: Any) -> JsonObject:
        """Call the Data API; raises DataApiUnavailableError."""
        try:
            answer: JsonObject = getattr(self._client, operation)(**arguments)
        except AWS_ERRORS as error:
            refusal = refusal_of(error)
            text = f"refused: {refusal.text}" if refusal else f"does not answer: {error}"
            raise DataApiUnavailableError(f"the Data API {text}") from error
        return answer


class DataApiCursor:
    """Runs statements, and pages through their results."""

    def __init__(self, connection: DataApiConnection) -> None:
        self._connection = connection
        self.rowcount = -1
        self.description: list[Column] | None = None
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> DataApiCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows = []

    def execute(self, statement: str, arguments: Sequence[Any] | None = None) -> None:
        """Run a statement; `%s` are replaced as psycopg2 does it."""
        text = statement % tuple(map(_literal, arguments)) if arguments else statement
        self._connection.begin()
        done = self._connection.run(text)
        self.rowcount = int(done.get("ResultRows", -1))
        self.description, self._rows = None, []
        if done.get("HasResultSet"):
            self._fetch(done["Id"])

    def _fetch(self, statement_id: str) -> None:
        page: JsonObject = {"NextToken": ""}
        while "NextToken" in page:
            token = {"NextToken": page["NextToken"]} if page["NextToken"] else {}
            page = self._connection.call("get_statement_result", Id=statement_id, **token)
            if self.description is None:
                self.description = [
                    Column(c.get("label") or c["name"], c["typeName"])
                    for c in page["ColumnMetadata"]
                ]
            types = [column.type for column in self.description]
            for record in page["Records"]:
                self._rows.append(tuple(map(_value, record, types)))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None."""
        return self._rows.pop(0) if self._rows else None


def _has_ended(statement: JsonObject) -> bool:
    return statement["Status"] in _ENDED


def _literal(value: Any) -> str:
    """Return a value as an SQL literal; in Redshift's a backslash escapes."""
    if isinstance(value, str):
        return redshift_literal(value)
    quoted: bytes = adapt(value).getquoted()
    return quoted.decode()


def _value(field: JsonObject, kind: str) -> Any:
    """Return a field of the Data API as psycopg2 would have returned it."""
    if field.get("isNull"):
        return None
    value = next(iter(field.values()))
    if not isinstance(value, str):
        return value
    if kind == "numeric":
        return Decimal(value)
    if kind == "date":
        return date.fromisoformat(value)
    if kind.startswith("timestamp"):
        return datetime.fromisoformat(value)
    return value
