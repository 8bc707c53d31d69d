"""The Glue ETL stage: where its inputs and outputs are stored, and what it counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from src.domain.bucket_layout import (
    PROCESSED_PREFIX,
    QUARANTINE_PREFIX,
    SUMMARY_PREFIX,
    folder,
)
from src.domain.cleaning import job_argument
from src.domain.dataset import DatasetManifest
from src.domain.table_counts import TableCounts, table_counts
from src.domain.tables import TABLES
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.pipeline.known_keys import known_keys
from src.settings import Settings

ROWS_PER_FILE = 1_000_000  # some tens of MB of Parquet, well within COPY's 1 MB to 1 GB

Counts = dict[str, dict[str, int]]


class EtlStage:
    """Runs the ETL job on one raw data set; outputs are stored below the data set's id.

    The same data set has the same arguments, so a run of the job outlives the command that
    started it: a later one finds it and waits for it. A merge's arguments are its own, because
    what the warehouse holds is among them.
    """

    def __init__(self, environment: DemoEnvironment, settings: Settings, run_id: str) -> None:
        self._environment = environment
        self._settings = settings
        self._run_id = run_id

    def run(
        self, manifest: DatasetManifest, note: Callable[[str], None]
    ) -> tuple[Counts, JsonObject]:
        """Run the job; returns rows by table and rule ("accepted" among them), and facts.

        Raises EtlError where the job does not succeed.
        """
        environment, name = self._environment, self._settings.glue_job_name
        definition = environment.glue.ensure_job(environment.etl_job)
        with known_keys(environment, self._settings, self._run_id) as known:
            run = environment.glue.run(
                name,
                self._arguments(manifest, known),
                on_state=lambda job_run, state: note(f"{job_run} {state}"),
            )
        found = self._read_summary(manifest.dataset_id)
        counts = {name: table.rules for name, table in found.items()}
        processed = environment.processed_storage
        return counts, {
            "job": name,
            "job_definition": definition,
            "job_run_id": run.run_id,
            "job_run_state": run.state,
            "job_run_was_running": run.was_found,
            "attempts": run.attempts,
            "dpu_seconds": run.dpu_seconds,
            "log_group": run.log_group,
            "console_url": run.console_url,
            "counts": counts,
            "repaired_rows": {name: table.repaired for name, table in found.items()},
            "rejected_rows": sum(table.rejected for table in found.values()),
            "warnings": {name: table.warnings for name, table in found.items()},
            "location": processed.uri(folder(PROCESSED_PREFIX, manifest.dataset_id)),
            "quarantine": processed.uri(folder(QUARANTINE_PREFIX, manifest.dataset_id)),
        }

    def _arguments(
        self, manifest: DatasetManifest, known: Mapping[str, list[str]]
    ) -> dict[str, str]:
        datasets = self._environment.raw_datasets
        prefix, processed = (
            datasets.prefix(manifest.dataset_id),
            self._environment.processed_storage,
        )
        # Folders: Glue takes 260 KB of arguments, and Linux 128 KB of one.
        files = {
            name: sorted({datasets.storage.uri(prefix + _folder_of(f.path)) for f in table.files})
            for name, table in manifest.tables.items()
        }
        outputs = {
            option: processed.uri(folder(prefix, manifest.dataset_id)).rstrip("/")
            for option, prefix in (
                ("--output", PROCESSED_PREFIX),
                ("--quarantine", QUARANTINE_PREFIX),
                ("--summary", SUMMARY_PREFIX),
            )
        }
        return {
            "--tables": job_argument(TABLES, self._settings.null_texts),
            "--input": json.dumps(files),
            "--format": manifest.format,
            "--files": json.dumps(self._files(manifest)),
            "--known": json.dumps(known),
            **outputs,
        }

    def _files(self, manifest: DatasetManifest) -> dict[str, int]:
        """Return how many files to write of each large table: as many for each slice."""
        large = {
            name: -(-(table.records or 0) // ROWS_PER_FILE)
            for name, table in manifest.tables.items()
            if (table.records or 0) > ROWS_PER_FILE
        }
        if not large:
            return {}
        slices = self._environment.redshift.slices()
        return {name: -(-files // slices) * slices for name, files in large.items()}

    def _read_summary(self, dataset_id: str) -> dict[str, TableCounts]:
        """Return what the job counted, by table."""
        storage = self._environment.processed_storage
        rows: dict[str, list[JsonObject]] = {table.name: [] for table in TABLES}
        for found in storage.list_objects(folder(SUMMARY_PREFIX, dataset_id)):
            if not found.key.endswith(".json"):  # Spark's own marks
                continue
            for line in storage.get(found.key).splitlines():
                row = {"warnings": None, "example": None, **json.loads(line)}
                rows[row["table_name"]].append(row)
        return {name: table_counts(lines) for name, lines in rows.items()}


def _folder_of(path: str) -> str:
    """Return the folder of a raw file, which holds the files of one table and nothing else."""
    return path.rpartition("/")[0] + "/"
