"""What a load is to do, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from src.json_object import JsonView

LoadMode = Literal["replace", "merge"]
CopyFormat = Literal["parquet", "json", "csv"]


@dataclass(frozen=True)
class SourceFile:
    """One object to COPY."""

    uri: str
    size_bytes: int


@dataclass(frozen=True)
class LoadSource:
    """What to COPY into one table. `rows` is how many must arrive, where that is known.

    `columns` is the files' column order where the format has one (CSV, Parquet).
    """

    files: tuple[SourceFile, ...]
    format: CopyFormat
    rows: int | None = None
    columns: tuple[str, ...] = ()
    compressed: bool = False

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(file.size_bytes for file in self.files)


@dataclass
class TableLoad:
    """What a load did to one table."""

    files: int
    bytes: int
    source_rows: int
    rejected_rows: int
    table_rows: int
    seconds: float
    warnings: JsonView = field(default_factory=dict)  # what cleaning changed in its rows


@dataclass(frozen=True)
class LoadPlan:
    """A whole load: sources by table name, and where rejected rows are stored."""

    run_id: str
    mode: LoadMode
    tables: Mapping[str, LoadSource]
    rejected: tuple[SourceFile, ...] = ()
    clean_in_warehouse: bool = False  # raw rows: clean them with SQL after the COPY
    as_of: str | None = None
    dataset_id: str = ""
    rejected_counts: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, JsonView] = field(default_factory=dict)
    null_values: tuple[str, ...] = ()  # texts that mean no value, besides those that always do
