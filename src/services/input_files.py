"""The user's own files: found by table, read as text columns, refused with file and line."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from src.domain.tables import TABLES, TableSpec
from src.errors import InputDataError
from src.services.unzipping import Unzipped

ROWS_PER_BLOCK = 50_000
EXTENSIONS = (".json", ".jsonl", ".csv", ".parquet")
MAX_LINE_BYTES = 4_000_000  # Redshift's own limit for one JSON object or row
_HINT = "see docs/reference/data_dictionary.md for what each file must hold"


@dataclass(frozen=True)
class InputTable:
    """The files of one table."""

    spec: TableSpec
    files: tuple[Path, ...]


def find_input(folder: Path) -> list[InputTable]:
    """Return the files of every table in `folder`.

    `concerts.csv`, `concerts-2024.jsonl.gz` and `concerts/anything.parquet` are all concerts.
    Raises InputDataError where the folder or a table is missing.
    """
    if not folder.is_dir():
        raise InputDataError(
            f"--input-dir {folder} is not a folder",
            hint="--input-dir my_data/, with artists, venues, concerts and ticket_sales files",
        )
    found = {spec.name: _files_of(folder, spec.name) for spec in TABLES}
    missing = [name for name, files in found.items() if not files]
    if missing:
        example = f"{missing[0]}.csv or {missing[0]}.jsonl.gz"
        raise InputDataError(
            f"--input-dir has no file for {', '.join(missing)}",
            where=str(folder),
            cause=f"looked for {example} and the like",
            hint=_HINT,
        )
    return [InputTable(spec, found[spec.name]) for spec in TABLES]


def _files_of(folder: Path, table: str) -> tuple[Path, ...]:
    files = [
        path
        for path in folder.iterdir()
        if (path.is_file() and _kind(path) and _stem(path).rstrip("0123456789-_.") == table)
        or (path.is_file() and _kind(path) and path.name.startswith((f"{table}-", f"{table}.")))
    ]
    if (folder / table).is_dir():
        files += [p for p in (folder / table).iterdir() if p.is_file() and _kind(p)]
    return tuple(sorted(set(files)))


def _kind(path: Path) -> str:
    """Return the file's extension without .gz, or '' where it is none of ours."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return suffix if suffix in EXTENSIONS and not path.name.startswith((".", "_")) else ""


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


class InputReader:
    """Reads one table's files as blocks of text columns, `columns` in warehouse order.

    Only columns of the table are kept; `ignored` holds the names of the others.
    """

    def __init__(self, table: InputTable) -> None:
        self._table = table
        self._names = table.spec.column_names
        self.columns, self.ignored = self._scan()

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of the blocks: all text."""
        return pa.schema([(name, pa.string()) for name in self.columns])

    def blocks(self) -> Iterator[pa.Table]:
        """Yield the records of all files; raises InputDataError at the first unusable one."""
        for path in self._table.files:
            for rows in _batched(_records(path)):
                columns = [
                    pa.array([_text(row.get(name)) for row in rows], pa.string())
                    for name in self.columns
                ]
                yield pa.Table.from_arrays(columns, schema=self.schema)

    def _scan(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Find which columns the files have; JSON Lines may name new ones in any line."""
        seen: dict[str, None] = {}
        for path in self._table.files:
            own: dict[str, None] = {}
            if _kind(path) in (".csv", ".parquet"):
                own.update(dict.fromkeys(_header(path)))
            else:
                for record in _records(path):
                    own.update(dict.fromkeys(record))
            lacking = [name for name in self._table.spec.required_names if name not in own]
            if lacking:
                raise InputDataError(
                    f"{path.name} has no column {', '.join(lacking)}",
                    where=str(path),
                    cause=f"its columns are {', '.join(map(str, own)) or 'none'}",
                    hint=_HINT,
                )
            seen.update(own)
        kept = tuple(name for name in self._names if name in seen)
        return kept, tuple(sorted(str(name) for name in seen if name not in self._names))


def _text(value: Any) -> str | None:
    """Return a field as text; numbers keep the digits they were written with."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)


def _batched(records: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for record in records:
        batch.append(record)
        if len(batch) == ROWS_PER_BLOCK:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(path: Path) -> Iterator[dict[str, Any]]:
    kind = _kind(path)
    if kind == ".parquet":
        yield from _parquet_records(path)
        return
    with _open_text(path) as stream:
        try:
            reader = _csv_records if kind == ".csv" else _json_records
            yield from reader(path, stream)
        except UnicodeDecodeError as error:
            raise InputDataError(
                f"{path.name} is not UTF-8 text",
                where=str(path),
                cause=f"byte 0x{error.object[error.start]:02x} near the end of what was read",
                hint=f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} (name its real encoding)",
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise InputDataError(
                f"{path.name} cannot be read to its end",
                where=str(path),
                cause=str(error),
                hint=f"gzip -t {path.name}; copy the file again if it is truncated",
            ) from error


def _open_text(path: Path) -> IO[str]:
    try:
        is_gzip = path.name.endswith(".gz")
        raw: Any = Unzipped(path) if is_gzip else path.open("rb")
    except OSError as error:
        raise InputDataError(
            f"{path.name} cannot be opened", where=str(path), cause=str(error), hint=_HINT
        ) from error
    # utf-8-sig: a byte order mark is no part of the first column's name.
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _header(path: Path) -> Sequence[str]:
    if _kind(path) == ".parquet":
        return list(_parquet_file(path).schema_arrow.names)
    first = next(_records(path), None)
    if first is not None:
        return list(first)
    with _open_text(path) as stream:
        return next(csv.reader(stream), [])


def _csv_records(path: Path, stream: IO[str]) -> Iterator[dict[str, Any]]:
    reader = csv.reader(stream, strict=True)
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        names = [name.strip() for name in next(reader, [])]
        for fields in reader:
            if not fields:
                continue  # an empty line
            if len(fields) != len(names):
                raise _broken(
                    path,
                    reader.line_num,
                    f"{len(fields)} fields where the header names {len(names)}",
                )
            if any("\x00" in field for field in fields):
                raise _broken(path, reader.line_num, "a NUL byte")
            # As CSV has it: an empty field is an absent value.
            yield {n: (f if f != "" else None) for n, f in zip(names, fields, strict=True)}
    except csv.Error as error:
        raise _broken(path, reader.line_num, str(error)) from error


def _json_records(path: Path, stream: IO[str]) -> Iterator[dict[str, Any]]:
    first = stream.read(1)
    while first and first.isspace():
        first = stream.read(1)
    if first == "[":
        yield from _json_array(path, first + stream.read())
        return
    number, rest = 0, first
    while True:
        line = rest + stream.readline(MAX_LINE_BYTES + 1)
        rest = ""
        if not line:
            return
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise _broken(path, number, f"a line of more than {MAX_LINE_BYTES:,} characters")
        if line.strip():
            yield _json_object(path, number, line)


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        # Numbers stay text: a price must not pass through binary floating point.
        record = json.loads(line, parse_float=str, parse_int=str, parse_constant=lambda name: name)
    except (ValueError, RecursionError) as error:
        raise _broken(path, number, str(error) or "nested too deeply") from error
    if not isinstance(record, dict):
        raise _broken(path, number, f"{type(record).__name__} where an object was expected")
    if "\\u" in line:
        _check_characters(path, number, record)
    return record


def _check_characters(path: Path, number: int, record: Any) -> None:
    """Refuse what JSON can write and no text of a database can hold."""
    text = json.dumps(record, ensure_ascii=False)
    if "\\u0000" in text:  # which JSON has escaped again
        raise _broken(path, number, "a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _broken(path, number, "half of a surrogate pair") from error


def _json_array(path: Path, text: str) -> Iterator[dict[str, Any]]:
    try:
        records = json.loads(text, parse_float=str, parse_int=str, parse_constant=lambda name: name)
    except json.JSONDecodeError as error:
        raise _broken(path, error.lineno, error.msg) from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, 1, str(error) or "nested too deeply") from error
    has_escapes = "\\u" in text
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise _broken(path, 1, f"element {index + 1} is no object")
        if has_escapes:
            _check_characters(path, 1, record)
        yield record


def _parquet_file(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputDataError(
            f"{path.name} is not a Parquet file",
            where=str(path),
            cause=str(error).splitlines()[0],
            hint=_HINT,
        ) from error


def _parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for batch in _parquet_file(path).iter_batches(ROWS_PER_BLOCK):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputDataError(
            f"{path.name} cannot be read to its end",
            where=str(path),
            cause=str(error).splitlines()[0],
            hint="copy the file again",
        ) from error


def _broken(path: Path, line: int, cause: str) -> InputDataError:
    return InputDataError(
        f"{path.name} line {line} cannot be read",
        where=f"{path} line {line}",
        cause=cause,
        hint=f"mend or remove that line: sed -n {line}p {path.name}",
    )
