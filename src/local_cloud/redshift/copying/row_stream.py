"""A stream of rows into a table: encoded in threads while PostgreSQL reads the blocks before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from typing import TypeVar

import pyarrow as pa
import pyarrow.csv as pa_csv

from src.local_cloud.redshift.copying.binary_rows import HEAD, TAIL, as_binary, can_be_binary
from src.local_cloud.redshift.copying.field_rules import TargetColumn
from src.sql.cursors import Cursor
from src.sql.refusal import Refusal

_MAKERS = 2
_Block = TypeVar("_Block")


def copy_typed(
    cursor: Cursor, table: str, columns: list[TargetColumn], types: list[pa.DataType],
    blocks: Iterator[_Block], typed: Callable[[_Block], pa.RecordBatch],
) -> int:  # fmt: skip
    """Load what `typed` makes of each block, rows of Arrow's `types`; otherwise as `copy_made`."""
    names = ", ".join(c.quoted for c in columns)
    head = f"COPY {table} ({names}) FROM STDIN"
    if not can_be_binary(columns, types):
        if any(column.type in ("super", "varbyte") for column in columns):
            raise Refusal.not_emulated("Parquet with a DECIMAL of over 18 digits beside a SUPER")
        return copy_made(
            cursor, f"{head} (FORMAT csv, NULL '')", blocks, lambda block: _as_csv(typed(block))
        )
    return copy_made(
        cursor,
        f"{head} (FORMAT binary)",
        blocks,
        lambda block: as_binary(typed(block), columns),
        HEAD,
        TAIL,
    )


def copy_made(
    cursor: Cursor, statement: str, blocks: Iterator[_Block], make: Callable[[_Block], bytes],
    head: bytes = b"", tail: bytes = b"",
) -> int:  # fmt: skip
    """Run a COPY ... FROM STDIN over what is made of each block, and return the rows.

    Raises what making it raised, or the server's error; nothing is loaded then, and the
    transaction continues.
    """
    cursor.execute_postgres("SAVEPOINT redshift_rows")
    with closing(_made(blocks, make)) as made:
        feed = _Feed(part for part in chain([head], made, [tail]) if part)
        try:
            cursor.copy_expert(statement, feed)
        except Exception:
            if not cursor.connection.closed:
                cursor.execute_postgres("ROLLBACK TO SAVEPOINT redshift_rows")
            if feed.error is not None:  # the driver reports only that it was stopped
                raise feed.error from None
            raise
    rows = int(cursor.rowcount)
    cursor.execute_postgres("RELEASE SAVEPOINT redshift_rows")
    return rows


def _as_csv(rows: pa.RecordBatch) -> bytes:
    """Return CSV in which null is empty and '' is quoted."""
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(rows, sink, pa_csv.WriteOptions(include_header=False))
    body: bytes = sink.getvalue().to_pybytes()
    return body


class _Feed:
    """What the driver reads from; keeps the error that ended it."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self.error: BaseException | None = None

    def read(self, _: int = -1) -> bytes:
        try:
            return next(self._parts, b"")
        except BaseException as error:
            self.error = error
            raise


def _made(
    blocks: Iterator[_Block], make: Callable[[_Block], bytes]
) -> Generator[bytes, None, None]:
    """Yield what is made of the blocks, in their order; a few are in progress at any time."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(_MAKERS) as makers:

        def begun() -> Future[bytes] | None:
            block = next(blocks, None)
            return None if block is None else makers.submit(make, block)

        waiting = deque(reader.submit(begun) for _ in range(_MAKERS + 1))
        while (made := waiting.popleft().result()) is not None:
            waiting.append(reader.submit(begun))
            yield made.result()
