"""Rehearses a load without a warehouse: the loader's own code, whose statements are only noted."""

from __future__ import annotations

from typing import Any

from src.domain.bucket_layout import PROCESSED_PREFIX, QUARANTINE_PREFIX, RAW_PREFIX, folder
from src.domain.tables import TABLES
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.load_plan import CopyFormat, LoadPlan, LoadSource, SourceFile
from src.settings import Settings
from src.sql import scanning


def load_statements(settings: Settings, query_group: str) -> list[str]:
    """Return every statement and upload that a load with these settings would send, in order."""
    notes: list[str] = []
    client = RedshiftClient(lambda: _Connection(notes), query_group=query_group)
    storage = _Storage(settings.processed_bucket, notes)
    role = "" if settings.redshift_role == "default" else "…"
    loader = RedshiftDataLoader(client, storage, iam_role=role)
    is_direct = settings.etl == "direct"
    tables = {table.name: _source(settings, table.name) for table in TABLES}
    rejected = SourceFile(storage.uri(f"{folder(QUARANTINE_PREFIX, 'DATASET')}*.parquet"), 1)
    plan = LoadPlan(
        "RUN",
        settings.load_mode,
        tables,
        rejected=() if is_direct else (rejected,),
        clean_in_warehouse=is_direct,
        dataset_id="DATASET",
    )
    client.create_tables()
    loader.load(plan)
    return notes


def _source(settings: Settings, table: str) -> LoadSource:
    columns = next(spec.column_names for spec in TABLES if spec.name == table)
    if settings.etl == "direct":
        file = SourceFile(f"s3://{settings.raw_bucket}/{folder(RAW_PREFIX, 'DATASET', table)}*", 1)
        kind: CopyFormat = "csv" if settings.raw_format == "csv" else "json"
        return LoadSource((file,), kind, columns=tuple(columns), compressed=True)
    file = SourceFile(
        f"s3://{settings.processed_bucket}/{folder(PROCESSED_PREFIX, 'DATASET', table)}*.parquet", 1
    )
    return LoadSource((file,), "parquet")


class _Storage(S3Storage):
    """Notes what would be stored."""

    def __init__(self, bucket: str, notes: list[str]) -> None:
        super().__init__(None, bucket)
        self._notes = notes

    def put(
        self, key: str, body: bytes, *, content_type: str | None = None, over: str | None = None
    ) -> None:
        """Note the upload."""
        self._notes.append(f"PutObject {self.uri(key)}")


class _Connection:
    """Notes what would be executed; every count is zero."""

    closed = 0

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def cursor(self) -> _Cursor:
        """Return a cursor."""
        return _Cursor(self._notes)

    def commit(self) -> None:
        """Note the commit, once."""
        if self._notes and self._notes[-1] != "COMMIT":
            self._notes.append("COMMIT")

    def rollback(self) -> None:
        """Do nothing: nothing was done."""

    close = rollback


class _Cursor:
    rowcount = 0
    description: tuple[Any, ...] = ()

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def __enter__(self) -> _Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def execute(self, statement: str, arguments: Any = None) -> None:
        """Note the statement on one line, without the role."""
        self._notes += [" ".join(found.code.split()) for found in scanning.split(statement)]

    def fetchone(self) -> tuple[int]:
        """Return a count of nothing."""
        return (0,)

    def fetchall(self) -> list[Any]:
        """Return no rows."""
        return []
