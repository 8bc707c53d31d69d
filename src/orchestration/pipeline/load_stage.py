"""The load and its verification: written, audited, published, then reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from src.domain.dataset import DatasetManifest
from src.domain.tables import TABLES
from src.errors import UsageError
from src.json_object import JsonObject, JsonView
from src.orchestration.environment import DemoEnvironment
from src.orchestration.pipeline.resuming import UnfinishedRun
from src.orchestration.workflow import StepOutcome
from src.reporting.changed_values import in_words
from src.settings import Settings

if TYPE_CHECKING:
    from src.infrastructure.warehouse.load_plan import TableLoad
    from src.orchestration.pipeline.verification import Verification, Verifier

Rows = dict[str, dict[str, int | None]]


class LoadStage:
    """Loads data sets for one run of the pipeline, and remembers what became of the last one."""

    def __init__(self, settings: Settings, run_id: str, resumed: UnfinishedRun | None) -> None:
        self._settings = settings
        self._resumed = resumed
        self.own_run_id = self.run_id = run_id  # the second: whose load is in the warehouse
        self.refused: Verification | None = None  # the audit that the newest load failed
        self.data_profile: dict[str, list[JsonObject]] = {}
        self._loaded: DatasetManifest | None = None
        self._loads: Mapping[str, TableLoad] = {}
        self._audited: Verification | None = None
        self._recorded: frozenset[tuple[str, str]] = frozenset()  # the ledger once this was loaded
        self._rejected: Mapping[str, int] = {}  # also of a load that failed its audit

    def has(self, manifest: DatasetManifest | None) -> bool:
        """Tell whether this data set is what the stage loaded."""
        return self._loaded is not None and self._loaded is manifest

    def run(
        self,
        environment: DemoEnvironment,
        manifest: DatasetManifest,
        etl_counts: Mapping[str, Mapping[str, int]],
        etl_warnings: Mapping[str, JsonView],
        note: Callable[[str], None],
    ) -> StepOutcome:
        """Load a data set, unless the resumed run did; raises QualityError where a check fails."""
        from src.infrastructure.warehouse.load_ledger import LoadLedger
        from src.orchestration.pipeline.load_planning import LoadPlanner

        note("creating tables")
        environment.redshift.create_tables()
        if self._resumed is not None:
            earlier = environment.loader.newest_load(self._resumed.run_id)
            if earlier is not None:
                self._recorded = LoadLedger(environment.redshift).state()
                return self._earlier(self._resumed.run_id, manifest, earlier)
        audited: list[Verification] = []

        def audit(written: Mapping[str, TableLoad]) -> None:
            note("checking")
            audited.append(self._audit(environment, manifest, written))

        planner = LoadPlanner(environment, self._settings, self.own_run_id)
        plan = planner.plan(manifest, etl_counts, etl_warnings)
        loads = environment.loader.load(plan, lambda name: note(f"loading {name}"), audit)
        self._recorded = LoadLedger(environment.redshift).state()
        self.refused, self.run_id = None, self.own_run_id
        self._loaded, self._loads, self._audited = manifest, loads, audited[-1]
        facts = self._facts()
        summary = f"{len(loads)} tables, {facts['rows']:,} rows"
        if plan.clean_in_warehouse:
            summary += f", {facts['rejected_rows']:,} rejected"
            summary += in_words({name: load.warnings for name, load in loads.items()})
        if environment.loader.streamed is not None:
            facts["streamed"] = environment.loader.streamed
            summary += f", {environment.loader.streamed.sales:,} streamed sales kept"
        loaded = sum(load.bytes for load in loads.values())
        return StepOutcome("success", summary, facts, facts["rows"], loaded)

    def verify(self, environment: DemoEnvironment, manifest: DatasetManifest) -> StepOutcome:
        """Report the checks of the load, those again that prove whether all of it was published.

        Raises UsageError where the newest load is another run's, QualityError where a check fails.
        """
        from src.infrastructure.warehouse.load_ledger import LoadLedger
        from src.orchestration.pipeline.analysis_queries import profile
        from src.orchestration.pipeline.column_profile import column_profile
        from src.orchestration.pipeline.verification import quality_error

        if LoadLedger(environment.redshift).state() != self._recorded:
            raise UsageError(
                "the warehouse was loaded again since load_data_to_redshift()",
                where="concert_dw.load_history",
                cause=f"there are loads of other runs after that of {self.run_id}",
                hint="call load_data_to_redshift() again, or run the same command again",
            )
        self.data_profile = {
            **profile(environment.redshift), "columns": column_profile(environment.redshift)
        }  # fmt: skip
        verifier = self._verifier(environment, manifest, self._loads)
        if self._audited is None:  # an earlier run's load
            found = verifier.audit("after_commit")
        else:
            found = verifier.after_commit(self._audited)
        if found.failures:
            raise quality_error(found, self._settings, self.run_id, is_published=True)
        facts = found.facts()
        tally = facts["tally"]
        summary = f"{tally['passed']} of {len(found.results)} checks passed"
        if tally["skipped"]:
            summary += f", {tally['skipped']} not applicable"
        return StepOutcome("success", summary, facts)

    def rejected_records(self, environment: DemoEnvironment) -> list[JsonObject]:
        """Return some rejected records of the load; none before it."""
        if self._loaded is not None and not self.data_profile:
            from src.orchestration.pipeline.analysis_queries import profile

            self.data_profile = profile(environment.redshift, "*reject*")
        return self.data_profile.get("rejected_examples", [])

    def rows_side_by_side(
        self, manifest: DatasetManifest | None, etl_counts: Mapping[str, Mapping[str, int]]
    ) -> Rows:
        """Return the rows of each table at every stop of their way: a lost row shows."""
        loads = self._loads if self.has(manifest) else {}
        rows: Rows = {}
        for table in TABLES:
            entry = manifest.tables[table.name] if manifest else None
            counts = etl_counts.get(table.name)
            load = loads.get(table.name)
            records = entry.records if entry else None
            rows[table.name] = {
                "raw_records": records,
                "etl_read": sum(counts.values()) if counts else None,
                "etl_accepted": counts["accepted"] if counts else None,
                "rejected": load.rejected_rows if load else self._rejected.get(table.name),
                "loaded": load.source_rows if load else None,
                "warehouse": load.table_rows if load else None,
                "unaccounted": records - load.rejected_rows - load.source_rows
                if load and records is not None
                else None,
            }
        return rows

    def _audit(
        self,
        environment: DemoEnvironment,
        manifest: DatasetManifest,
        written: Mapping[str, TableLoad],
    ) -> Verification:
        """Check a load before its COMMIT; raises QualityError, and the load is rolled back."""
        from src.orchestration.pipeline.analysis_queries import profile
        from src.orchestration.pipeline.verification import quality_error

        self._rejected = {name: load.rejected_rows for name, load in written.items()}
        found = self._verifier(environment, manifest, written, self.own_run_id).audit()
        if found.failures:
            self.refused = found
            self.data_profile = profile(environment.redshift, "*reject*")
            raise quality_error(found, self._settings, self.own_run_id, is_published=False)
        return found

    def _verifier(
        self,
        environment: DemoEnvironment,
        manifest: DatasetManifest,
        loads: Mapping[str, TableLoad],
        run_id: str | None = None,
    ) -> Verifier:
        from src.orchestration.pipeline.verification import Verifier

        return Verifier(environment, self._settings, run_id or self.run_id, manifest, loads)

    def _earlier(
        self, run_id: str, manifest: DatasetManifest, loads: Mapping[str, TableLoad]
    ) -> StepOutcome:
        """Take a load that the resumed run did; no other has been done since."""
        self.run_id = run_id
        self._loaded, self._loads, self._audited = manifest, loads, None
        facts = self._facts()
        summary = f"by {run_id}: {len(loads)} tables, {facts['rows']:,} rows"
        return StepOutcome("skipped", summary, facts)

    def _facts(self) -> JsonObject:
        loads = self._loads.values()
        return {
            "load_mode": self._settings.load_mode,
            "tables": self._loads,
            "rows": sum(load.source_rows for load in loads),
            "rejected_rows": sum(load.rejected_rows for load in loads),
        }
