"""What stl_query, sys_query_history and their like show: every statement of every client.

A statement does not wait for its entry. Entries are kept in memory and written in batches: before
a statement reads them, where there are many, and when a session ends.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg2

from src.sql.cursors import Row
from src.sql.scanning import Statement

_LONGEST = 65_535  # characters of a text that are kept
_BATCH = 200
_MANY_WORDS, _LONG_WORD = 1_000, 10_000  # of a statement that is not kept in memory
_VIEWS = re.compile(
    r"(stl|svl|svcs|sys|stv)_(query|qlog|ddltext|utilitytext|statementtext|error|recents|"
    r"connection_log|session_history|transaction_history|stored_proc_call|procedure_call)\w*"
)
_SECRETS = frozenset(
    ["PASSWORD", "CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "TOKEN",
     "MASTER_SYMMETRIC_KEY"]
)  # fmt: skip
_OF_QUERIES = frozenset(
    ["SELECT", "WITH", "(", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "UNLOAD"]
)
_DEFINING = frozenset(["CREATE", "ALTER", "DROP"])
_ROWS = re.compile(rb"([0-9]+)\x00?$")
_transactions = itertools.count(time.time_ns() // 1_000_000)  # later ones have higher numbers


@dataclass(slots=True)
class Entry:
    """A statement that runs, or did. What of it takes time is worked out when it is written."""

    statement: Statement
    starts: float
    pid: int
    user: str
    transaction: int
    label: str
    is_nested: bool
    query: int | None = None  # where the statement has taken a number itself
    ends: float = 0.0
    tag: bytes = b""
    code: str = ""
    error: str = ""

    @property
    def is_long(self) -> bool:
        """Whether the statement takes much memory: its words take more than its text."""
        tokens = self.statement.tokens
        return len(tokens) > _MANY_WORDS or any(
            len(token.gap + token.text) > _LONG_WORD for token in tokens
        )

    def as_row(self) -> dict[str, Any]:
        """Return the entry as the server takes it."""
        rows = _ROWS.search(self.tag)
        return {
            "text": _shown(self.statement)[:_LONGEST], "kind": _kind(self.statement),
            "starts": _moment(self.starts), "ends": _moment(self.ends), "pid": self.pid,
            "user": self.user, "transaction": self.transaction, "label": self.label,
            "is_nested": self.is_nested, "query": self.query,
            "rows": int(rows[1]) if rows else 0, "code": self.code, "error": self.error[:512],
        }  # fmt: skip


class QueryLog:
    """The entries of one server's sessions that are not written yet."""

    def __init__(self) -> None:
        self._held: deque[Entry | dict[str, Any]] = deque(maxlen=10_000)
        self._writing = threading.Lock()

    def add(self, entry: Entry | dict[str, Any]) -> bool:
        """Hold an entry; tells whether it is to be written now: memory has a bound."""
        self._held.append(entry)
        is_long = isinstance(entry, Entry) and entry.is_long
        return is_long or len(self._held) >= _BATCH

    def write(self, cursor: Any) -> None:
        """Write what is held; an error leaves it for the next time."""
        with self._writing:
            found = []
            while self._held:
                found.append(self._held.popleft())
            if not found:
                return
            queries = [entry.as_row() for entry in found if isinstance(entry, Entry)]
            events = [entry for entry in found if isinstance(entry, dict)]
            try:
                cursor.execute(
                    "SELECT redshift_local.note_queries(%s, %s)",
                    (_as_json(queries), _as_json(events)),
                )
            except psycopg2.Error:
                self._held.extendleft(reversed(found))
                raise


def _as_json(rows: list[Any]) -> str:
    return json.dumps(rows).replace("\\u0000", "")


_logs: dict[tuple[Any, ...], QueryLog] = {}


def log_of(address: dict[str, Any]) -> QueryLog:
    """Return the log of the server that an address is of."""
    return _logs.setdefault((address.get("host"), address.get("port")), QueryLog())


def is_read_by(statement: Statement) -> bool:
    """Tell whether a statement names a view of the log."""
    return any(
        "_" in token.text and token.kind in ("word", "quoted") and _VIEWS.fullmatch(token.name)
        for token in statement.tokens
    )


def begin(statement: Statement, connection: Any) -> Entry:
    """Return the entry of a statement that begins."""
    if not connection.transaction_number or not connection.is_in_transaction:
        connection.transaction_number = next(_transactions)
    connection.query_number = None
    return Entry(
        statement, time.time(), connection.get_backend_pid(), connection.info.user,
        connection.transaction_number, connection.query_label, connection.call_depth > 0,
    )  # fmt: skip


def now() -> str:
    """Return this moment as it stands in the log."""
    return _moment(time.time())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def label_after(statement: Statement, label: str) -> str:
    """Return the query group that holds after a SET or RESET."""
    words = statement.words(0, 3)
    if words[1:2] != ["QUERY_GROUP"]:
        return label
    value = statement.tokens[3] if words[0] == "SET" and len(statement.tokens) > 3 else None
    found = value.value if value and value.kind == "string" else value.name if value else "default"
    return found or "default"


def _kind(statement: Statement) -> str:
    word = statement.leading_word
    words = statement.words()
    if word == "CREATE" and "AS" in words and ("TABLE" in words[:4] or words[1:2] == ["TABLE"]):
        return "CTAS"
    if word in _OF_QUERIES:
        return "SELECT" if word in ("WITH", "(") else word
    return "DDL" if word in _DEFINING else "UTILITY"


def _shown(statement: Statement) -> str:
    """Return a statement's text without what is secret in it."""
    has_secrets = not _SECRETS.isdisjoint(statement.words())
    shown, is_secret = [], False
    for token in statement.tokens:
        hides = has_secrets and is_secret and token.kind == "string"
        shown.append(token.gap + ("'***'" if hides else token.text))
        is_secret = token.word in _SECRETS or (is_secret and token.word in ("AS", "=", "IS"))
    return "".join(shown).strip()


def insertions(function: str, table: str, rows: list[Row]) -> Iterator[tuple[str, list[Any]]]:
    """Yield statements that write rows of a system table by a function, and their values."""
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        entry = f"(ROW({', '.join(['%s'] * len(part[0]))})::redshift_local.{table})"
        entries = ", ".join([entry] * len(part))
        yield (
            f"SELECT redshift_local.{function}(entry) FROM (VALUES {entries}) AS entries (entry)",
            list(itertools.chain.from_iterable(part)),
        )


def code_of(error: Exception) -> str:
    """Return the SQLSTATE of an error."""
    return str(getattr(error, "pgcode", None) or getattr(error, "code", None) or "XX000")
