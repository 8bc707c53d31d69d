"""Files of concerts: CSV, JSON, JSON Lines or Parquet in, the same with predictions out."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from src.errors import InputDataError, UsageError
from src.json_object import JsonObject
from src.serving import formats
from src.serving.formats import Concerts, Kind, Record, UnusableInputError
from src.serving.predictor import FIELDS, Predictor

FILE_FIELDS = ("concert_id", "artist", "venue", *FIELDS)
_KINDS: dict[str, Kind | Literal["parquet"]] = {
    ".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
}  # fmt: skip
_ROWS = 4096


@dataclass(frozen=True)
class ConcertFile:
    """A file as it was read; `-` is standard input."""

    path: Path
    kind: Kind | Literal["parquet"]
    body: bytes
    concerts: Concerts

    @classmethod
    def read(cls, path: Path) -> ConcertFile:
        """Read a file; raises InputDataError with line and field where it cannot be used."""
        kind = _KINDS.get(path.suffix.lower())
        try:
            body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            raise InputDataError(
                f"{path} cannot be read", cause=error.strerror, hint="name a file of concerts"
            ) from error
        if str(path) == "-":
            kind = "jsonl" if body.lstrip()[:1] == b"{" else "csv"
        if kind is None:
            raise InputDataError(
                f"{path} has no ending that names its format", hint=f"one of {', '.join(_KINDS)}"
            )
        try:
            concerts = (
                _parquet(path) if kind == "parquet" else formats.read(body, kind, FILE_FIELDS)
            )
        except UnusableInputError as error:
            raise _in_file(path, error) from error
        return cls(path, kind, body, concerts)

    @property
    def has_names(self) -> bool:
        """Tell whether any concert names its artist or its venue."""
        return any(record.get("artist") or record.get("venue") for record in self.concerts.records)

    def scored(self, predictor: Predictor, fill_in: Callable[[Record], Record]) -> list[JsonObject]:
        """Return a prediction for each concert; `fill_in` adds the facts of named ones."""
        records: list[Record] = []
        try:
            for record, number in zip(self.concerts.records, self.concerts.numbers, strict=True):
                try:
                    filled = fill_in(record)
                except UsageError as error:
                    raise UnusableInputError(
                        error.message, number=number, unit=self.concerts.unit, hint=error.cause
                    ) from error
                records.append({k: v for k, v in filled.items() if k in FIELDS})
            return predictor.answers(replace(self.concerts, records=records))
        except UnusableInputError as error:
            raise _in_file(self.path, error) from error

    def joined(self, answers: Sequence[JsonObject]) -> bytes:
        """Return the file's own rows with the predictions behind them, in the file's format."""
        if self.kind == "parquet":
            return _joined_parquet(self.path, answers)
        if self.kind == "csv":
            given: list[Any] = self.concerts.records
        elif self.kind == "jsonl":
            given = [json.loads(line) for line in self.body.decode("utf-8-sig").splitlines()]
        else:
            found = json.loads(self.body.decode("utf-8-sig"))
            found = found.get("instances", found) if isinstance(found, dict) else found
            given = found if isinstance(found, list) else [found]
        rows = [{**own, **answer} for own, answer in zip(given, answers, strict=True)]
        return formats.write(rows, self.kind, self.concerts.shape)


def _in_file(path: Path, error: UnusableInputError) -> InputDataError:
    name = "standard input" if str(path) == "-" else str(path)
    where = f"{name} {error.where}" if error.where else name
    return InputDataError(error.message, where=where, hint=error.hint)


def _parquet(path: Path) -> Concerts:
    from src.services.input.parquet_records import ParquetFile

    file = ParquetFile(path)
    names = file.names(())
    records: list[Record] = []
    for block in file.blocks(names, _ROWS):
        columns = [texts.to_pylist() for texts in block.columns if texts is not None]
        for values in zip(*columns, strict=True):
            found = dict(zip(names, values, strict=True))
            records.append(formats.checked(found, FILE_FIELDS, len(records) + 1, "row"))
    return Concerts(records, range(1, len(records) + 1), "row")


def _joined_parquet(path: Path, answers: Sequence[JsonObject]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, out = pq.read_table(path), io.BytesIO()
    for name in answers[0] if answers else ():
        column = [answer[name] for answer in answers]
        table = table.append_column(name, pa.array(map(_cell, column)))
    pq.write_table(table, out)
    return out.getvalue()


def _cell(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
