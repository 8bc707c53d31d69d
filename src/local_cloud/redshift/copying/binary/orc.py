"""ORC files with the methods that reading Parquet needs: a schema, a count, batches of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from src.local_cloud.redshift.copying.copy_failures import ScanError
from src.local_cloud.redshift.copying.lines import LONGEST


class OrcFile:
    """One ORC file, read stripe by stripe."""

    def __init__(self, content: IO[bytes]) -> None:
        from pyarrow import orc  # a library of its own: only for who loads ORC

        self._file = orc.ORCFile(content)
        self.schema_arrow: pa.Schema = self._file.schema
        self.num_rows: int = self._file.nrows

    def iter_batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, so many at once at most."""
        for index in range(self._file.nstripes):
            stripe = self._file.read_stripe(index)
            for start in range(0, stripe.num_rows, rows):
                yield stripe.slice(start, rows)

    def check_rows(self, uri: str) -> None:
        """Raise ScanError for a file that is sure to hold a row that is too long."""
        if self._file.content_length > max(self.num_rows, 1) * LONGEST + LONGEST:
            raise ScanError(f"A row is longer than {LONGEST} bytes, File name: {uri}")
