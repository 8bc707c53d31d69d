"""The main job: concert data from nothing to a verified warehouse, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.domain.dataset import DatasetManifest
from src.domain.tables import TABLES
from src.errors import QualityError, UsageError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.etl_stage import EtlStage
from src.orchestration.own_files import ignored_words, open_input
from src.orchestration.preflight import check_sizes
from src.orchestration.run_progress import UnfinishedRun, forget_progress, save_progress
from src.orchestration.workflow import Stage, StepOutcome
from src.orchestration.workflow_owner import WorkflowOwner
from src.reporting.console import (
    Console,
    StageProgress,
    human_bytes,
    plural,
    progress_callback,
)
from src.settings import Settings

if TYPE_CHECKING:
    from src.infrastructure.load_plan import TableLoad

ROOT = Path(__file__).parents[2]
_OF_A_STAGE = (
    "status", "summary", "seconds", "started_at", "error", "rows_per_s", "mb_per_s"
)  # fmt: skip


class DemoPipelineOrchestrator(WorkflowOwner):
    """Runs the five stages; each is a method of its own and may be called alone, in order.

    `run_pipeline()` runs them all, writes the report and returns it; it raises nothing but
    what keeps it from starting. Close it, or use it as a context manager.

    >>> orchestrator = DemoPipelineOrchestrator(Settings(artists=10, venues=5))  # doctest: +SKIP
    >>> orchestrator.run_pipeline()["verdict"]  # doctest: +SKIP
    'succeeded'
    """

    def __init__(
        self,
        settings: Settings,
        *,
        skip_generation: bool = False,
        console: Console | None = None,
        environment: DemoEnvironment | None = None,
        present: bool = False,
        resumed: UnfinishedRun | None = None,
    ) -> None:
        environment = environment or DemoEnvironment(settings)
        super().__init__("pipeline", settings, console, environment, present=present)
        self.skip_generation = skip_generation
        self.resumed = resumed
        self.load_run_id = self.workflow.run_id  # whose load is in the warehouse
        self.manifest: DatasetManifest | None = None
        self.etl_counts: dict[str, dict[str, int]] = {}
        self.etl_warnings: dict[str, dict[str, Any]] = {}
        self.data_profile: dict[str, list[dict[str, Any]]] = {}

    # -- the whole run -------------------------------------------------------------------

    def run_pipeline(self) -> dict[str, Any]:
        """Run every stage and return the report, also when one failed."""
        stages = [
            Stage("s3_buckets", "S3 buckets", self.ensure_s3_buckets),
            Stage("data_generation", self._generation_title(), self.generate_and_upload_data),
            Stage("glue_etl", "Glue ETL", self.run_glue_etl_jobs),
            Stage("redshift_load", "load warehouse", self.load_data_to_redshift),
            Stage("data_verification", "verify quality", self.verify_data_quality),
        ]
        s = self.settings
        if not (self.skip_generation or s.input_dir or self._was_done("data_generation")):
            check_sizes(s)
        header = f"Concert demo  run {self.workflow.run_id}  target {s.target}  seed {s.seed}"
        if self.resumed is not None:
            header += f"  resumes {self.resumed.run_id}"
        report = self.run_stages(stages, header)
        if report["verdict"] == "succeeded":
            forget_progress(self.workflow.folder)
        return report

    def generate_summary_report(self) -> dict[str, Any]:
        """Write the JSON report of what has run so far and return it."""
        return self.write_report()

    def after_stage(self) -> None:
        """Write what is finished, for a later run with --resume."""
        save_progress(
            self.workflow.folder, self.workflow.run_id, self.settings, self.workflow.steps
        )

    def report_facts(self) -> dict[str, Any]:
        """Return the data set, its rows on their way, and what the data pictures show."""
        manifest = self.manifest
        dataset = None
        if manifest is not None:
            dataset = {
                "id": manifest.dataset_id,
                "source": manifest.source,
                "format": manifest.format,
                "as_of": manifest.as_of,
                "parameters": dict(manifest.parameters),
            }
        return {"dataset": dataset, "rows": self._rows_side_by_side(), "data": self.data_profile}

    # -- stages --------------------------------------------------------------------------

    def ensure_s3_buckets(self, progress: StageProgress | None = None) -> StepOutcome:
        """Create the raw and processed buckets, or verify that they can be used."""
        if self.settings.input_dir and not (
            self.skip_generation or self._was_done("data_generation")
        ):
            open_input(self.settings)  # refused before a server starts or a bucket is made
        _note(progress, "starting" if self.settings.target == "local" else "looking")
        buckets = {}
        for storage in (self.environment.raw_storage, self.environment.processed_storage):
            buckets[storage.bucket] = "created" if storage.ensure_bucket() else "verified"
        words = sorted(set(buckets.values()))
        return StepOutcome("success", f"2 buckets {' and '.join(words)}", {"buckets": buckets})

    def generate_and_upload_data(self, progress: StageProgress | None = None) -> StepOutcome:
        """Generate (or read, or find) the raw data set; its manifest is written last."""
        datasets = self.environment.raw_datasets
        done = self._was_done("data_generation")
        if done is not None:
            self.manifest = datasets.named(done.steps["data_generation"]["dataset_id"])
        elif self.skip_generation:
            self.manifest = datasets.latest()
        else:
            self.manifest = self._export(datasets, progress)
            datasets.commit(self.manifest)
        manifest = self.manifest
        rows = f"{manifest.records:,} rows"
        summary = f"{rows}, {plural(manifest.files, 'file')}, {human_bytes(manifest.bytes)}"
        if done is not None:
            summary = done.summary("data_generation")
        elif self.skip_generation:
            summary = f"{manifest.dataset_id}: {rows}"
        if done is None:
            summary += ignored_words(manifest)
        facts = {
            "dataset_id": manifest.dataset_id,
            "counts": {name: t.valid_rows or t.records for name, t in manifest.tables.items()},
            "records": {name: t.records for name, t in manifest.tables.items()},
            "defects": manifest.defects,
            "untidy_rows": manifest.untidy,
            "files": manifest.files,
            "bytes": manifest.bytes,
            "location": datasets.storage.uri(datasets.prefix(manifest.dataset_id)),
            "ignored_columns": {
                name: list(t.ignored_columns)
                for name, t in manifest.tables.items()
                if t.ignored_columns
            },
            "content_sha256": {
                f.path: f.content_sha256 for t in manifest.tables.values() for f in t.files
            },
        }
        is_new = done is None and not self.skip_generation
        worked = (manifest.records, manifest.bytes) if is_new else (None, None)
        return StepOutcome("success" if is_new else "skipped", summary, facts, *worked)

    def run_glue_etl_jobs(self, progress: StageProgress | None = None) -> StepOutcome:
        """Clean the raw data with the Glue job; skipped where Redshift does the cleaning."""
        manifest = self._need_manifest()
        if self.settings.etl == "direct":
            if manifest.format == "parquet":
                raise UsageError(
                    "--etl direct cannot COPY raw Parquet: its timestamps are text",
                    hint="--etl glue, or --raw-format json",
                )
            return StepOutcome("skipped", "Redshift cleans the raw rows itself")
        done = self._was_done("glue_etl")
        if done is not None:
            known = {k: v for k, v in done.steps["glue_etl"].items() if k not in _OF_A_STAGE}
            self.etl_counts, self.etl_warnings = known["counts"], known.get("warnings", {})
            return StepOutcome("skipped", done.summary("glue_etl"), known)
        stage = EtlStage(self.environment, self.settings)
        counts, facts = stage.run(manifest, lambda text: _note(progress, text))
        self.etl_counts, self.etl_warnings = counts, facts["warnings"]
        summary = f"{facts['job']} {facts['job_run_state']}, {facts['rejected_rows']:,} rejected"
        rows = sum(n for rules in counts.values() for n in rules.values())
        return StepOutcome("success", summary, facts, rows, manifest.bytes)

    def load_data_to_redshift(self, progress: StageProgress | None = None) -> StepOutcome:
        """COPY the four tables into concert_dw in one transaction."""
        from src.orchestration.load_planning import LoadPlanner

        environment = self.environment
        _note(progress, "creating tables")
        environment.redshift.create_tables()
        loads = self._earlier_load()
        if loads is not None and self.resumed is not None:
            rows = sum(load.source_rows for load in loads.values())
            summary = f"by {self.resumed.run_id}: {len(loads)} tables, {rows:,} rows"
            return StepOutcome("skipped", summary, self._load_facts(loads))
        planner = LoadPlanner(environment, self.settings, self.workflow.run_id)
        plan = planner.plan(self._need_manifest(), self.etl_counts, self.etl_warnings)
        loads = environment.loader.load(plan, lambda name: _note(progress, f"loading {name}"))
        facts = self._load_facts(loads)
        summary = f"{len(loads)} tables, {facts['rows']:,} rows"
        if plan.clean_in_warehouse:
            summary += f", {facts['rejected_rows']:,} rejected"
        loaded = sum(load.bytes for load in loads.values())
        return StepOutcome("success", summary, facts, facts["rows"], loaded)

    def _load_facts(self, loads: Mapping[str, TableLoad]) -> dict[str, Any]:
        return {
            "load_mode": self.settings.load_mode,
            "tables": loads,
            "rows": sum(load.source_rows for load in loads.values()),
            "rejected_rows": sum(load.rejected_rows for load in loads.values()),
        }

    def _earlier_load(self) -> dict[str, TableLoad] | None:
        """Return what the resumed run loaded, if it did and nobody has since."""
        if self.resumed is None:
            return None
        loads = self.environment.loader.newest_load(self.resumed.run_id)
        if loads is not None:
            self.load_run_id = self.resumed.run_id
        return loads

    def _was_done(self, stage: str) -> UnfinishedRun | None:
        """Return the resumed run, if it finished a stage."""
        return self.resumed if self.resumed is not None and self.resumed.has(stage) else None

    def verify_data_quality(self, progress: StageProgress | None = None) -> StepOutcome:
        """Run every check against the warehouse; raises QualityError if one fails."""
        from src.orchestration.data_profile import profile
        from src.orchestration.verification import verify

        self.data_profile = profile(self.environment.redshift)
        load = self.workflow.steps.get("redshift_load", {})
        results, facts = verify(
            self.environment, self.settings, self.load_run_id, self._need_manifest(), load
        )
        failures = [r for r in results if r.verdict == "failed"]
        if failures:
            first = failures[0]
            error = QualityError(
                f"{plural(len(failures), 'data-quality check')} of {len(results)} failed",
                where=", ".join(f.file or f.name for f in failures),
                cause=f"{first.title}: expected {first.expected}, found {first.found}",
                hint=self._inspect_hint(first.file),
            )
            error.facts = facts
            raise error
        tally = facts["tally"]
        summary = f"{tally['passed']} of {len(results)} checks passed"
        if tally["skipped"]:
            summary += f", {tally['skipped']} not applicable"
        return StepOutcome("success", summary, facts)

    # -- pieces --------------------------------------------------------------------------

    def _generation_title(self) -> str:
        if self.skip_generation:
            return "find raw data"
        return "read + upload" if self.settings.input_dir else "generate + upload"

    def _export(self, datasets: Any, progress: StageProgress | None) -> DatasetManifest:
        s, run_id = self.settings, self.workflow.run_id
        sink = datasets.sink(run_id)
        if s.input_dir:
            _note(progress, f"reading {s.input_dir}")
            is_merge = s.load_mode == "merge"
            return open_input(s).export(sink, s.raw_format, run_id, parents_may_be_loaded=is_merge)
        from src.services.concert_world import WorldSize
        from src.services.part_making import cores
        from src.services.synthetic_data_generator import SyntheticDataGenerator

        size = WorldSize(s.artists, s.venues, s.concerts, s.sales)
        generator = SyntheticDataGenerator(size, seed=s.seed, defect_rate=s.defect_rate)
        total = s.artists + s.venues + s.concerts + s.sales
        on_rows = progress_callback(progress, total) if progress else None
        workers = s.workers or cores()
        return generator.export(sink, s.raw_format, run_id, on_rows, workers=workers)

    def _inspect_hint(self, file: str) -> str:
        if self.settings.target != "local":
            return f"run the SQL of {file or 'docs/reference'} against the warehouse"
        sql = (ROOT / file).read_text() if file else ""
        if not sql or ":newest_sale" in sql:
            return "python -m src.local_cloud psql"
        run = f" -v run_id=\"'{self.load_run_id}'\"" if ":run_id" in sql else ""
        return f"python -m src.local_cloud psql{run} -f {file}"

    def _need_manifest(self) -> DatasetManifest:
        if self.manifest is None:
            raise UsageError(
                "there is no raw data set yet", hint="call generate_and_upload_data() first"
            )
        return self.manifest

    def _rows_side_by_side(self) -> dict[str, dict[str, int | None]]:
        """Return the rows of each table at every stop of their way: a lost row shows."""
        loads = self.workflow.steps.get("redshift_load", {}).get("tables", {})
        rows: dict[str, dict[str, int | None]] = {}
        for table in TABLES:
            entry = self.manifest.tables[table.name] if self.manifest else None
            counts = self.etl_counts.get(table.name)
            load = loads.get(table.name)
            records = entry.records if entry else None
            rows[table.name] = {
                "raw_records": records,
                "etl_read": sum(counts.values()) if counts else None,
                "etl_accepted": counts["accepted"] if counts else None,
                "rejected": load.rejected_rows if load else None,
                "loaded": load.source_rows if load else None,
                "warehouse": load.table_rows if load else None,
                "unaccounted": records - load.rejected_rows - load.source_rows
                if load and records is not None
                else None,
            }
        return rows


def _note(progress: StageProgress | None, text: str) -> None:
    if progress is not None:
        progress.note(text)
