"""The warehouse in a few small tables: what the report's data pictures show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src.infrastructure.redshift_client import RedshiftClient

ANALYSIS_SQL = Path(__file__).parents[2] / "sql" / "analysis"


def profile(redshift: RedshiftClient, names: str = "*") -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each query of src/sql/analysis, all or one, under the file's name."""
    return {
        file.stem: redshift.query(file.read_text().strip().rstrip(";"))
        for file in sorted(ANALYSIS_SQL.glob(f"{names}.sql"))
    }
