"""The second workflow: two models trained, judged, saved and explained, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.staged_workflow import stage
from src.orchestration.training.training_results import Promotion, TrainingResults, needed
from src.orchestration.workflow import Stage, StepOutcome
from src.reporting.terminal.console import Console, StageProgress
from src.settings import Settings

# pandas and scikit-learn are imported inside the stages: the first line comes at once.
if TYPE_CHECKING:
    from src.infrastructure.storage.model_registry import ModelRegistry
    from src.services.modelling.model_decision import ModelCheck

_SALES, _VENUES = "ticket_sales_prediction", "venue_popularity"


class DemoModelTrainer(TrainingResults):
    """Trains both models on the warehouse, or with `validate_only` re-checks the saved ones.

    With `promote` never, the new versions stay candidates.

    Each stage is a method of its own, to be called in the order of `run_training_pipeline`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        validate_only: bool = False,
        with_challengers: bool = False,
        promote: Promotion = "auto",
        console: Console | None = None,
        environment: DemoEnvironment | None = None,
        present: bool = False,
    ) -> None:
        environment = environment or DemoEnvironment(settings, needs_glue=False)
        super().__init__(settings, console, environment, present=present)
        self.validate_only = validate_only
        self.with_challengers = with_challengers
        self.promotion = promote
        self.samples: list[JsonObject] = []
        self.plots: list[str] = []

    # -- the whole run -------------------------------------------------------------------

    def run_training_pipeline(self) -> JsonObject:
        """Run every stage and return the report, also when one failed."""
        s = self.settings
        mode = "  validate only" if self.validate_only else ""
        header = (
            f"Concert models  run {self.workflow.run_id}  target {s.target}  "
            f"random state {s.random_state}{mode}"
        )
        return self.run_stages(self.stages(), header)

    def stages(self) -> list[Stage]:
        """Return the stages of a whole run, in order."""
        extraction = [
            Stage("venue_data", self.extract_venue_training_data),
            Stage("venue_features", self.prepare_venue_features),
            Stage("sales_data", self.extract_ticket_sales_training_data),
            Stage("sales_features", self.prepare_ticket_sales_features),
        ]
        if self.validate_only:
            return [*extraction, Stage("saved_models", self.validate_saved_models)]
        return [
            *extraction,
            Stage("venue_model", self.train_venue_popularity_model),
            Stage("sales_model", self.train_ticket_sales_model),
            Stage("save_models", self.save_models),
            Stage("predictions", self.generate_sample_predictions),
            Stage("verdict", self.judge_models),
        ]

    def generate_training_report(self) -> JsonObject:
        """Write the JSON report of what has run so far and return it.

        Raises UsageError where no stage has run; one that raised is in the report as failed.
        """
        return self.report_what_ran("run_training_pipeline")

    def report_facts(self) -> JsonObject:
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

    @stage("venue_data")
    def extract_venue_training_data(self, progress: StageProgress | None = None) -> StepOutcome:
        """Read one row per venue and quarter from the warehouse."""
        from src.orchestration.training import extraction

        self._forget("panel", "concerts", "bookings", "truth", "completed", "split", "venue_model",
                     "sales_model", "versions", "predictors")  # fmt: skip
        self.environment.redshift.create_tables()
        self.load, self.until, self.quarters = extraction.venue_data(
            self.environment, self.workflow.run_id
        )
        self._extracted_with = self.settings
        if self.quarters.empty:
            raise extraction.nothing_to_learn_from(self.environment)
        facts = {"rows": len(self.quarters)}
        return StepOutcome("success", f"{len(self.quarters):,} venue-quarters", facts)

    @stage("venue_features")
    def prepare_venue_features(self, progress: StageProgress | None = None) -> StepOutcome:
        """Complete the panel: every venue in every finished quarter."""
        from src.services.modelling import venue_training

        quarters = needed(self.quarters, "extract_venue_training_data")
        self._check_unchanged()
        self._forget("venue_model", "versions", "predictors")
        self.panel = venue_training.finished_panel(quarters, self.until)
        venues, finished = self.panel["venue_id"].nunique(), self.panel["quarter"].nunique()
        summary = f"{venues:,} venues x {finished} finished quarters"
        return StepOutcome("success", summary, {"venues": venues, "quarters": finished})

    @stage("sales_data")
    def extract_ticket_sales_training_data(
        self, progress: StageProgress | None = None
    ) -> StepOutcome:
        """Read one row per concert: what is known when its tickets go on sale."""
        from src.orchestration.training import extraction

        needed(self.quarters, "extract_venue_training_data")
        self._check_unchanged()
        self._forget("completed", "split", "sales_model", "versions", "predictors")
        environment, run_id = self.environment, self.workflow.run_id
        self.concerts, self.bookings, left_out = extraction.sales_data(
            environment, run_id, self.until, self._check_unchanged
        )
        self.truth = extraction.ground_truth(environment, self.load)
        summary = f"{len(self.concerts):,} concerts, "
        summary += "with ground truth" if self.truth is not None else "no ground truth: no ceiling"
        if left_out:
            summary += f", {left_out:,} of unknown capacity left out"
        facts = {"rows": len(self.concerts), "has_ground_truth": self.truth is not None,
                 "unknown_capacity": left_out}  # fmt: skip
        return StepOutcome("success", summary, facts)

    @stage("sales_features")
    def prepare_ticket_sales_features(self, progress: StageProgress | None = None) -> StepOutcome:
        """Split the completed concerts by time."""
        from src.services.modelling import time_split

        concerts = needed(self.concerts, "extract_ticket_sales_training_data")
        self._check_unchanged()
        self._forget("sales_model", "versions", "predictors")
        self.completed = time_split.completed(concerts, self.until)
        self.split = time_split.split_by_time(self.completed, self.settings.test_size)
        sizes = {
            "train": len(self.split.train),
            "calibration": len(self.split.calibration),
            "test": len(self.split.test),
        }
        since = f"{self.split.test['starts_at'].min():%Y-%m-%d}"
        words = ", ".join(f"{rows:,} {name}" for name, rows in sizes.items())
        return StepOutcome("success", f"{words} since {since}", {"rows": sizes})

    @stage("venue_model")
    def train_venue_popularity_model(self, progress: StageProgress | None = None) -> StepOutcome:
        """Fit, calibrate and judge the venue model."""
        from src.services.modelling import venue_training

        panel, s = needed(self.panel, "prepare_venue_features"), self.settings
        self._check_unchanged()
        self._forget("versions", "predictors")
        self.venue_model = venue_training.train_venue_model(
            panel, test_size=s.test_size, random_state=s.random_state, coverage=s.coverage
        )
        return self._trained(_VENUES, self.venue_model.facts, "points")

    @stage("sales_model")
    def train_ticket_sales_model(self, progress: StageProgress | None = None) -> StepOutcome:
        """Fit, calibrate and judge the sales model; `judge_models` fails on what failed here."""
        from src.services.model_evaluation_service import ModelEvaluationService
        from src.services.modelling import pace_training, sales_errors, sales_training

        split, s = needed(self.split, "prepare_ticket_sales_features"), self.settings
        self._check_unchanged()
        bookings = needed(self.bookings, "extract_ticket_sales_training_data")
        self._forget("versions", "predictors")
        self.sales_model = sales_training.train_sales_model(
            split, self.truth, random_state=s.random_state, coverage=s.coverage
        )
        facts = self.sales_model.facts
        facts["importance"] = sales_training.importance_table(
            self.sales_model, ModelEvaluationService(s.random_state)
        )
        facts["errors"] = sales_errors.error_tables(self.sales_model, split)
        facts["pace"] = pace_training.learn_pace(self.sales_model, bookings, s.random_state)
        if self.with_challengers:
            facts["leaderboard"] = sales_training.challengers(self.sales_model, s.random_state)
        return self._trained(_SALES, facts, "tickets")

    @stage("save_models")
    def save_models(self, progress: StageProgress | None = None) -> StepOutcome:
        """Save both models as new versions; promote each whose checks and comparison allow it."""
        from src.orchestration.training import model_saving
        from src.orchestration.training.registered_models import MODELS

        venue = needed(self.venue_model, "train_venue_popularity_model")
        sales = needed(self.sales_model, "train_ticket_sales_model")
        split = needed(self.split, "prepare_ticket_sales_features")
        self._check_unchanged()
        registry, s = self._registry(), self.settings
        provenance = model_saving.provenance_of(self.load, s.random_state, self.workflow.run_id)
        champions = model_saving.champions(registry, sales, venue, s.random_state, provenance)
        self.versions = model_saving.save_both(registry, sales, venue, split, provenance)
        decisions = {
            name: self._decided(name, key, champions[name][1], self.promotion)
            for name, key in MODELS.items()
        }
        model_saving.promote_or_hold(registry, self.versions, decisions)
        self.predictors = model_saving.predictors(
            self.versions, decisions, champions,
            {"ticket_sales": sales.service, "venue_popularity": venue.service},
        )  # fmt: skip
        words = []
        for name, key in MODELS.items():
            version, is_champion = self.versions[name], decisions[name].is_promoted
            location = registry.uri(name, version)
            self.models[key].update(saved=True, version=version, location=location)
            words.append(f"{name} v{version}" + ("" if is_champion else " (candidate)"))
        return StepOutcome("success", ", ".join(words), {"versions": self.versions})

    @stage("predictions")
    def generate_sample_predictions(self, progress: StageProgress | None = None) -> StepOutcome:
        """Predict coming concerts, what-ifs and venues; write them to the warehouse; draw."""
        from src.orchestration.training.prediction_tables import write_predictions
        from src.reporting.page.slides import write_slides
        from src.services.modelling import pace_training, sales_training, scenarios

        predictors = needed(self.predictors, "save_models")
        trained = needed(self.sales_model, "train_ticket_sales_model")
        concerts = needed(self.concerts, "extract_ticket_sales_training_data")
        panel = needed(self.panel, "prepare_venue_features")
        split = needed(self.split, "prepare_ticket_sales_features")
        self._check_unchanged()
        sales, venue = predictors["ticket_sales"], predictors["venue_popularity"]
        bookings = needed(self.bookings, "extract_ticket_sales_training_data")
        predicted = scenarios.predict_upcoming(sales.service, concerts, bookings, self.until)
        shares = pace_training.usual_shares(trained.rows.calibration, bookings)
        self.samples = scenarios.scenarios(sales, venue, predicted, split, panel, shares)
        self._check_unchanged()  # predicting takes its time
        written = write_predictions(
            self.environment.redshift, predicted, venue.service.rank(panel), sales, venue
        )
        board = sales_training.leaderboard(trained.facts)
        self.plots = write_slides(self.workflow.folder, trained.facts, board)
        summary = f"{written['concert_predictions']:,} concerts, {len(self.samples)} scenarios"
        candidates = [
            f"{n} v{by.version}" for n, by in predictors.items() if by.role == "candidate"
        ]
        if candidates:
            summary += f" by candidates ({', '.join(candidates)})"
        made = {n: {"version": by.version, "role": by.role} for n, by in predictors.items()}
        facts = {"written": written, "predicted_by": made}
        return StepOutcome("success", f"{summary}, {len(self.plots)} charts", facts)

    @stage("verdict")
    def judge_models(self, progress: StageProgress | None = None) -> StepOutcome:
        """Raise ModelError where a model failed a check: it is saved, but a candidate only."""
        from src.orchestration.training.extraction import hint_after_failure
        from src.services.modelling.model_decision import raise_failed

        predictors = needed(self.predictors, "save_models")
        self._check_unchanged()
        checks = {key: self.models[key]["checks"] for key in (_SALES, _VENUES)}
        raise_failed(checks, "new models", hint_after_failure(self.load))
        words = ", ".join(f"{name} v{by.version}" for name, by in predictors.items())
        return StepOutcome("success", f"champions: {words}")

    @stage("saved_models")
    def validate_saved_models(self, progress: StageProgress | None = None) -> StepOutcome:
        """Re-check the champions on the current warehouse; trains and writes nothing."""
        from src.services.modelling.model_decision import raise_failed
        from src.services.modelling.saved_model_checks import (
            check_sales_champion,
            check_venue_champion,
        )

        completed = needed(self.completed, "prepare_ticket_sales_features")
        panel, s = needed(self.panel, "prepare_venue_features"), self.settings
        self._check_unchanged()
        registry = self._registry()
        checks: dict[str, list[ModelCheck]] = {}
        saved = registry.champion("ticket_sales")
        facts, checks[_SALES] = check_sales_champion(
            saved.files, completed, self.truth, test_size=s.test_size, random_state=s.random_state
        )
        self._validated(_SALES, saved, facts, checks[_SALES])
        saved = registry.champion("venue_popularity")
        facts, checks[_VENUES] = check_venue_champion(
            saved.files, panel, test_size=s.test_size, random_state=s.random_state
        )
        self._validated(_VENUES, saved, facts, checks[_VENUES])
        raise_failed(checks, "saved models", "python train_demo_models.py")
        every = [check for found in checks.values() for check in found]
        passed = sum(check.verdict == "passed" for check in every)
        return StepOutcome(
            "success", f"{passed} checks passed, {len(every) - passed} not evaluated"
        )

    # -- pieces --------------------------------------------------------------------------

    def _registry(self) -> ModelRegistry:
        from src.infrastructure.storage.model_registry import ModelRegistry

        folder = None if self.validate_only else Path(self.settings.output_dir)
        storage = self.environment.processed_storage
        return ModelRegistry(storage, folder, run_id=self.workflow.run_id)
