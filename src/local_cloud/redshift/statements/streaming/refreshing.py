"""REFRESH of a streaming view: new records and the positions behind them, in one transaction."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg2

from src.json_object import JsonObject
from src.local_cloud.redshift.statements.streaming.shard_reading import (
    Scan,
    ShardReader,
    open_stream,
)
from src.local_cloud.redshift.statements.streaming.stream_views import (
    StreamView,
    prepare_records,
    translated,
)
from src.local_cloud.redshift.write_locks import writing
from src.sql.cursors import Cursor

_DONE = "Refresh successfully updated MV incrementally."
FAILED = "Refresh failed. Internal error."
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_KEY_ESCAPES = {**_ESCAPES, 0: "\ufffd"}  # no text of PostgreSQL's holds U+0000
_UNUSUAL = ("\0", "\\u", "\\/")
_MOST_OPENED = 500  # brackets and braces of a usual text


def refresh_stream(view: StreamView, name: str, cursor: Cursor, kind: str = "Manual") -> None:
    """Add what the stream holds now; alone, each bounded step of it is a transaction.

    Within a client's transaction all steps are part of that. A record that the definition fails
    for fails the refresh, and each one after it, until the view has another definition.
    """
    connection = cursor.connection
    client = open_stream(connection, view.stream)
    refresh = _Refresh(view, connection, client)
    try:
        is_complete = False
        while not is_complete:
            with writing(connection, view.rows_table):
                is_complete = refresh.step(cursor)
                if is_complete:
                    note_refresh(view, refresh.started, refresh.status, kind, cursor)
    except psycopg2.Error:
        if not connection.closed:
            connection.look_up(
                "SELECT redshift_local.note_refresh(%s, %s, %s, %s)",
                (view.oid, refresh.started.replace(tzinfo=None), FAILED, kind),
            )
        raise
    text = f"Materialized view {name} was incrementally updated successfully."
    cursor.execute_postgres("SELECT redshift_local.info(%s)", (text,))


def note_refresh(
    view: StreamView, started: datetime, status: str, kind: str, cursor: Cursor
) -> None:
    """Write the row of the refresh history."""
    cursor.execute_postgres(
        "SELECT redshift_local.note_refresh(%s, %s, %s, %s)",
        (view.oid, started.replace(tzinfo=None), status, kind),
    )


class _Refresh:
    def __init__(self, view: StreamView, connection: Any, client: Any) -> None:
        self._view = view
        self.started = datetime.now(UTC)
        iterators = connection.stream_iterators.setdefault(view.oid, {})
        self._reader = ShardReader(client, view.stream, iterators)
        self._rows = self._skipped = 0

    def step(self, cursor: Cursor) -> bool:
        """Read, store and note one step; tells whether it was the last.

        The table is locked, so that the positions are those of the newest refresh.
        """
        cursor.execute_postgres("SELECT redshift_local.stream_positions(%s)", (self._view.oid,))
        (found,) = cursor.fetchone()
        positions = {shard: (number, finished) for shard, (number, finished) in found.items()}
        scans, is_complete = self._reader.read(positions, self.started)
        moved = [
            scan for scan in scans
            if (scan.position, scan.is_finished) != positions.get(scan.shard, (None, False))
        ]  # fmt: skip
        rows = sum(len(scan.records) for scan in moved)
        if rows:
            self._store(moved, cursor)
        if moved:
            errors = [error for scan in moved for error in scan.errors]
            cursor.execute_postgres(
                "SELECT redshift_local.note_scans(%s, %s, %s)",
                (self._view.oid, json.dumps([_noted(scan) for scan in moved]), json.dumps(errors)),
            )
            self._skipped += len(errors)
        self._rows += rows
        return is_complete

    def _store(self, scans: Iterable[Scan], cursor: Cursor) -> None:
        prepare_records(cursor)
        cursor.execute_postgres("DELETE FROM pg_temp.redshift_stream_rows")  # of an earlier step
        body = io.StringIO("".join(_lines(scans, self.started)))
        cursor.copy_expert("COPY pg_temp.redshift_stream_rows FROM STDIN", body)
        _, text = translated(self._view.query, self._view.external_schema)
        cursor.execute_postgres(f"INSERT INTO {self._view.rows_table} {text}")

    @property
    def status(self) -> str:
        """Return the text of the refresh history; the qualifiers are AWS's."""
        if self._rows and self._skipped:
            return f"{_DONE} Some stream records were skipped."
        if self._skipped:
            return f"{_DONE} All records received from the stream were skipped."
        return _DONE.rstrip(".") if self._rows else f"{_DONE} Stream returned no new data."


def _lines(scans: Iterable[Scan], started: datetime) -> Iterable[str]:
    """Yield the records as COPY's text format has them."""
    refreshed = _moment(started)
    moments: dict[datetime, str] = {}  # many records arrive in one call
    for scan in scans:
        for record in scan.records:
            at = record["ApproximateArrivalTimestamp"]
            arrived = moments.get(at) or moments.setdefault(at, _moment(at))
            key = record["PartitionKey"].translate(_KEY_ESCAPES)
            yield (
                f"{arrived}\t{key}\t{scan.shard}\t{record['SequenceNumber']}\t{refreshed}\t"
                f"{_data(record['Data'])}\n"
            )


def _data(data: bytes) -> str:
    """Return the last three columns of a record: its text if it is a usual one, else its digits.

    A text is unusual that only the functions of the server's own can judge: no UTF-8, escapes that
    may stand for no character, or nested deeper than a parser goes.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if any(mark in text for mark in _UNUSUAL) or text.count("[") + text.count("{") > _MOST_OPENED:
        return f"\\N\tf\t{data.hex()}"
    is_compact = " " not in text and "\n" not in text and "\t" not in text and "\r" not in text
    if not is_compact or "\\" in text:
        text = text.translate(_ESCAPES)
    return f"{text}\t{'t' if is_compact else 'f'}\t\\N"


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _noted(scan: Scan) -> JsonObject:
    """Return what `redshift_local.note_scans` takes of one shard."""
    times = [record["ApproximateArrivalTimestamp"] for record in scan.records]
    return {
        "shard": scan.shard, "position": scan.position, "is_finished": scan.is_finished,
        "rows": len(scan.records), "skipped": len(scan.errors),
        "bytes": sum(len(record["Data"]) for record in scan.records),
        "first": _moment(min(times)) if times else None,
        "last": _moment(max(times)) if times else None,
    }  # fmt: skip
