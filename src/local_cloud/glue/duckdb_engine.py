"""Runs a PySpark script on DuckDB.

`pyspark.sql.SparkSession` is provided here, with the part of Spark a Spark SQL job needs:
readers, `sql`, temporary views, caching, writers. Spark SQL is translated by sqlglot. What is
not here fails by name (AttributeError, ImportError), it is never passed over.
"""

from __future__ import annotations

import itertools
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:  # it runs as a script, without this package
    from src.json_object import JsonObject

# What DuckDB does anyway, by Spark's names.
_DUCKDB_BEHAVIOUR = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}
_MEMORY: JsonObject = {
    "memory_limit": "2GB"
}  # what does not fit goes to the folder named at the start
_translate: list[Any] = []  # the translator, once the engine is active
_LONGEST_RECORD = 17 << 20  # bytes: 4 million characters, which is Redshift's limit
_WORDS = re.compile(r"\w+")
_TYPES = {"string": "VARCHAR", "long": "BIGINT", "int": "INTEGER", "double": "DOUBLE"}


class DataFrame:
    """A query by its DuckDB text; nothing runs before it is written, cached or collected."""

    def __init__(self, session: SparkSession, query: str, partitions: int = 1) -> None:
        self._session = session
        self._query = query
        self._partitions = partitions

    @property
    def columns(self) -> list[str]:
        """Return the column names."""
        described = self._session.run("DESCRIBE ", self._query).fetchall()
        return [row[0] for row in described]

    @property
    def write(self) -> DataFrameWriter:
        """Return a writer of the frame."""
        return DataFrameWriter(self._session, self._query, self._partitions)

    def createOrReplaceTempView(self, name: str) -> None:  # noqa: N802 (Spark's name)
        """Give the query a name that later SQL can use."""
        self._session.views.pop(name, None)
        self._session.views[name] = self._query

    def cache(self) -> DataFrame:
        """Compute the frame once, into a temporary table."""
        return self._session.table_of("AS ", self._query)

    def coalesce(self, partitions: int) -> DataFrame:
        """Return the frame itself: everything is one partition."""
        return self

    def repartition(self, partitions: int) -> DataFrame:
        """Return the frame, to be written as about so many files."""
        return DataFrame(self._session, self._query, partitions)

    def collect(self) -> list[JsonObject]:
        """Return the rows."""
        result = self._session.run("", self._query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


class DataFrameReader:
    """Reads files as Spark does: folders and lists of paths, text columns, files by header."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._schema: list[tuple[str, str]] = []
        self._options: JsonObject = {}

    def schema(self, schema: str) -> DataFrameReader:
        """Say the columns as DDL text: "a string, b string"."""
        self._schema = _parse_schema(schema)
        return self

    def option(self, key: str, value: Any) -> DataFrameReader:
        """Set an option of the CSV reader."""
        self._options[key] = value
        return self

    def json(self, path: str | list[str]) -> DataFrame:
        """Read JSON Lines with a schema; text columns keep the text of the file."""
        columns = ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in self._schema)
        return self._read(
            f"read_json({_files(path)}, columns={{{columns}}}, format='newline_delimited', "
            f"maximum_object_size={_LONGEST_RECORD})"
        )

    def csv(self, path: str | list[str]) -> DataFrame:
        """Read CSV with a header; every column is text, an empty field is null."""
        if self._options != {"header": True, "escape": '"', "multiLine": True}:
            raise NotImplementedError(f"CSV options {self._options} are not emulated")
        return self._read(
            f"read_csv({_files(path)}, header=true, all_varchar=true, delim=',', quote='\"', "
            f"escape='\"', union_by_name=true, max_line_size={_LONGEST_RECORD}, "
            f"buffer_size={2 * _LONGEST_RECORD})"
        )

    def parquet(self, *paths: str) -> DataFrame:
        """Read Parquet."""
        return self._read(f"read_parquet({_files(list(paths))}, union_by_name=true)")

    def _read(self, source: str) -> DataFrame:
        return DataFrame(self._session, f"SELECT * FROM {source}")


class DataFrameWriter:
    """Writes a frame as a folder with one part file, or about as many as it was given."""

    def __init__(self, session: SparkSession, query: str, partitions: int) -> None:
        self._session = session
        self._query = query
        self._partitions = partitions

    def mode(self, mode: str) -> DataFrameWriter:
        """Accept overwrite, the only mode there is here."""
        if mode != "overwrite":
            raise NotImplementedError(f"write mode {mode!r} is not emulated")
        return self

    def parquet(self, path: str) -> None:
        """Write Parquet."""
        self._write(path, "parquet", "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1")

    def json(self, path: str) -> None:
        """Write JSON Lines."""
        self._write(path, "json", "FORMAT json")

    def _write(self, path: str, extension: str, options: str) -> None:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"*.{extension}"):
            old.unlink()
        target = folder / f"part-00000.{extension}"
        if self._partitions > 1:
            target = folder
            count = f"SELECT count(*) FROM ({self._query})"
            (rows,) = self._session.run("", count).fetchall()[0]
            size = max(-(-rows // self._partitions), 2048)  # DuckDB's smallest row group
            options += (
                f", ROW_GROUP_SIZE {size}, ROW_GROUPS_PER_FILE 1, OVERWRITE_OR_IGNORE, "
                "FILENAME_PATTERN 'part-{i}'"
            )
        self._session.run("COPY (", self._query, f") TO {_quoted(str(target))} ({options})")


class RuntimeConfig:
    """Spark's runtime configuration: what DuckDB does anyway is accepted."""

    def set(self, key: str, value: Any) -> None:
        """Accept a setting that changes nothing here."""
        if _DUCKDB_BEHAVIOUR.get(key) != value:
            raise NotImplementedError(f"spark.conf.set({key!r}, {value!r}) is not emulated")


class Builder:
    """SparkSession.builder."""

    def appName(self, name: str) -> Builder:  # noqa: N802 (Spark's name)
        """Accept the application's name."""
        return self

    def getOrCreate(self) -> SparkSession:  # noqa: N802 (Spark's name)
        """Return a session."""
        return SparkSession()


class SparkSession:
    """A Spark session over one DuckDB connection."""

    builder = Builder()

    def __init__(self) -> None:
        self.connection = duckdb.connect(config=_MEMORY)
        self.connection.execute("SET TimeZone = 'UTC'")
        # How many rows text files have is not known. DuckDB takes them for few, and would build
        # a join's hash table of all of them instead of those of the table on the right.
        self.connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
        self.conf = RuntimeConfig()
        self.views: dict[str, str] = {}
        self._numbers = itertools.count()

    @property
    def read(self) -> DataFrameReader:
        """Return a reader."""
        return DataFrameReader(self)

    def sql(self, query: str) -> DataFrame:
        """Return the frame of a Spark SQL query."""
        return DataFrame(self, _translate[0](query))

    def createDataFrame(self, data: list[tuple[Any, ...]], schema: str) -> DataFrame:  # noqa: N802
        """Return a frame of Python rows; `schema` is DDL text."""
        columns = _parse_schema(schema)
        declared = ", ".join(f"{_name(name)} {kind}" for name, kind in columns)
        frame = self.table_of(f"({declared})", "")
        marks = ", ".join("?" * len(columns))
        if data:
            self.connection.executemany(f"INSERT INTO {frame.name} VALUES ({marks})", data)
        return frame

    def table_of(self, definition: str, query: str) -> Table:
        """Make a temporary table, of a query's rows if there is one; return its frame."""
        name = f"cached_{next(self._numbers)}"
        self.run(f"CREATE TEMP TABLE {name} {definition}", query)
        return Table(self, name)

    def run(self, before: str, query: str, after: str = "") -> Any:
        """Run a statement that has a query; the views behind the query are written into it.

        As views of DuckDB, each would be planned anew with all that it stands on.
        """
        needed: dict[str, str] = {}
        text = query
        for name, definition in reversed(self.views.items()):
            if name in _WORDS.findall(text):
                needed[name] = definition
                text += f" {definition}"
        views = ", ".join(
            f"{_name(name)} AS NOT MATERIALIZED ({definition})"
            for name, definition in reversed(needed.items())
        )
        return self.connection.execute(f"{before}{f'WITH {views} ' if views else ''}{query}{after}")


class Table(DataFrame):
    """The frame of a temporary table."""

    def __init__(self, session: SparkSession, name: str) -> None:
        super().__init__(session, f"SELECT * FROM {name}")
        self.name = name


def _parse_schema(schema: str) -> list[tuple[str, str]]:
    pairs = [column.split() for column in schema.split(",")]
    return [(name, _TYPES[kind]) for name, kind in pairs]


def _files(path: str | list[str]) -> str:
    """Return DuckDB's list of the files of paths that may be folders."""
    found: list[str] = []
    for one in [path] if isinstance(path, str) else path:
        place = Path(one)
        if place.is_dir():
            found += sorted(str(f) for f in place.iterdir() if not f.name.startswith(("_", ".")))
        else:
            found.append(one)
    return "[" + ", ".join(_quoted(file) for file in found) + "]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def activate(translations: Path | None = None) -> None:
    """Make `from pyspark.sql import SparkSession` give the session above."""
    from spark_sql import Translator  # a sibling: engines run as scripts, outside of our package

    _translate[:] = [Translator(translations)]
    package, module = types.ModuleType("pyspark"), types.ModuleType("pyspark.sql")
    vars(module)["SparkSession"] = SparkSession
    vars(package)["sql"] = module
    sys.modules["pyspark"], sys.modules["pyspark.sql"] = package, module


def prepare(spill_folder: str = "") -> None:
    """Get ready before there is a job: load what the first query needs."""
    if spill_folder:
        _MEMORY["temp_directory"] = spill_folder
        activate(Path(spill_folder).with_name("translations.json"))
    else:
        activate()
    SparkSession().sql("SELECT 1").collect()


if __name__ == "__main__":
    from job_process import serve

    serve(lambda: prepare(*sys.argv[1:2]))
