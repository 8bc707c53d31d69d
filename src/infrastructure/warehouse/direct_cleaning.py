"""The simplified path: raw rows straight into Redshift, cleaned there with SQL.

Raw rows are copied as text. The statements here run the same SQL on them as the Glue job does
(src/domain/cleaning.py), each step into a temporary table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from src.domain import text_values
from src.domain.cleaning import RECORD_NUMBER, Cleaning
from src.domain.tables import SCHEMA, TableSpec
from src.infrastructure.warehouse.staging_names import staging_table
from src.json_object import JsonView

QUARANTINE = f"{SCHEMA}.rejected_records"
REFUSED_COLUMNS = ("run_id", "table_name", "record_key", "rule", "raw_record")  # of a record


def raw_table(spec: TableSpec, name: str) -> str:
    """Return DDL for the table raw rows are copied to: text, of the longest that Redshift has."""
    columns = [f"{column} VARCHAR(65535)" for column in (*spec.column_names, RECORD_NUMBER)]
    return f"CREATE TEMP TABLE {name} ({', '.join(columns)})"


def refused_record(
    run_id: str, spec: TableSpec, row: JsonView
) -> tuple[str, str, str | None, str, str]:
    """Return the quarantine's row for a record that COPY could not read, even as text."""
    raw = str(row.get("raw_line") or "")
    try:
        key = str(json.loads(raw)[spec.key])
    except (ValueError, KeyError, TypeError):
        key = None  # the view shows the beginning of a record only
    return run_id, spec.name, key, f"unreadable:{row['column_name'] or 'record'}", raw


class DirectCleaning:
    """The statements that move one table's good rows from `raw` to `stage`."""

    def __init__(self, spec: TableSpec, run_id: str, null_values: Sequence[str] = ()) -> None:
        self._spec = spec
        self._run_id = run_id
        self._cleaning = Cleaning(
            spec,
            lambda step, table: staging_table(step, table, run_id),
            lambda parent: f"{SCHEMA}.{parent}",
            (*text_values.ABSENT, *null_values),
        )
        self.counts = self._cleaning.counts()

    def statements(self, stage: str) -> Iterator[tuple[str, tuple[Any, ...] | None]]:
        """Yield the statements that fill `stage` and the quarantine."""
        before = staging_table("raw", self._spec.name, self._run_id)
        for name, query in self._cleaning.steps():
            yield f"CREATE TEMP TABLE {name} AS {query}", None
            if before not in self._cleaning.kept():
                yield f"DROP TABLE {before}", None
            before = name
        columns = "table_name, record_key, rule, raw_record, parent_key"
        yield (
            f"INSERT INTO {QUARANTINE} (run_id, {columns}) "
            f"SELECT %s, {columns} FROM ({self._cleaning.rejected()}) AS r",
            (self._run_id,),
        )
        names = ", ".join(self._spec.column_names)
        yield f"CREATE TEMP TABLE {stage} (LIKE {SCHEMA}.{self._spec.name})", None
        yield f"INSERT INTO {stage} ({names}) {self._cleaning.accepted()}", None

    def last_statement(self) -> str:
        """Return the statement that drops what is left: what `counts` reads."""
        return f"DROP TABLE {', '.join(self._cleaning.kept())}"
