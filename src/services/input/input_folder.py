"""Finds the files of `--input-dir`: each is read, passed over by rule, or refused by name.

A name decides: `concerts 2024.csv`, `Concerts-b.CSV.gz`, `concerts/year=2024/part-0.parquet` and
`concerts.parquet/part-0.snappy.parquet` are all concerts. A name
with two readings is refused.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from src.domain.tables import TABLES, TableSpec
from src.errors import InputDataError
from src.services.input.input_columns import plain_name
from src.services.input.input_errors import DICTIONARY, shown

EXTENSIONS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet")
_ARCHIVES = (".zip", ".7z", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".rar", ".lz4", ".snappy")
_CHECKSUMS = (".crc", ".md5", ".sha1", ".sha256", ".sha512")
_CHECKSUM_LIST = re.compile(r"((md5|sha1|sha256|sha512)sums?|checksums?)(\.txt)?")
_READ_ME = re.compile(r"(readme|licen[cs]e).*")
_READ_ME_ENDS = ("", ".txt", ".md", ".rst", ".html", ".pdf")
_OF_THE_SYSTEM = ("thumbs.db", "ehthumbs.db", "desktop.ini")
_TABLE_LOGS = {"_delta_log": "Delta Lake", ".hoodie": "Apache Hudi"}
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
MAX_DEPTH = 32
MAX_ENTRIES = 100_000

_LETTER = r"[^\W\d_]"
_WORDS = {spec.name: spec.name.replace("_", "[-_ ]") for spec in TABLES}
_TABLE = {name: re.compile(rf"{word}(?!{_LETTER})") for name, word in _WORDS.items()}
_TABLE_INSIDE = {
    name: re.compile(rf"(?<!{_LETTER}){word}(?!{_LETTER})") for name, word in _WORDS.items()
}
_COPY = re.compile(rf"(?<!{_LETTER})(copy|backup|bak|tmp|temp)(?!{_LETTER})")

NO_FORMAT = "no format that is read (.csv, .json, .jsonl, .ndjson, each also .gz, or .parquet)"
NO_TABLE = "the name does not begin with a table's name (artists, venues, concerts, ticket_sales)"
_HINT = (
    "name what belongs to a table TABLE-anything.csv (or .jsonl, .parquet); move the rest to "
    "another folder, or put _ in front of its name to leave it out"
)


@dataclass(frozen=True)
class InputFile:
    """One file, and the columns that its folders' names give: `year=2024`."""

    path: Path
    partition: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class InputTable:
    """The files of one table, in the order in which they are read."""

    spec: TableSpec
    files: tuple[InputFile, ...]


@dataclass(frozen=True)
class InputFolder:
    """What a folder holds: the files of every table, and the names that are passed over."""

    tables: tuple[InputTable, ...]
    passed_over: tuple[str, ...]


def find_input(folder: Path) -> InputFolder:
    """Return the files of every table in `folder`.

    Raises InputDataError where the folder or a table is missing, and where a file or folder is
    neither read nor passed over by rule; the error names all of them.
    """
    if not _is_folder(folder):
        raise InputDataError(
            f"--input-dir {shown(folder)} is not a folder",
            hint="--input-dir my_data/, with artists, venues, concerts and ticket_sales files",
        )
    walk = _Walk(folder)
    walk.enter(folder, None, (), 0)
    missing = [spec.name for spec in TABLES if not walk.found[spec.name]]
    if walk.refused:
        raise _refusal(folder, walk.refused, missing)
    if missing:
        example = f"{missing[0]}.csv or {missing[0]}.jsonl.gz"
        raise InputDataError(
            f"--input-dir has no file for {', '.join(missing)}",
            where=shown(folder),
            cause=f"looked for {example} and the like",
            hint=DICTIONARY,
        )
    tables = [
        InputTable(spec, tuple(sorted(walk.found[spec.name], key=lambda f: f.path.as_posix())))
        for spec in TABLES
    ]
    return InputFolder(tuple(tables), tuple(walk.passed_over))


def format_of(name: str) -> str:
    """Return a file's format by its name: .csv, .json, .jsonl, .ndjson, .parquet, or ''."""
    lower = name.lower()
    plain = lower.removesuffix(".gz")
    suffix = Path(plain).suffix
    is_packed_parquet = suffix == ".parquet" and plain != lower
    return suffix if suffix in EXTENSIONS and not is_packed_parquet else ""


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def _refusal(folder: Path, refused: Mapping[str, list[str]], missing: list[str]) -> InputDataError:
    count = sum(map(len, refused.values()))
    noun = "1 file or folder" if count == 1 else f"{count:,} files or folders"
    lacking = f", and has no file for {', '.join(missing)}" if missing else ""
    reasons = [f"{_listed(names)}: {reason}" for reason, names in refused.items()]
    error = InputDataError(
        f"--input-dir holds {noun} that would not be read{lacking}",
        where=shown(folder, 1_000),
        cause="; ".join(reasons),
        hint=_HINT,
    )
    error.facts = {"refused": [name for names in refused.values() for name in names]}
    return error


@dataclass
class _Walk:
    """Goes through the folder once; no file or folder is visited twice."""

    folder: Path
    found: dict[str, list[InputFile]] = field(
        default_factory=lambda: {spec.name: [] for spec in TABLES}
    )
    refused: dict[str, list[str]] = field(default_factory=dict)  # reason -> names
    passed_over: list[str] = field(default_factory=list)
    _seen: dict[tuple[int, int], str] = field(default_factory=dict)
    _entries: int = 0

    def __post_init__(self) -> None:
        info = self.folder.stat()
        self._seen[info.st_dev, info.st_ino] = "the folder itself"

    def enter(
        self, folder: Path, table: str | None, partition: tuple[tuple[str, str | None], ...],
        depth: int,
    ) -> None:  # fmt: skip
        """Take what a folder holds; in the folder of a table all is that table's."""
        try:
            names = sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            return self._refuse(folder, f"cannot be read: {error.strerror}")
        log = next((kind for name, kind in _TABLE_LOGS.items() if name in names), None)
        if log:
            why = f"{log} keeps files there that are no longer part of the table: export it first"
            return self._refuse(folder, why)
        if depth > MAX_DEPTH:
            return self._refuse(folder, f"is deeper than {MAX_DEPTH} folders")
        self._entries += len(names)
        if self._entries > MAX_ENTRIES:
            raise InputDataError(
                f"--input-dir holds more than {MAX_ENTRIES:,} files and folders",
                where=shown(folder),
                cause="a link may lead to a folder outside",
                hint="put the tables' files alone into one folder, or join small files",
            )
        for name in names:
            self._take(folder / name, table, partition, depth)
        return None

    def _take(
        self, path: Path, table: str | None, partition: tuple[tuple[str, str | None], ...],
        depth: int,
    ) -> None:  # fmt: skip
        name = path.name.lower()
        if name.startswith((".", "_")):
            return self.passed_over.append(self._shown(path))
        try:
            info = path.stat()
        except OSError as error:
            is_link = path.is_symlink()
            return self._refuse(path, "a link to nothing" if is_link else str(error.strerror))
        is_folder = stat.S_ISDIR(info.st_mode)
        if not is_folder and not stat.S_ISREG(info.st_mode):
            return self._refuse(path, "neither a file nor a folder")
        if not is_folder and _is_no_data(name):
            return self.passed_over.append(self._shown(path))
        pair = _partition_of(path.name) if is_folder and table else None
        own, reason = (table, "") if pair else _table_of(name, table)
        if pair and plain_name(pair[0]) in {plain_name(key) for key, _ in partition}:
            reason = f"a folder above it gives {shown(pair[0])} as well"
        if not reason and not is_folder:
            reason = _unreadable(path, name)
        if not reason:
            first = self._seen.setdefault((info.st_dev, info.st_ino), self._shown(path))
            if first != self._shown(path):
                reason = f"the same {'folder' if is_folder else 'file'} as {first}"
        if reason or own is None:
            return self._refuse(path, reason)
        if is_folder:
            return self.enter(path, own, (*partition, pair) if pair else partition, depth + 1)
        return self.found[own].append(InputFile(path, partition))

    def _refuse(self, path: Path, reason: str) -> None:
        self.refused.setdefault(reason, []).append(self._shown(path))

    def _shown(self, path: Path) -> str:
        return shown(path.relative_to(self.folder).as_posix(), 1_000)


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" if " " in name or "," in name else name for name in names)


def _table_of(name: str, inside: str | None) -> tuple[str | None, str]:
    """Return the table that a name (in lower case) belongs to, or why it is none's."""
    own = next((table for table, word in _TABLE.items() if word.match(name)), None)
    table = inside or own
    if _COPY.search(name):
        return None, "may be a copy of another file, and its rows would come twice"
    if table is None:
        return None, NO_TABLE
    others = [o for o, word in _TABLE_INSIDE.items() if o != table and word.search(name)]
    if (inside and own and own != inside) or (not inside and others):
        return None, f"could be {' or '.join(sorted({table, own or table, *others}))}"
    return table, ""


def _unreadable(path: Path, name: str) -> str:
    """Return why a file cannot be read, or ''."""
    if format_of(name):
        return "" if os.access(path, os.R_OK) else "cannot be read: permission denied"
    if name.endswith(".parquet.gz"):
        return "Parquet is compressed inside: gunzip it"
    if name.endswith(_ARCHIVES):
        return "an archive, or compressed by other means than gzip: unpack it"
    return NO_FORMAT


def _is_no_data(name: str) -> bool:
    """Tell what stands beside data and is none: notes, checksums, files of the desktop."""
    suffix = Path(name).suffix
    return (
        name in _OF_THE_SYSTEM
        or suffix in _CHECKSUMS
        or bool(_CHECKSUM_LIST.fullmatch(name))
        or (bool(_READ_ME.match(name)) and suffix in _READ_ME_ENDS)
    )


def _partition_of(name: str) -> tuple[str, str | None] | None:
    """Return the column and value that a folder's name gives, as Hive and Spark write them."""
    key, equals, value = name.partition("=")
    if not equals or not key:
        return None
    return unquote(key), None if value == _NO_PARTITION else unquote(value)
