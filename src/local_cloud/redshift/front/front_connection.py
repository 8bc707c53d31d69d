"""The connection behind a client of the front."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from src.local_cloud.redshift import write_locks
from src.local_cloud.redshift.connection import RedshiftConnection
from src.local_cloud.redshift.front import messages
from src.local_cloud.redshift.front.driver_forms import DriverForms
from src.local_cloud.redshift.front.messages import Message
from src.local_cloud.redshift.query_log import Entry, code_of
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_INFO = re.compile(r"^(\w+):\s+(.*)$", re.DOTALL)


class FrontConnection(RedshiftConnection):
    """A connection whose transactions the client opens and closes itself."""

    status_byte = b"I"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.running: deque[Entry] = deque()  # whose answers are due, in order
        self.forms: DriverForms | None = None  # of AWS's own drivers
        self.preparing: Entry | None = None  # of a Parse message, until it runs

    @property
    def is_in_transaction(self) -> bool:
        """Tell whether the client has opened a transaction."""
        return self.status_byte != b"I"

    def end_transaction(self) -> None:
        """Commit, as TRUNCATE does."""
        if self.is_in_transaction:
            with self.cursor() as cursor:
                cursor.execute_postgres("COMMIT")
            self.status_byte = b"I"

    def open_transaction(self) -> None:
        """Begin a transaction for a statement that is several of PostgreSQL's."""
        super().open_transaction()
        self.status_byte = b"T"

    def close_transaction(self, word: str) -> None:
        """COMMIT or ROLLBACK what `open_transaction` began."""
        super().close_transaction(word)
        self.status_byte = b"I"

    def cancel(self) -> None:
        """Cancel the statement that runs, and the procedure that it is part of."""
        self.was_cancelled = self.call_depth > 0
        super().cancel()

    def notes(self, word: str) -> list[Message]:
        """Take what the server noted; the inner tables of COPY are hidden from the client."""
        found = [_INFO.match(line.strip()) for line in self.notices]
        del self.notices[:]
        hides = word in ("COPY", "UNLOAD")
        return [
            messages.notice(note[1], note[2])
            for note in found
            if note and not (hides and note[1] != "INFO")
        ]

    def as_message(self, error: psycopg2.Error) -> Message:
        """Return an error of the connection as a client gets it."""
        if error.pgcode == write_locks.SERIALIZATION:
            return self._conflict()
        diag = error.diag
        return messages.error(
            diag.severity or "ERROR",
            error.pgcode or getattr(error, "sqlstate", None) or "XX000",
            (diag.message_primary or str(error)).strip(),
            diag.message_detail or "",
            diag.message_hint or "",
        )

    def as_redshifts(self, answer: Message) -> Message:
        """Return an answer with Redshift's error in the place of PostgreSQL's of a conflict."""
        if answer.kind in b"CIsE" and (self.running or answer.kind == b"E"):
            self._note_end(answer)
        if self.forms is not None:
            answer = self.forms.answered(answer)
        is_conflict = answer.kind == b"E" and messages.sqlstate(answer) == write_locks.SERIALIZATION
        return self._conflict() if is_conflict else answer

    def begin_running(self, statement: Statement | None) -> None:
        """Note that the server behind runs a statement, whose answer will come."""
        self.preparing = None
        if statement is not None:
            self.running.append(self.begin_entry(statement))

    @contextmanager
    def noting(self, statement: Statement) -> Iterator[Entry]:
        """Begin a statement's entry in the query log; an error ends it."""
        entry = self.begin_entry(statement)
        try:
            yield entry
        except (psycopg2.Error, Refusal) as error:
            self.end_entry(entry, code=code_of(error), error=str(error))
            raise

    def _note_end(self, answer: Message) -> None:
        """Note how the statement ended that an answer is of; an error ends a whole pipeline."""
        if answer.kind != b"E":
            self.end_entry(self.running.popleft(), answer.body if answer.kind == b"C" else b"")
            return
        entry = self.running[0] if self.running else self.preparing
        if entry is not None:
            found = messages.fields(answer)
            self.end_entry(entry, code=found.get("C", ""), error=found.get("M", ""))
        self.running.clear()
        self.preparing = None

    def _conflict(self) -> Message:
        refusal = write_locks.conflict(self)
        return messages.error("ERROR", refusal.code, refusal.message, refusal.detail)
