"""The main job: concert data from nothing to a verified warehouse, stage by stage."""

from __future__ import annotations

from typing import Any

from src.domain.dataset import DatasetManifest
from src.errors import UsageError
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.option_rules import check_format
from src.orchestration.pipeline.etl_stage import EtlStage
from src.orchestration.pipeline.load_stage import LoadStage
from src.orchestration.pipeline.own_files import ignored_words, open_input
from src.orchestration.pipeline.resuming import UnfinishedRun, forget_progress, save_progress
from src.orchestration.size_limits import check_source
from src.orchestration.staged_workflow import WorkflowOwner, stage
from src.orchestration.workflow import Stage, StepOutcome
from src.reporting.changed_values import in_words
from src.reporting.terminal.console import Console, StageProgress, progress_callback
from src.reporting.wording import human_bytes, plural
from src.settings import Settings

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
        self.manifest: DatasetManifest | None = None
        self.etl_counts: dict[str, dict[str, int]] = {}
        self.etl_warnings: dict[str, JsonObject] = {}
        self._has_buckets = False
        self._cleaned: DatasetManifest | None = None  # the data set that the ETL has cleaned
        self._load = LoadStage(settings, self.workflow.run_id, resumed)

    # -- the whole run -------------------------------------------------------------------

    def run_pipeline(self) -> JsonObject:
        """Run every stage and return the report, also when one failed."""
        s = self.settings
        if not (self.skip_generation or self._was_done("data_generation")):
            check_format(s.etl, s.raw_format)
            check_source(s)
        present = " --present" if self._presenter is not None else ""
        self.workflow.resume_hint = f"python run_demo_pipeline.py --resume{present}"
        header = f"Concert demo  run {self.workflow.run_id}  target {s.target}  seed {s.seed}"
        if self.resumed is not None:
            header += f"  resumes {self.resumed.run_id}"
        report = self.run_stages(self.stages(), header)
        if report["verdict"] == "succeeded":
            forget_progress(self.workflow.folder)
        return report

    def stages(self) -> list[Stage]:
        """Return the stages of a whole run, in order."""
        return [
            Stage("s3_buckets", self.ensure_s3_buckets),
            Stage("data_generation", self.generate_and_upload_data, self._generation_card()),
            Stage("glue_etl", self.run_glue_etl_jobs),
            Stage("redshift_load", self.load_data_to_redshift),
            Stage("data_verification", self.verify_data_quality),
        ]

    def generate_summary_report(self) -> JsonObject:
        """Write the JSON report of what has run so far and return it.

        Raises UsageError where no stage has run; one that raised is in the report as failed.
        """
        return self.report_what_ran("run_pipeline")

    def before_stage(self) -> None:
        """Raise UsageError where the settings are not those that the run began with."""
        if self.settings != self.workflow.settings:
            raise UsageError(
                "the settings have changed since this DemoPipelineOrchestrator was made",
                hint="make another with them, and call ensure_s3_buckets() first",
            )

    def after_stage(self) -> None:
        """Write what is finished, for a later run with --resume."""
        save_progress(
            self.workflow.folder, self.workflow.run_id, self.settings, self.workflow.steps,
            skip_generation=self.skip_generation,
        )  # fmt: skip

    def report_facts(self) -> JsonObject:
        """Return the data set, its rows at each step, and what the data pictures show."""
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
        rows = self._load.rows_side_by_side(manifest, self.etl_counts)
        return {"dataset": dataset, "rows": rows, "data": self._load.data_profile}

    def _rejected_records(self) -> list[JsonObject]:
        """Return some of the records that this run's load rejected."""
        return self._load.rejected_records(self.environment)

    # -- stages --------------------------------------------------------------------------

    @stage("s3_buckets")
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
        self._has_buckets = True
        words = sorted(set(buckets.values()))
        return StepOutcome("success", f"2 buckets {' and '.join(words)}", {"buckets": buckets})

    @stage("data_generation")
    def generate_and_upload_data(self, progress: StageProgress | None = None) -> StepOutcome:
        """Generate (or read, or find) the raw data set; its manifest is written last."""
        self._need_buckets()
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

    @stage("glue_etl")
    def run_glue_etl_jobs(self, progress: StageProgress | None = None) -> StepOutcome:
        """Clean the raw data with the Glue job; skipped where Redshift does the cleaning."""
        manifest = self._need_manifest()
        if self.settings.etl == "direct":
            check_format(self.settings.etl, manifest.format)
            return StepOutcome("skipped", "Redshift cleans the raw rows itself")
        done = self._was_done("glue_etl")
        if done is not None:
            known = {k: v for k, v in done.steps["glue_etl"].items() if k not in _OF_A_STAGE}
            self.etl_counts, self._cleaned = known["counts"], manifest
            self.etl_warnings = known.get("warnings", {})
            return StepOutcome("skipped", done.summary("glue_etl"), known)
        stage = EtlStage(self.environment, self.settings, self.workflow.run_id)
        counts, facts = stage.run(manifest, lambda text: _note(progress, text))
        self.etl_counts, self._cleaned = counts, manifest
        self.etl_warnings = facts["warnings"]
        summary = f"{facts['job']} {facts['job_run_state']}, {facts['rejected_rows']:,} rejected"
        summary += in_words(self.etl_warnings)
        rows = sum(n for rules in counts.values() for n in rules.values())
        return StepOutcome("success", summary, facts, rows, manifest.bytes)

    @stage("redshift_load")
    def load_data_to_redshift(self, progress: StageProgress | None = None) -> StepOutcome:
        """COPY the four tables into concert_dw, audit them, and publish them: one transaction.

        Raises QualityError where a check fails; the warehouse is then as it was.
        """
        manifest = self._need_cleaned()
        try:
            return self._load.run(
                self.environment,
                manifest,
                self.etl_counts,
                self.etl_warnings,
                lambda text: _note(progress, text),
            )
        finally:
            if self._load.refused is not None:  # what the checks found is shown as theirs
                checks = self.workflow.steps.setdefault("data_verification", {"status": "not_run"})
                checks.update(self._load.refused.facts())

    def _was_done(self, stage: str) -> UnfinishedRun | None:
        """Return the resumed run, if it finished a stage."""
        return self.resumed if self.resumed is not None and self.resumed.has(stage) else None

    @stage("data_verification")
    def verify_data_quality(self, progress: StageProgress | None = None) -> StepOutcome:
        """Report the checks of the load, those again that prove whether all of it was published.

        Raises QualityError if one failed.
        """
        manifest = self._need_cleaned()
        if not self._load.has(manifest):
            raise _call_first("this raw data set is not loaded yet", "load_data_to_redshift")
        return self._load.verify(self.environment, manifest)

    # -- pieces --------------------------------------------------------------------------

    def _generation_card(self) -> str:
        if self.skip_generation:
            return "data_generation:found"
        return "data_generation:own" if self.settings.input_dir else "data_generation"

    def _export(self, datasets: Any, progress: StageProgress | None) -> DatasetManifest:
        s, run_id = self.settings, self.workflow.run_id
        if s.input_dir:
            _note(progress, f"reading {s.input_dir}")
            is_merge = s.load_mode == "merge"
            return open_input(s).export(
                datasets.sink(run_id), s.raw_format, run_id, parents_may_be_loaded=is_merge
            )
        from src.orchestration.pipeline.generation_stage import generated

        total = s.artists + s.venues + s.concerts + s.sales
        on_rows = progress_callback(progress, total) if progress else None
        return generated(self.environment, s, run_id, on_rows, lambda text: _note(progress, text))

    def _need_buckets(self) -> None:
        if not self._has_buckets:
            raise _call_first("the buckets are not verified yet", "ensure_s3_buckets")

    def _need_cleaned(self) -> DatasetManifest:
        manifest = self._need_manifest()
        if self.settings.etl == "glue" and self._cleaned is not manifest:
            raise _call_first("this raw data set is not cleaned yet", "run_glue_etl_jobs")
        return manifest

    def _need_manifest(self) -> DatasetManifest:
        if self.manifest is None:
            self._need_buckets()
            raise _call_first("there is no raw data set yet", "generate_and_upload_data")
        return self.manifest


def _call_first(missing: str, method: str) -> UsageError:
    return UsageError(missing, hint=f"call {method}() first")


def _note(progress: StageProgress | None, text: str) -> None:
    if progress is not None:
        progress.note(text)
