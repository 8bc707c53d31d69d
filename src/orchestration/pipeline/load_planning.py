"""Turns a raw data set or the ETL's output into the loader's plan."""

from __future__ import annotations

from collections.abc import Mapping

from src.domain.bucket_layout import PROCESSED_PREFIX, QUARANTINE_PREFIX, folder
from src.domain.dataset import DatasetManifest
from src.domain.tables import TABLES
from src.errors import EtlError, UsageError
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.load_plan import LoadPlan, LoadSource, SourceFile
from src.json_object import JsonView
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings


class LoadPlanner:
    """Holds where the files to COPY are stored and how many rows must arrive."""

    def __init__(self, environment: DemoEnvironment, settings: Settings, run_id: str) -> None:
        self._environment = environment
        self._settings = settings
        self._run_id = run_id

    def plan(
        self,
        manifest: DatasetManifest,
        etl_counts: Mapping[str, Mapping[str, int]],
        warnings: Mapping[str, JsonView] | None = None,
    ) -> LoadPlan:
        """Return the plan: from Parquet after the Glue job, from raw files without it."""
        if self._settings.etl == "direct":
            return LoadPlan(
                self._run_id,
                self._settings.load_mode,
                {table.name: self._raw_source(manifest, table.name) for table in TABLES},
                clean_in_warehouse=True,
                as_of=manifest.as_of,
                dataset_id=manifest.dataset_id,
                null_values=self._settings.null_texts,
            )
        storage = self._environment.processed_storage
        rejected = {
            name: sum(n for rule, n in counts.items() if rule != "accepted")
            for name, counts in etl_counts.items()
        }
        return LoadPlan(
            self._run_id,
            self._settings.load_mode,
            {
                table.name: self._parquet_source(
                    storage, table.name, manifest.dataset_id, etl_counts[table.name]["accepted"]
                )
                for table in TABLES
            },
            rejected=_parquet_files(storage, folder(QUARANTINE_PREFIX, manifest.dataset_id)),
            as_of=manifest.as_of,
            dataset_id=manifest.dataset_id,
            rejected_counts=rejected,
            warnings=warnings or {},
        )

    def _raw_source(self, manifest: DatasetManifest, table: str) -> LoadSource:
        datasets = self._environment.raw_datasets
        prefix, entry = datasets.prefix(manifest.dataset_id), manifest.tables[table]
        files = tuple(
            SourceFile(datasets.storage.uri(prefix + file.path), file.bytes) for file in entry.files
        )
        columns = tuple(entry.columns)
        is_csv = manifest.format == "csv"
        if is_csv and not columns:  # COPY goes by position, the job by header
            raise UsageError(
                f"--etl direct needs the column order of the CSV files of {table}",
                where=datasets.storage.uri(prefix),
                hint="--etl glue, or name the columns in the data set's manifest",
            )
        compressed = entry.files[0].path.endswith(".gz")
        return LoadSource(
            files, "csv" if is_csv else "json", columns=columns, compressed=compressed
        )

    def _parquet_source(
        self, storage: S3Storage, table: str, dataset_id: str, rows: int
    ) -> LoadSource:
        prefix = folder(PROCESSED_PREFIX, dataset_id, table)
        files = _parquet_files(storage, prefix)
        if not files:
            raise EtlError(
                f"the Glue job wrote no Parquet for {table}",
                where=storage.uri(prefix),
                hint="read the job's log, then run the same command again",
            )
        return LoadSource(files, "parquet", rows)


def _parquet_files(storage: S3Storage, prefix: str) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(storage.uri(found.key), found.size)
        for found in storage.list_objects(prefix)
        if found.key.endswith(".parquet") and found.size
    )
