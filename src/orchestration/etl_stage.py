"""The Glue ETL stage: where its inputs and outputs lie, and what it counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from src.domain.dataset import DatasetManifest
from src.domain.tables import TABLES
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings

PROCESSED_PREFIX = "processed"
QUARANTINE_PREFIX = "quarantine"
SUMMARY_PREFIX = "summary"

Counts = dict[str, dict[str, int]]


class EtlStage:
    """Runs the ETL job on one raw data set; outputs lie below the run's id."""

    def __init__(self, environment: DemoEnvironment, settings: Settings, run_id: str) -> None:
        self._environment = environment
        self._settings = settings
        self._run_id = run_id

    def run(
        self, manifest: DatasetManifest, note: Callable[[str], None]
    ) -> tuple[Counts, dict[str, Any]]:
        """Run the job; returns rows by table and rule ("accepted" among them), and facts.

        Raises EtlError where the job does not succeed.
        """
        environment, name = self._environment, self._settings.glue_job_name
        definition = environment.glue.ensure_job(environment.etl_job)
        run = environment.glue.run(
            name,
            self._arguments(manifest),
            on_state=lambda job_run, state: note(f"{job_run} {state}"),
        )
        counts, repaired = self._read_summary()
        rejected = sum(n for t in counts.values() for rule, n in t.items() if rule != "accepted")
        processed = environment.processed_storage
        return counts, {
            "job": name,
            "job_definition": definition,
            "job_run_id": run.run_id,
            "job_run_state": run.state,
            "attempts": run.attempts,
            "dpu_seconds": run.dpu_seconds,
            "log_group": run.log_group,
            "counts": counts,
            "repaired_rows": repaired,
            "rejected_rows": rejected,
            "location": processed.uri(f"{PROCESSED_PREFIX}/{self._run_id}/"),
            "quarantine": processed.uri(f"{QUARANTINE_PREFIX}/{self._run_id}/"),
        }

    def _arguments(self, manifest: DatasetManifest) -> dict[str, str]:
        datasets = self._environment.raw_datasets
        prefix, processed = (
            datasets.prefix(manifest.dataset_id),
            self._environment.processed_storage,
        )
        files = {
            name: [datasets.storage.uri(prefix + file.path) for file in table.files]
            for name, table in manifest.tables.items()
        }
        return {
            "--tables": json.dumps([table.as_job_argument() for table in TABLES]),
            "--input": json.dumps(files),
            "--format": manifest.format,
            "--output": processed.uri(f"{PROCESSED_PREFIX}/{self._run_id}"),
            "--quarantine": processed.uri(f"{QUARANTINE_PREFIX}/{self._run_id}"),
            "--summary": processed.uri(f"{SUMMARY_PREFIX}/{self._run_id}"),
        }

    def _read_summary(self) -> tuple[Counts, dict[str, int]]:
        """Return rows by table and rule, and how many accepted rows were repaired."""
        storage = self._environment.processed_storage
        counts: Counts = {table.name: {"accepted": 0} for table in TABLES}
        repaired = {table.name: 0 for table in TABLES}
        for found in storage.list_objects(f"{SUMMARY_PREFIX}/{self._run_id}/"):
            for line in storage.get(found.key).splitlines():
                row = json.loads(line)
                counts[row["table_name"]][row["rule"]] = row["rows"]
                if row["rule"] == "accepted":
                    repaired[row["table_name"]] = row["untidy"]
        return counts, repaired
