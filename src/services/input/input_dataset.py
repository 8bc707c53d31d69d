"""Turns the user's own files into a raw data set; its manifest, written last, commits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from src.domain.bucket_layout import part_file
from src.domain.dataset import DataFile, DatasetManifest, TableFiles
from src.domain.tables import TABLES
from src.errors import InputDataError
from src.services.encoding.record_encoding import EXTENSION, RawFormat, part_writer
from src.services.encoding.sink import ROWS_PER_PART, Sink
from src.services.input.input_errors import shown
from src.services.input.input_files import InputReader
from src.services.input.input_folder import find_input


class InputDataset:
    """The files of `--input-dir`: found on construction, and each file's start read by `check`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = find_input(folder)
        self.passed_over = found.passed_over
        self.readers = {table.spec.name: InputReader(table) for table in found.tables}

    def check(self) -> None:
        """Read the header or first record of every file; raises InputDataError."""
        for reader in self.readers.values():
            reader.peek()

    def export(
        self,
        sink: Sink,
        raw_format: RawFormat,
        dataset_id: str,
        on_rows: Callable[[str, int], None] | None = None,
        *,
        parents_may_be_loaded: bool = False,
    ) -> DatasetManifest:
        """Write every record to `sink`; return the manifest for the caller to write last.

        Raises InputDataError at the first record that cannot be read, and for a table without
        records that others refer to; not where those may already be in the warehouse.
        """
        tables = {
            name: self._export_table(sink, name, reader, raw_format, on_rows)
            for name, reader in self.readers.items()
        }
        self._check_parents(tables, parents_may_be_loaded)
        return DatasetManifest(
            dataset_id=dataset_id,
            format=raw_format,
            source="input",
            tables=tables,
            parameters={
                "input_dir": shown(self.folder, 1_000),
                "files": {name: self.names_of(name) for name in self.readers},
                "passed_over": list(self.passed_over),
            },
        )

    def names_of(self, table: str) -> list[str]:
        """Return the names of a table's files, as they lie below the folder."""
        files = self.readers[table].table.files
        return [shown(file.path.relative_to(self.folder).as_posix(), 1_000) for file in files]

    def _export_table(
        self,
        sink: Sink,
        name: str,
        reader: InputReader,
        raw_format: RawFormat,
        on_rows: Callable[[str, int], None] | None,
    ) -> TableFiles:
        files: list[DataFile] = []
        schema = reader.schema
        rows, writer = 0, part_writer(raw_format, schema)

        def store() -> None:
            path = part_file(name, len(files), EXTENSION[raw_format])
            body = writer.finish()
            sink.put(path, body)
            files.append(DataFile(path, len(body), rows, writer.content_sha256()))

        for block in reader.blocks():
            writer.write(block)
            rows += block.num_rows
            if on_rows:
                on_rows(name, block.num_rows)
            if rows >= ROWS_PER_PART:
                store()
                rows, writer = 0, part_writer(raw_format, schema)
        if rows or not files:
            if not rows and raw_format == "csv":  # a file without rows still has its header
                writer.write(schema.empty_table())
            store()
        return TableFiles(tuple(files), None, tuple(schema.names), reader.ignored)

    def _check_parents(self, tables: Mapping[str, TableFiles], may_be_loaded: bool) -> None:
        """Refuse records that refer to a table which has none."""
        if not any(files.records for files in tables.values()):
            raise InputDataError(
                "--input-dir has no record in any table",
                where=shown(self.folder),
                cause="every file is empty, or has a header line only",
                hint="put at least one record into a file: docs/reference/data_dictionary.md",
            )
        for spec in TABLES:
            for column, parent in spec.references:
                if tables[spec.name].records and not tables[parent].records and not may_be_loaded:
                    raise InputDataError(
                        f"--input-dir has {spec.name}, and no record for {parent}",
                        where=", ".join(self.names_of(parent)),
                        cause=f"every {column} of {spec.name} would refer to nothing",
                        hint=f"put the {parent} into their file, or, if they are already in the "
                        "warehouse, use --load-mode merge",
                    )
