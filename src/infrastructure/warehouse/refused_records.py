"""The records that a COPY refused, read again where they are stored: no view has a whole one."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence

from src.infrastructure.storage.s3_storage import S3Storage
from src.json_object import JsonObject

_MOST_BYTES = 65_535  # of a VARCHAR
_STATEMENT_BYTES, _STATEMENT_ROWS = 60_000, 250  # the Data API takes 100 KB
Row = tuple[str | None, ...]


def with_records(storage: S3Storage, refused: Sequence[JsonObject]) -> list[JsonObject]:
    """Return rows of a view of load errors, each with its whole record as `raw_line`.

    A file that is gone leaves what the view has.
    """
    lines: dict[str, list[bytes]] = {}
    for name in dict.fromkeys(str(row["file_name"]) for row in refused):
        bucket, _, key = name.removeprefix("s3://").partition("/")
        body = storage.of(bucket).find(key)
        if body is not None:
            is_gzip = body[:2] == b"\x1f\x8b"
            lines[name] = (gzip.decompress(body) if is_gzip else body).split(b"\n")
    found = []
    for row in refused:
        file, number = lines.get(str(row["file_name"]), []), int(row["line_number"]) - 1
        record = file[number].rstrip(b"\r") if 0 <= number < len(file) else b""
        text = record[:_MOST_BYTES].decode("utf-8", "ignore").replace("\x00", "")
        found.append({**row, "raw_line": text} if text else row)
    return found


def batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield rows as many at a time as one INSERT takes."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        weight = sum(len((value or "").encode()) for value in row)
        if batch and (len(batch) == _STATEMENT_ROWS or size + weight > _STATEMENT_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += weight
    if batch:
        yield batch
