"""Turns the user's own files into a raw data set, with nothing written until all can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from src.domain.dataset import DataFile, DatasetManifest, TableFiles
from src.errors import InputDataError
from src.services.input_files import InputReader, find_input
from src.services.part_making import ROWS_PER_PART
from src.services.record_encoding import EXTENSION, RawFormat, part_writer
from src.services.synthetic_data_generator import Sink


class InputDataset:
    """The files of `--input-dir`, found and their columns checked on construction."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._readers = {table.spec.name: InputReader(table) for table in find_input(folder)}

    def export(
        self,
        sink: Sink,
        raw_format: RawFormat,
        dataset_id: str,
        on_rows: Callable[[str, int], None] | None = None,
    ) -> DatasetManifest:
        """Write every record to `sink`; return the manifest for the caller to write last.

        Raises InputDataError at the first record that cannot be read, and for an empty table.
        """
        tables = {
            name: self._export_table(sink, name, reader, raw_format, on_rows)
            for name, reader in self._readers.items()
        }
        return DatasetManifest(
            dataset_id=dataset_id,
            format=raw_format,
            source="input",
            tables=tables,
            parameters={"input_dir": str(self.folder)},
        )

    def _export_table(
        self,
        sink: Sink,
        name: str,
        reader: InputReader,
        raw_format: RawFormat,
        on_rows: Callable[[str, int], None] | None,
    ) -> TableFiles:
        files: list[DataFile] = []
        rows, writer = 0, part_writer(raw_format, reader.schema)

        def store() -> None:
            path = f"{name}/part-{len(files):05d}.{EXTENSION[raw_format]}"
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
                rows, writer = 0, part_writer(raw_format, reader.schema)
        if rows:
            store()
        if not files:
            raise InputDataError(
                f"--input-dir has no records for {name}",
                where=str(self.folder),
                hint="put at least one record into each table's files",
            )
        return TableFiles(tuple(files), None, reader.columns, reader.ignored)
