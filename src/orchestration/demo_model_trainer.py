"""The second workflow: two models trained, judged, saved and explained, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ModelError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.workflow import Stage, StepOutcome
from src.orchestration.workflow_owner import WorkflowOwner
from src.reporting.console import Console, StageProgress
from src.settings import Settings

# pandas and scikit-learn are imported inside the stages: the first line comes at once.
if TYPE_CHECKING:
    import pandas as pd

    from src.infrastructure.model_registry import ModelRegistry
    from src.orchestration.saved_model_checks import ModelCheck
    from src.orchestration.training_data import LoadFacts


class DemoModelTrainer(WorkflowOwner):
    """Trains both models on the warehouse, or with `validate_only` re-checks the saved ones.

    Each stage is a method of its own, to be called in the order of `run_training_pipeline`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        validate_only: bool = False,
        with_challengers: bool = False,
        console: Console | None = None,
        environment: DemoEnvironment | None = None,
        present: bool = False,
    ) -> None:
        environment = environment or DemoEnvironment(settings, needs_glue=False)
        super().__init__("training", settings, console, environment, present=present)
        self.validate_only = validate_only
        self.with_challengers = with_challengers
        self.load: LoadFacts | None = None
        self.truth: pd.DataFrame | None = None
        self.models: dict[str, dict[str, Any]] = {}
        self.samples: list[dict[str, Any]] = []
        self.plots: list[str] = []

    # -- the whole run -------------------------------------------------------------------

    def run_training_pipeline(self) -> dict[str, Any]:
        """Run every stage and return the report, also when one failed."""
        extraction = [
            Stage("venue_data", "venue data", self.extract_venue_training_data),
            Stage("venue_features", "venue features", self.prepare_venue_features),
            Stage("sales_data", "sales data", self.extract_ticket_sales_training_data),
            Stage("sales_features", "sales features", self.prepare_ticket_sales_features),
        ]
        if self.validate_only:
            work = [Stage("saved_models", "saved models", self.validate_saved_models)]
        else:
            work = [
                Stage("venue_model", "venue model", self.train_venue_popularity_model),
                Stage("sales_model", "sales model", self.train_ticket_sales_model),
                Stage("save_models", "save models", self.save_models),
                Stage("predictions", "predictions", self.generate_sample_predictions),
            ]
        s = self.settings
        mode = "  validate only" if self.validate_only else ""
        header = (
            f"Concert models  run {self.workflow.run_id}  target {s.target}  "
            f"random state {s.random_state}{mode}"
        )
        return self.run_stages([*extraction, *work], header)

    def generate_training_report(self) -> dict[str, Any]:
        """Write the JSON report of what has run so far and return it."""
        return self.write_report()

    def report_facts(self) -> dict[str, Any]:
        """Return the data set, the models with all that was measured, and the samples."""
        return {
            "mode": "validate" if self.validate_only else "train",
            "dataset": self.load,
            "has_ground_truth": self.truth is not None,
            "models": self.models,
            "sample_predictions": self.samples,
            "plots": self.plots,
        }

    # -- stages --------------------------------------------------------------------------

    def extract_venue_training_data(self, progress: StageProgress | None = None) -> StepOutcome:
        """Read one row per venue and quarter from the warehouse."""
        from src.orchestration import training_data

        self.environment.redshift.create_tables()
        self.load = training_data.newest_load(self.environment)
        self.until = training_data.known_until(self.environment, self.load)
        self.quarters = training_data.extract_venue_quarters(self.environment, self.workflow.run_id)
        facts = {"rows": len(self.quarters)}
        return StepOutcome("success", f"{len(self.quarters):,} venue-quarters", facts)

    def prepare_venue_features(self, progress: StageProgress | None = None) -> StepOutcome:
        """Complete the panel: every venue in every finished quarter."""
        from src.orchestration import venue_training

        self.panel = venue_training.finished_panel(self.quarters, self.until)
        venues, quarters = self.panel["venue_id"].nunique(), self.panel["quarter"].nunique()
        summary = f"{venues:,} venues x {quarters} finished quarters"
        return StepOutcome("success", summary, {"venues": venues, "quarters": quarters})

    def extract_ticket_sales_training_data(
        self, progress: StageProgress | None = None
    ) -> StepOutcome:
        """Read one row per concert: what is known when its tickets go on sale."""
        from src.orchestration import training_data

        self.concerts = training_data.extract_concerts(
            self.environment, self.workflow.run_id, self.until
        )
        self.truth = training_data.ground_truth(self.environment, self.load)
        known = "with ground truth" if self.truth is not None else "no ground truth: no ceiling"
        facts = {"rows": len(self.concerts), "has_ground_truth": self.truth is not None}
        return StepOutcome("success", f"{len(self.concerts):,} concerts, {known}", facts)

    def prepare_ticket_sales_features(self, progress: StageProgress | None = None) -> StepOutcome:
        """Split the completed concerts by time."""
        from src.orchestration import training_data

        self.completed = training_data.completed(self.concerts, self.load, self.until)
        self.split = training_data.split_by_time(self.completed, self.settings.test_size)
        sizes = {
            "train": len(self.split.train),
            "calibration": len(self.split.calibration),
            "test": len(self.split.test),
        }
        since = f"{self.split.test['starts_at'].min():%Y-%m-%d}"
        words = ", ".join(f"{rows:,} {name}" for name, rows in sizes.items())
        return StepOutcome("success", f"{words} since {since}", {"rows": sizes})

    def train_venue_popularity_model(self, progress: StageProgress | None = None) -> StepOutcome:
        """Fit, calibrate and judge the venue model."""
        from src.orchestration import venue_training

        s = self.settings
        self.venue_model = venue_training.train_venue_model(
            self.panel, test_size=s.test_size, random_state=s.random_state, coverage=s.coverage
        )
        facts = self.venue_model.facts
        self.models["venue_popularity"] = {**facts, "status": "success", "saved": False}
        return StepOutcome("success", _headline(facts, "points"))

    def train_ticket_sales_model(self, progress: StageProgress | None = None) -> StepOutcome:
        """Fit, calibrate and judge the sales model; a failed gate fails the run."""
        from src.orchestration import sales_training
        from src.services.model_evaluation_service import ModelEvaluationService

        s = self.settings
        self.sales_model = sales_training.train_sales_model(
            self.split, self.truth, random_state=s.random_state, coverage=s.coverage
        )
        facts = self.sales_model.facts
        evaluation = ModelEvaluationService(s.random_state)
        facts["importance"] = sales_training.importance_table(
            self.sales_model, self.split, evaluation, s.random_state
        )
        if self.with_challengers:
            facts["leaderboard"] = sales_training.challengers(
                self.split, self.sales_model.service, s.random_state
            )
        self.models["ticket_sales_prediction"] = {**facts, "status": "success", "saved": False}
        failed = [name for name, gate in facts["gates"].items() if gate["verdict"] == "failed"]
        if failed and s.coverage == 0.9:  # the gates are stated for 90 % intervals
            gate = facts["gates"][failed[0]]
            self.models["ticket_sales_prediction"]["status"] = "failed"
            raise ModelError(
                f"the sales model failed {len(failed)} of {len(facts['gates'])} calibration gates",
                where=", ".join(failed),
                cause=f"{failed[0]}: expected {gate['expected']}, found {gate['found']:.3f}",
                hint="python run_demo_pipeline.py --concerts 20000 --sales 100000",
            )
        return StepOutcome("success", _headline(facts, "tickets"))

    def save_models(self, progress: StageProgress | None = None) -> StepOutcome:
        """Save both models as new versions and make them the champions."""
        from src.orchestration.model_saving import provenance_of, save_both
        from src.orchestration.saved_model_checks import compare_with_champion

        registry, s = self._registry(), self.settings
        sales = self.models["ticket_sales_prediction"]
        sales["against_previous_champion"] = compare_with_champion(
            registry, self.sales_model, s.random_state
        )
        provenance = provenance_of(self.load, s.random_state, self.workflow.run_id)
        self.versions = save_both(
            registry, self.sales_model, self.venue_model, self.split, provenance
        )
        for name, entry in (
            ("ticket_sales", sales),
            ("venue_popularity", self.models["venue_popularity"]),
        ):
            version = self.versions[name]
            entry.update(saved=True, version=version, location=registry.uri(name, version))
        words = ", ".join(f"{name} v{version}" for name, version in self.versions.items())
        return StepOutcome("success", words, {"versions": self.versions})

    def generate_sample_predictions(self, progress: StageProgress | None = None) -> StepOutcome:
        """Predict coming concerts, what-ifs and venues; write them to the warehouse; draw."""
        from src.orchestration import sample_predictions
        from src.reporting.plots import training_plots

        sales, venue = self.sales_model, self.venue_model
        predicted = sample_predictions.predict_upcoming(sales.service, self.concerts)
        typical = sample_predictions.typical_concert(self.split.train)
        self.samples = sample_predictions.sales_scenarios(sales.service, predicted, typical)
        self.samples += sample_predictions.venue_scenarios(venue.service, self.panel)
        written = sample_predictions.write_predictions(
            self.environment.redshift, predicted, venue.service.rank(self.panel), self.versions
        )
        board = sales.facts.get("leaderboard") or [
            {"model": "GradientBoosting (ours)", **sales.facts["test_metrics"]},
            *({"model": name, **found} for name, found in sales.facts["baselines"].items()),
        ]
        self.plots = training_plots(
            self.workflow.folder, sales.test, sales.facts, sales.facts["importance"], board
        )
        summary = f"{written['concert_predictions']:,} concerts, {len(self.samples)} scenarios"
        return StepOutcome("success", f"{summary}, {len(self.plots)} plots", {"written": written})

    def validate_saved_models(self, progress: StageProgress | None = None) -> StepOutcome:
        """Re-check the champions on the current warehouse; trains and writes nothing."""
        from src.orchestration.saved_model_checks import (
            check_sales_champion,
            check_venue_champion,
        )

        registry, s = self._registry(), self.settings
        checks: dict[str, list[ModelCheck]] = {}
        saved, facts, checks["ticket_sales_prediction"] = check_sales_champion(
            registry, self.completed, self.truth, test_size=s.test_size, random_state=s.random_state
        )
        self._validated("ticket_sales_prediction", saved, facts, checks)
        saved, facts, checks["venue_popularity"] = check_venue_champion(
            registry, self.panel, test_size=s.test_size, random_state=s.random_state
        )
        self._validated("venue_popularity", saved, facts, checks)
        every = [check for found in checks.values() for check in found]
        failed = [check for check in every if check.verdict == "failed"]
        if failed:
            raise ModelError(
                f"{len(failed)} of {len(every)} checks of the saved models failed",
                where=", ".join(check.name for check in failed),
                cause=f"{failed[0].name}: expected {failed[0].expected}, found {failed[0].found}",
                hint="python train_demo_models.py",
            )
        passed = sum(check.verdict == "passed" for check in every)
        return StepOutcome("success", f"{passed} checks passed, {len(every) - passed} not judged")

    def _validated(
        self, key: str, saved: Any, facts: dict[str, Any], checks: dict[str, list[ModelCheck]]
    ) -> None:
        failed = any(check.verdict == "failed" for check in checks[key])
        self.models[key] = {
            **facts,
            "status": "failed" if failed else "success",
            "saved": True,
            "version": saved.version,
            "checks": checks[key],
        }

    def _registry(self) -> ModelRegistry:
        from src.infrastructure.model_registry import ModelRegistry

        folder = None if self.validate_only else Path(self.settings.output_dir)
        return ModelRegistry(self.environment.processed_storage, folder)


def _headline(facts: dict[str, Any], unit: str) -> str:
    test = facts["test_metrics"]
    text = f"R2 {test['r2']:.3f}, MAE {test['mae']:,.1f} {unit}"
    ceiling = facts.get("ceiling")
    if ceiling:
        text += f" (ceiling {ceiling['r2_columns_expected']:.3f})"
    return text
