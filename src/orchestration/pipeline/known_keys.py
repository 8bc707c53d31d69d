"""What a merge's rows may refer to besides each other: the keys that the warehouse holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from src.domain.tables import SCHEMA, TABLE_BY_NAME, TABLES
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings

_PARENTS = sorted({parent for spec in TABLES for _, parent in spec.references})


@contextmanager
def known_keys(
    environment: DemoEnvironment, settings: Settings, run_id: str
) -> Iterator[dict[str, list[str]]]:
    """Give the Parquet files with the keys of each table that others refer to.

    They are UNLOADed for one run of the job and deleted after it; none where the load replaces
    what exists, or nothing is.
    """
    if settings.load_mode != "merge":
        yield {}
        return
    from src.infrastructure.warehouse.unloader import RedshiftUnloader

    client = environment.redshift
    client.create_tables()
    unloader = RedshiftUnloader(
        client, environment.processed_storage, iam_role=environment.redshift_role
    )
    names = {table: f"known_{table}-{run_id}" for table in _PARENTS}
    try:
        with client.transaction():  # all of one moment
            found = {
                table: unloader.files(
                    f"SELECT {TABLE_BY_NAME[table].key} FROM {SCHEMA}.{table}", name
                )
                for table, name in names.items()
            }
        yield {table: files for table, files in found.items() if files}
    finally:
        for name in names.values():
            unloader.delete(name)
