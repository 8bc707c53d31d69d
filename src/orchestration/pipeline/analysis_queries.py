"""The warehouse in a few small tables: what the report's data pictures show."""

from __future__ import annotations

from src.infrastructure.redshift_client import RedshiftClient
from src.json_object import JsonObject
from src.sql.files import read_all


def profile(redshift: RedshiftClient, names: str = "*") -> dict[str, list[JsonObject]]:
    """Return the rows of each query of src/sql/analysis, all or one, under the file's name."""
    return {file.name: redshift.query(file.statement) for file in read_all("analysis", names)}
