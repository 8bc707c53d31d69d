"""Runs an UNLOAD: the query's rows through files on disk into objects, part by part."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from src.local_cloud.redshift.copying.load_log import now
from src.local_cloud.redshift.copying.source_objects import s3_error
from src.local_cloud.redshift.refusals import detail_block
from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.unloading.partitions import PartitionLayout
from src.local_cloud.redshift.unloading.unload_command import UnloadCommand
from src.local_cloud.redshift.unloading.unload_files import Sink, open_sink, text_rows, with_scales
from src.sql.cursors import Cursor
from src.sql.refusal import INTERNAL, Refusal

SLICES = 2
_SUFFIX = {"gzip": ".gz", "bzip2": ".bz2", "zstd": ".zst", None: ""}


class UnloadRunner:
    """One UNLOAD on one cursor."""

    def __init__(self, cursor: Cursor, connection: Any, command: UnloadCommand) -> None:
        self._cursor = cursor
        self._connection = connection
        self.command = command
        self._s3 = connection.s3
        self._existing: list[str] = []

    def run(self) -> None:
        """Write the files, or raise; without ALLOWOVERWRITE nothing there is touched."""
        command, started = self.command, now()
        query = parsing.translate(command.query)
        number = self._cursor.connection.next_query_number()
        self._cursor.execute_postgres(f"SELECT * FROM ({query}) AS unloaded LIMIT 0")
        columns = list(self._cursor.description)
        try:
            self._make_room()
            with tempfile.TemporaryFile() as rows:
                layout = PartitionLayout.of(command, [column.name for column in columns])
                self._cursor.copy_expert(f"COPY ({layout.sorted(query)}) TO STDOUT", rows)
                if command.format == "parquet":
                    columns = with_scales(columns, rows)
                rows.seek(0)
                files = self._write(rows, columns, layout)
        except (ClientError, BotoCoreError) as error:
            raise s3_error(error, command.destination) from error
        self._finish(number, started, files, columns)

    def _make_room(self) -> None:
        bucket, prefix = self.command.bucket_and_key
        found = [
            item["Key"]
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix
            )
            for item in page.get("Contents", ())
        ]
        if found and self.command.clean_path:
            self._existing = found
            if not self.command.partition_by:
                self._clean("")
        elif found and not self.command.allow_overwrite:
            text = (
                "Specified unload destination on S3 is not empty. Consider using a different "
                "bucket / prefix, manually removing the target files in S3, or using the "
                "ALLOWOVERWRITE option."
            )
            raise Refusal(text, INTERNAL, detail_block(text, 8001))

    def _clean(self, folder: str) -> None:
        """CLEANPATH: remove what was there; with PARTITION BY only where new files come."""
        bucket, prefix = self.command.bucket_and_key
        for key in self._existing:
            if key.startswith(prefix + folder):
                self._s3.delete_object(Bucket=bucket, Key=key)

    def _write(
        self, rows: IO[bytes], columns: list[Any], layout: PartitionLayout
    ) -> list[tuple[str, int, int]]:
        """Upload the parts, partition by partition; returns (uri, bytes, rows) of each."""
        written = [columns[index] for index in layout.kept]
        files: list[tuple[str, int, int]] = []
        for folder, members in groupby(text_rows(rows), layout.folder):
            if folder:
                self._clean(folder)
            kept = ([row[index] for index in layout.kept] for row in members)
            files += self._write_folder(folder, kept, written)
        if not files and not self.command.partition_by:
            files = self._write_folder("", (), written)
        return files

    def _write_folder(
        self, folder: str, rows: Iterable[list[str | None]], columns: list[Any]
    ) -> list[tuple[str, int, int]]:
        slices = SLICES if self.command.parallel else 1
        writers = [_Part(self, folder, slice_no, columns) for slice_no in range(slices)]
        with ExitStack() as stack:
            for writer in writers:
                stack.callback(writer.abandon)
            for index, row in enumerate(rows):
                writers[index % slices].write(row)
            for writer in writers:
                # One file of PARALLEL OFF is written also where there is no row.
                writer.finish(also_empty=not self.command.parallel)
        return [entry for writer in writers for entry in writer.files]

    def put(self, name: str, content: IO[bytes], size: int) -> str:
        """Upload one file below the prefix; returns its address."""
        bucket, prefix = self.command.bucket_and_key
        content.seek(0)
        self._s3.put_object(Bucket=bucket, Key=prefix + name, Body=content, ContentLength=size)
        return f"s3://{bucket}/{prefix}{name}"

    def name(self, slice_no: int, part: int) -> str:
        """Return the name of a part, behind the prefix."""
        command = self.command
        stem = f"{slice_no:04}_part_{part:02}" if command.parallel else f"{part:03}"
        if command.extension is not None:
            return f"{stem}.{command.extension.lstrip('.')}"
        return stem + (".parquet" if command.format == "parquet" else _SUFFIX[command.compression])

    def _finish(
        self, number: int, started: datetime, files: list[tuple[str, int, int]], columns: list[Any]
    ) -> None:
        command, rows = self.command, sum(count for _, _, count in files)
        if command.manifest:
            entries = [
                {"url": uri, "meta": {"content_length": size, "record_count": count}}
                for uri, size, count in files
            ]
            body = json.dumps({"entries": entries}, indent=2).encode()
            self.put("manifest", io.BytesIO(body), len(body))
        self._connection.log(
            "unload_files",
            [(number, uri, size, count, started, now(), command.format.upper())
             for uri, size, count in files],
        )  # fmt: skip
        self._connection.log(
            "unload_sessions", [(self._connection.get_backend_pid(), number, rows)]
        )
        words = f"UNLOAD completed, {rows} record(s) unloaded successfully."
        self._cursor.execute_postgres("SELECT redshift_local.info(%s)", (words,))


class _Part:
    """The files of one slice, one after the other."""

    def __init__(
        self, runner: UnloadRunner, folder: str, slice_no: int, columns: list[Any]
    ) -> None:
        self._runner = runner
        self._folder = folder
        self._slice = slice_no
        self._columns = columns
        self._open: tuple[IO[bytes], Sink] | None = None
        self.files: list[tuple[str, int, int]] = []

    def write(self, row: list[str | None]) -> None:
        target, sink = self._opened()
        sink.write(row)
        if sink.size() >= self._runner.command.max_file_bytes:
            self._close(target, sink)

    def finish(self, *, also_empty: bool) -> None:
        if self._open is not None or (also_empty and not self.files):
            self._close(*self._opened())

    def abandon(self) -> None:
        if self._open is not None:
            self._open[0].close()

    def _opened(self) -> tuple[IO[bytes], Sink]:
        if self._open is None:
            target = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the part)
            self._open = target, open_sink(target, self._columns, self._runner.command)
        return self._open

    def _close(self, target: IO[bytes], sink: Sink) -> None:
        sink.close()
        size = target.seek(0, io.SEEK_END)
        name = self._folder + self._runner.name(self._slice, len(self.files))
        uri = self._runner.put(name, target, size)
        self.files.append((uri, size, sink.rows))
        target.close()
        self._open = None
