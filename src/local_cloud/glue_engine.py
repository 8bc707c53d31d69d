"""Runs a PySpark script on DuckDB: a JSON list on stdin names it and its arguments.

`sqlframe` provides the `pyspark.sql` names; what its reader and writer lack of Spark's
behaviour (text schemas, lists of paths, folders of part files) is added here.
"""

from __future__ import annotations

import itertools
import json
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

_CACHE_NUMBERS = itertools.count()


def activate() -> None:
    """Make `import pyspark.sql` give sqlframe on DuckDB, behaving as Spark does."""
    import sqlframe
    from sqlframe.duckdb import DuckDBDataFrame, DuckDBSession
    from sqlframe.duckdb.readwriter import DuckDBDataFrameReader, DuckDBDataFrameWriter

    sqlframe.activate("duckdb")
    reader: Any = DuckDBDataFrameReader
    writer: Any = DuckDBDataFrameWriter
    frame: Any = DuckDBDataFrame
    session: Any = DuckDBSession
    reader.schema = _schema
    reader.json = _read_json
    reader.csv = _read_csv
    reader.parquet = _read_parquet
    writer.parquet = _write_parquet
    writer.json = _write_json
    frame.coalesce = lambda self, partitions: self
    frame.cache = _cache
    frame.createOrReplaceTempView = _create_temp_view
    session.table = lambda self, name: _query(SimpleNamespace(session=self), name, None)
    session.createDataFrame = _create_data_frame
    session.conf = property(lambda self: _Configuration())


# What DuckDB does anyway, by Spark's names.
_DUCKDB_BEHAVIOUR = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


class _Configuration:
    """Spark's runtime configuration; the local engine has nothing to configure."""

    def set(self, key: str, value: Any) -> None:
        if _DUCKDB_BEHAVIOUR.get(key) != value:
            raise NotImplementedError(f"spark.conf.set({key!r}) is not emulated")


def _schema(self: Any, schema: Any) -> Any:
    self._text_columns = [field.name for field in schema.fields]
    return self


def _read_json(self: Any, path: str | list[str]) -> Any:
    """Read JSON Lines; values keep the text they have in the file."""
    columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in self._text_columns)
    files = _list(_files(path))
    return _query(
        self,
        f"read_json({files}, columns={{{columns}}}, format='newline_delimited', "
        "maximum_object_size=67108864)",
        self._text_columns,
    )


def _read_csv(self: Any, path: str | list[str]) -> Any:
    """Read CSV with a header; every column is text, an empty unquoted field is null."""
    files = _files(path)
    source = (
        f"read_csv({_list(files)}, header=true, all_varchar=true, delim=',', quote='\"', "
        "escape='\"', union_by_name=true, max_line_size=67108864)"
    )
    return _query(self, source, None)


def _read_parquet(self: Any, *paths: str) -> Any:
    return _query(self, f"read_parquet({_list(_files(list(paths)))}, union_by_name=true)", None)


def _query(self: Any, source: str, columns: list[str] | None) -> Any:
    from sqlglot import exp

    if columns is None:
        connection = self.session._conn
        description = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        columns = [row[0] for row in description]
    query = exp.select(*[exp.column(name, quoted=True) for name in columns])
    return self.session.sql(query.from_(f"{source} AS source_"), qualify=False)


def _write_parquet(self: Any, path: str) -> None:
    _write_folder(self, path, "parquet", "FORMAT parquet, COMPRESSION zstd")


def _write_json(self: Any, path: str) -> None:
    _write_folder(self, path, "json", "FORMAT json")


def _write_folder(self: Any, path: str, extension: str, options: str) -> None:
    """Write one part file below `path`, as a Spark job with one partition would."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"*.{extension}"):
        old.unlink()
    frame = self._df
    expressions = frame._get_expressions()
    target = folder / f"part-00000.{extension}"
    for index, expression in enumerate(expressions):
        if index < len(expressions) - 1:
            frame.session._collect(expression)
        else:
            sql = frame.session._to_sql(expression)
            frame.session._collect(f"COPY ({sql}) TO {_quoted(str(target))} ({options})")


def _cache(self: Any) -> Any:
    """Compute the frame once, into a temporary table."""
    name = f"cached_{next(_CACHE_NUMBERS)}"
    *before, last = self._get_expressions()
    for expression in before:
        self.session._collect(expression)
    sql = self.session._to_sql(last)
    self.session._conn.execute(f"CREATE TEMP TABLE {name} AS {sql}")
    return _query(self, name, None)


def _create_temp_view(self: Any, name: str) -> None:
    """Give the frame a view in DuckDB; frames made of it start from its name alone.

    sqlframe copies a frame's whole expression at every step, which is quadratic in the steps.
    """
    *before, last = self._get_expressions()
    for expression in before:
        self.session._collect(expression)
    sql = self.session._to_sql(last)
    self.session._conn.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")


def _create_data_frame(self: Any, rows: list[tuple[Any, ...]], names: list[str]) -> Any:
    """Make a frame of Python rows (sqlframe's own imports pandas for it)."""
    kinds = {int: "BIGINT", str: "VARCHAR", float: "DOUBLE"}
    name = f"cached_{next(_CACHE_NUMBERS)}"
    columns = ", ".join(f'"{n}" {kinds[type(v)]}' for n, v in zip(names, rows[0], strict=True))
    self._conn.execute(f"CREATE TEMP TABLE {name} ({columns})")
    self._conn.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(names))})", rows)
    return _query(SimpleNamespace(session=self), name, None)


def _files(path: str | Iterable[str]) -> list[str]:
    """Return the data files of paths that may be folders, as Spark lists them."""
    found: list[str] = []
    for one in [path] if isinstance(path, str) else path:
        place = Path(one)
        if place.is_dir():
            found += sorted(str(f) for f in place.iterdir() if not f.name.startswith(("_", ".")))
        else:
            found.append(one)
    return found


def _list(files: list[str]) -> str:
    return "[" + ", ".join(_quoted(file) for file in files) + "]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def main(stream: IO[str]) -> None:
    """Get ready, then run the script that the first line names, as `__main__`."""
    activate()
    import pyspark.sql  # provided by the activation: loaded before there is work

    assert pyspark.sql
    line = stream.readline()
    if line:  # else whoever started us has left
        sys.argv = json.loads(line)
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    try:
        main(sys.stdin)
    except SystemExit:
        raise
    except BaseException as error:
        # The runner reads this line as the job run's ErrorMessage.
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:4000]}), file=sys.stderr)
        raise
