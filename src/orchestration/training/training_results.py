"""What the stages of a training make, in which order, and of which data and settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from src.errors import DemoError, ModelError, UsageError
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.staged_workflow import WorkflowOwner
from src.orchestration.workflow import StepOutcome
from src.reporting.terminal.console import Console
from src.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from src.orchestration.training.extraction import LoadFacts
    from src.services.modelling.model_decision import Decision, ModelCheck
    from src.services.modelling.sales_training import TrainedSalesModel
    from src.services.modelling.scenarios import Predictor
    from src.services.modelling.time_split import TimeSplit
    from src.services.modelling.venue_training import TrainedVenueModel

Result = TypeVar("Result")
Promotion = Literal["auto", "never"]


def needed(value: Result | None, method: str) -> Result:
    """Return what an earlier stage made; raises UsageError that names the stage."""
    if value is None:
        raise UsageError(
            f"{method}() has not run, or an earlier stage has run again since",
            hint=f"call {method}() first",
        )
    return value


class TrainingResults(WorkflowOwner):
    """Holds what the stages made; None where a stage has not run on the data at hand."""

    def __init__(
        self,
        settings: Settings,
        console: Console | None,
        environment: DemoEnvironment,
        *,
        present: bool = False,
    ) -> None:
        super().__init__("training", settings, console, environment, present=present)
        self.load: LoadFacts | None = None
        self.until: pd.Timestamp | None = None
        self.quarters: pd.DataFrame | None = None
        self.panel: pd.DataFrame | None = None
        self.concerts: pd.DataFrame | None = None
        self.bookings: pd.DataFrame | None = None
        self.truth: pd.DataFrame | None = None
        self.completed: pd.DataFrame | None = None
        self.split: TimeSplit | None = None
        self.venue_model: TrainedVenueModel | None = None
        self.sales_model: TrainedSalesModel | None = None
        self.versions: dict[str, int] | None = None
        self.predictors: dict[str, Predictor] | None = None
        self.models: dict[str, JsonObject] = {}  # the report's entries
        self._extracted_with: Settings | None = None
        self._unsaid: list[str] = []  # warnings that the console has not shown yet

    def explain(self, error: DemoError) -> None:
        """Give a ModelError a hint that fits the data at hand, where it has none."""
        if isinstance(error, ModelError):
            from src.orchestration.training.extraction import hint_for_more

            error.hint = error.hint or hint_for_more(self.load)

    def after_stage(self) -> None:
        """Show what a stage warned of."""
        for warning in self._unsaid:
            self.workflow.console.line(f"warning: {warning}")
        self._unsaid.clear()

    def _forget(self, *results: str) -> None:
        """Drop results of later stages: they are of data that is read anew."""
        for name in results:
            setattr(self, name, None)

    def _check_unchanged(self) -> None:
        """Raise UsageError where settings or the warehouse are not those of the first stage."""
        from src.orchestration.training.extraction import is_newest

        what = ""
        if self.settings != self._extracted_with:
            what = "the settings have changed"
        elif not is_newest(self.environment, self.load):
            what = "the warehouse was loaded again"
        if what:
            raise UsageError(
                f"{what} since extract_venue_training_data()",
                hint="call extract_venue_training_data() and what follows it again",
            )

    # -- what is judged ------------------------------------------------------------------

    def _trained(self, key: str, facts: JsonObject, unit: str) -> StepOutcome:
        from src.services.modelling.model_decision import failed, model_checks

        checks = model_checks(facts, self.settings.coverage)
        wrong = failed(checks)
        self.models[key] = {**facts, "saved": False, **self._judged(key, checks)}
        more = f"; {len(wrong)} of {len(checks)} checks failed" if wrong else ""
        return StepOutcome("success", _headline(facts, unit) + more)

    def _validated(self, key: str, saved: Any, facts: JsonObject, checks: list[ModelCheck]) -> None:
        self.models[key] = {
            **facts, "saved": True, "version": saved.version, "role": "champion",
            **self._judged(key, checks),
        }  # fmt: skip

    def _judged(self, key: str, checks: list[ModelCheck]) -> JsonObject:
        """Return the checks as the report has them; their warnings are shown after the stage."""
        from src.services.modelling.model_decision import failed, warnings_of

        warnings = warnings_of(checks)
        self._unsaid += [f"{key}: {warning}" for warning in warnings]
        status = "failed" if failed(checks) else "success"
        return {"status": status, "checks": checks, "warnings": warnings}

    def _decided(
        self, name: str, key: str, compared: JsonObject | None, promote: Promotion
    ) -> Decision:
        from src.services.modelling.model_decision import decide

        entry = self.models[key]
        decision = decide(entry["checks"], compared)
        if decision.is_promoted and promote == "never":
            reason = f"--promote never; else it would be promoted: {decision.reason}"
            decision = replace(decision, is_promoted=False, reason=reason)
        entry["against_previous_champion"] = compared
        entry["role"] = "champion" if decision.is_promoted else "candidate"
        entry["decision"] = decision.reason
        if not decision.is_promoted:
            self._unsaid.append(f"{name}: not promoted: {decision.reason}")
        return decision


def _headline(facts: JsonObject, unit: str) -> str:
    """Return the mean error first; R2 with its 95 % interval after it."""
    test, limits = facts["test_metrics"], facts.get("headline", {})
    text = f"MAE {test['mae']:,.1f} {unit}"
    if "knowable" in limits:
        ratio = test["mae"] / limits["knowable"]["mae"]
        text += f" ({ratio:.2f} of the knowable)"
    low, high = test["interval_95"]["r2"]
    return f"{text}, R2 {test['r2']:.3f} [{low:.3f}, {high:.3f}]"
