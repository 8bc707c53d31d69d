"""The warehouse in a few small tables: what the report's data pictures show."""

from __future__ import annotations

from src.infrastructure.redshift_client import RedshiftClient
from src.json_object import JsonObject
from src.sql.files import read_all
from src.sql.shared_parts import with_shared_parts


def profile(redshift: RedshiftClient, names: str = "*") -> dict[str, list[JsonObject]]:
    """Return the rows of each query of src/sql/analysis, all or one, under the file's name.

    What several of them begin with, WITH ... AS, is computed once.
    """
    files = read_all("analysis", names)
    parts, queries = with_shared_parts([file.statement for file in files])
    for name, query in parts.items():
        redshift.execute(f"CREATE TEMP TABLE {name} AS {query}")
    try:
        return {f.name: redshift.query(q) for f, q in zip(files, queries, strict=True)}
    finally:
        for name in parts:
            redshift.execute(f"DROP TABLE {name}")
