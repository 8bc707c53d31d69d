"""The durable log below the local stream: one SQLite file, one commit before each answer.

WAL with synchronous=FULL: what a writer has committed survives `kill -9` and a power cut.
Writers take turns; readers see what was committed last, and wait for no writer.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.local_cloud.kinesis.shards import Shard

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, mode TEXT, retention_hours INT,
    created_ms INT, changing_until_ms INT, tags TEXT);
CREATE TABLE IF NOT EXISTS shards (
    stream INT, number INT, parent INT, adjacent INT, first_key TEXT, last_key TEXT,
    opened_ms INT, closed_ms INT, last INT, arrived_ms INT, PRIMARY KEY (stream, number));
CREATE TABLE IF NOT EXISTS records (
    stream INT, shard INT, n INT, arrived_ms INT, key TEXT, data BLOB,
    PRIMARY KEY (stream, shard, n)) WITHOUT ROWID;
"""
_CONNECTION = "PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000"
_STREAM = "SELECT id, name, mode, retention_hours, created_ms, changing_until_ms, tags FROM streams"
_SHARDS = """
SELECT stream, number, parent, adjacent, first_key, last_key, opened_ms, closed_ms, last, arrived_ms
FROM shards WHERE stream = ? ORDER BY number
"""
_DELETED_AT_ONCE = 20_000  # records: longer transactions would keep writers waiting
Row = tuple[int, int, int, int, str, bytes]  # a record as the table has it


@dataclass(frozen=True)
class Stream:
    """A stream's own facts."""

    id: int
    name: str
    mode: str
    retention_hours: int
    created_ms: int
    changing_until_ms: int  # CREATING or UPDATING until then
    tags: dict[str, str]


@dataclass(frozen=True)
class Record:
    """One record of a shard."""

    n: int
    arrived_ms: int
    key: str
    data: bytes


class Transaction:
    """What one transaction reads and writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- streams -------------------------------------------------------------------------

    def stream(self, name: str) -> Stream | None:
        """Return the stream of a name."""
        return next(self._streams(" WHERE name = ?", name), None)

    def stream_of_id(self, number: int) -> Stream | None:
        """Return the stream of a number; a new stream of an old name has another one."""
        return next(self._streams(" WHERE id = ? AND name IS NOT NULL", number), None)

    def streams(self) -> list[Stream]:
        """Return all streams by name."""
        return list(self._streams(" WHERE name IS NOT NULL ORDER BY name"))

    def _streams(self, condition: str, *values: str | int) -> Iterator[Stream]:
        for row in self._db.execute(_STREAM + condition, values):
            known: tuple[Any, ...] = (*row[:6], json.loads(row[6]))
            yield Stream(*known)

    def add_stream(
        self, name: str, mode: str, hours: int, now_ms: int, until_ms: int, tags: dict[str, str]
    ) -> int:
        """Make a stream without shards; returns its number."""
        made = self._db.execute(
            "INSERT INTO streams (name, mode, retention_hours, created_ms, changing_until_ms, tags)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (name, mode, hours, now_ms, until_ms, json.dumps(tags)),
        )
        return int(made.lastrowid or 0)

    def update_stream(
        self, stream: Stream, *, hours: int | None = None, until_ms: int | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Change a stream's facts."""
        self._db.execute(
            "UPDATE streams SET retention_hours = COALESCE(?, retention_hours), "
            "changing_until_ms = COALESCE(?, changing_until_ms), tags = COALESCE(?, tags) "
            "WHERE id = ?",
            (hours, until_ms, None if tags is None else json.dumps(tags), stream.id),
        )

    def delete_stream(self, stream: Stream) -> None:
        """Delete a stream and its shards; its records are out of reach from then on."""
        self._db.execute("DELETE FROM shards WHERE stream = ?", (stream.id,))
        self._db.execute("UPDATE streams SET name = NULL WHERE id = ?", (stream.id,))

    def delete_unreachable(self) -> bool:
        """Delete some records of deleted streams; returns whether there may be more."""
        row = self._db.execute("SELECT id FROM streams WHERE name IS NULL").fetchone()
        if row is None:
            return False
        cut = self._db.execute(
            "DELETE FROM records WHERE (stream, shard, n) IN (SELECT stream, shard, n "
            "FROM records WHERE stream = ? LIMIT ?)",
            (*row, _DELETED_AT_ONCE),
        )
        if cut.rowcount == 0:
            self._db.execute("DELETE FROM streams WHERE id = ?", row)
        return True

    # -- shards --------------------------------------------------------------------------

    def shards(self, stream: Stream) -> list[Shard]:
        """Return a stream's shards in the order they were made."""
        rows: list[tuple[Any, ...]] = self._db.execute(_SHARDS, (stream.id,)).fetchall()
        known = [(*row[:4], int(row[4]), int(row[5]), *row[6:]) for row in rows]
        return [Shard(*facts) for facts in known]

    def add_shard(
        self, stream: int, number: int, keys: tuple[int, int], now_ms: int,
        parent: int | None = None, adjacent: int | None = None,
    ) -> None:  # fmt: skip
        """Open a shard."""
        self._db.execute(
            "INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 0, 0)",
            (stream, number, parent, adjacent, str(keys[0]), str(keys[1]), now_ms),
        )

    def close_shard(self, shard: Shard, now_ms: int) -> None:
        """Close a shard: no record is put into it any more."""
        self._db.execute(
            "UPDATE shards SET closed_ms = ? WHERE stream = ? AND number = ?",
            (now_ms, shard.stream, shard.number),
        )

    # -- records -------------------------------------------------------------------------

    def append(self, rows: Iterable[Row], heads: Iterable[tuple[int, int, int, int]]) -> None:
        """Store records, and (last number, arrival, stream, shard) of each shard they went to."""
        self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.executemany(
            "UPDATE shards SET last = ?, arrived_ms = ? WHERE stream = ? AND number = ?", heads
        )

    def records(self, shard: Shard, after: int, limit: int) -> Iterator[Record]:
        """Yield the records behind a position."""
        for row in self._db.execute(
            "SELECT n, arrived_ms, key, data FROM records "
            "WHERE stream = ? AND shard = ? AND n > ? ORDER BY n LIMIT ?",
            (shard.stream, shard.number, after, limit),
        ):
            yield Record(*row)

    def arrived_ms(self, shard: Shard, n: int) -> int:
        """Return when a record came."""
        (found,) = self._db.execute(
            "SELECT arrived_ms FROM records WHERE stream = ? AND shard = ? AND n = ?",
            (shard.stream, shard.number, n),
        ).fetchone()
        return int(found)

    def first_since(self, shard: Shard, ms: int) -> int:
        """Return the number of the first record that came at a time or later.

        Within a shard numbers have no gaps and times never fall, so it is a binary search.
        """
        row = self._db.execute(
            "SELECT n, arrived_ms FROM records WHERE stream = ? AND shard = ? ORDER BY n LIMIT 1",
            (shard.stream, shard.number),
        ).fetchone()
        if row is None or shard.arrived_ms < ms:
            return shard.last + 1
        first, arrived = row
        if arrived >= ms:
            return int(first)
        numbers = range(first, shard.last + 1)
        return int(first) + bisect_left(numbers, ms, key=lambda n: self.arrived_ms(shard, n))

    def trim(self, shard: Shard, since_ms: int) -> None:
        """Delete some of the records from before a time, and the shard once it is empty."""
        first = self.first_since(shard, since_ms)
        self._db.execute(
            "DELETE FROM records WHERE stream = ?1 AND shard = ?2 AND n < ?3 AND n < ?4 + "
            "(SELECT MIN(n) FROM records WHERE stream = ?1 AND shard = ?2)",
            (shard.stream, shard.number, first, _DELETED_AT_ONCE),
        )
        if shard.closed_ms is not None and shard.closed_ms < since_ms and first > shard.last:
            self._db.execute(
                "DELETE FROM shards WHERE stream = ?1 AND number = ?2 AND NOT EXISTS "
                "(SELECT 1 FROM records WHERE stream = ?1 AND shard = ?2)",
                (shard.stream, shard.number),
            )


class StreamLog:
    """The file; one process opens it at a time."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._writer, self._reader = _open(file), _open(file)
        self._writer.executescript(_SCHEMA)
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self.delete_unreachable()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Give a transaction that is on the disk when the block ends, or undone."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Give a view of what is committed when the block begins."""
        with self._read_lock:
            self._reader.execute("BEGIN")
            try:
                yield Transaction(self._reader)
            finally:
                self._reader.execute("ROLLBACK")

    def delete_unreachable(self) -> None:
        """Delete the records of deleted streams."""
        may_be_more = True
        while may_be_more:
            with self.write() as log:
                may_be_more = log.delete_unreachable()

    def close(self) -> None:
        """Close the file once nothing is being written or read."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    connection.executescript(_CONNECTION)
    return connection
