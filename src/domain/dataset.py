"""A raw data set: which files make it up. Its manifest is written last and is its commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from src.domain.tables import TABLES
from src.json_object import JsonObject, JsonView

FORMATS = ("json", "csv", "parquet")


@dataclass(frozen=True)
class DataFile:
    """One file: its path below the data set, stored bytes, records, and content digest.

    The digest is of the content before compression, which does not depend on the machine.
    """

    path: str
    bytes: int
    rows: int | None = None
    content_sha256: str | None = None


@dataclass(frozen=True)
class TableFiles:
    """The files of one table. `valid_rows` is known for generated data only."""

    files: tuple[DataFile, ...]
    valid_rows: int | None = None
    columns: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()

    @property
    def records(self) -> int | None:
        """Return how many records the files hold, defects included; None if not known."""
        if any(f.rows is None for f in self.files):
            return None
        return sum(f.rows or 0 for f in self.files)

    @property
    def bytes(self) -> int:
        """Return the stored bytes."""
        return sum(f.bytes for f in self.files)


@dataclass(frozen=True)
class DatasetManifest:
    """What is in a data set and where it came from."""

    dataset_id: str
    format: str
    source: str  # "synthetic" or "input"
    tables: Mapping[str, TableFiles]
    as_of: str | None = None
    parameters: JsonView = field(default_factory=dict)
    defects: int | None = None
    untidy: int | None = None

    @property
    def records(self) -> int:
        """Return all records whose number is known."""
        return sum(t.records or 0 for t in self.tables.values())

    @property
    def files(self) -> int:
        """Return the number of data files."""
        return sum(len(t.files) for t in self.tables.values())

    @property
    def bytes(self) -> int:
        """Return the stored bytes of the data files."""
        return sum(t.bytes for t in self.tables.values())

    def with_sizes(self, size_of: Callable[[str], int]) -> DatasetManifest:
        """Return the manifest with every file's real size; one by hand may lack it."""
        tables = {
            name: replace(
                table, files=tuple(replace(f, bytes=size_of(f.path)) for f in table.files)
            )
            for name, table in self.tables.items()
        }
        return replace(self, tables=tables)

    def as_dict(self) -> JsonObject:
        """Return the manifest as JSON stores it."""
        return asdict(self) | {"schema_version": 1}


def manifest_from_dict(raw: JsonView) -> DatasetManifest:
    """Build a manifest from JSON; only format and each table's files' paths are required.

    Raises ValueError saying what is wrong.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("tables"), Mapping):
        raise ValueError("it has no 'tables' object")
    if raw.get("format", "json") not in FORMATS:
        raise ValueError(f"format {raw['format']!r} is not one of {', '.join(FORMATS)}")
    tables: dict[str, TableFiles] = {}
    for spec in TABLES:
        entry = raw["tables"].get(spec.name)
        files = entry.get("files") if isinstance(entry, Mapping) else None
        if not isinstance(files, list) or not files:
            raise ValueError(f"table {spec.name} has no files")
        tables[spec.name] = TableFiles(
            files=tuple(_data_file(f, spec.name) for f in files),
            valid_rows=entry.get("valid_rows"),
            columns=tuple(entry.get("columns") or ()),
            ignored_columns=tuple(entry.get("ignored_columns") or ()),
        )
    return DatasetManifest(
        dataset_id=str(raw.get("dataset_id", "")),
        format=str(raw.get("format", "json")),
        source=str(raw.get("source", "input")),
        tables=tables,
        as_of=raw.get("as_of"),
        parameters=dict(raw.get("parameters") or {}),
        defects=raw.get("defects"),
        untidy=raw.get("untidy"),
    )


def _data_file(raw: Any, table: str) -> DataFile:
    path = raw.get("path") if isinstance(raw, Mapping) else None
    if not isinstance(path, str) or not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"table {table} has a file without a plain relative path")
    return DataFile(path, int(raw.get("bytes") or 0), raw.get("rows"), raw.get("content_sha256"))
