"""What the stages of a training make, in which order, and of which data and settings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from src.errors import ModelError, UsageError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.workflow_owner import WorkflowOwner
from src.reporting.console import Console
from src.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from src.orchestration.sales_training import TrainedSalesModel
    from src.orchestration.sample_predictions import Predictor
    from src.orchestration.training_data import LoadFacts, TimeSplit
    from src.orchestration.venue_training import TrainedVenueModel

Owner = TypeVar("Owner", bound="TrainingResults")
Given = ParamSpec("Given")
Result = TypeVar("Result")
_NO_DATA = "python run_demo_pipeline.py"


def stage(
    method: Callable[Concatenate[Owner, Given], Result],
) -> Callable[Concatenate[Owner, Given], Result]:
    """Give a stage's ModelError a hint that fits the data at hand, where it has none."""

    @functools.wraps(method)
    def run(self: Owner, /, *given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return method(self, *given, **named)
        except ModelError as error:
            error.hint = error.hint or (self.load.hint_for_more() if self.load else _NO_DATA)
            raise

    return run


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
        self.truth: pd.DataFrame | None = None
        self.completed: pd.DataFrame | None = None
        self.split: TimeSplit | None = None
        self.venue_model: TrainedVenueModel | None = None
        self.sales_model: TrainedSalesModel | None = None
        self.versions: dict[str, int] | None = None
        self.predictors: dict[str, Predictor] | None = None
        self._extracted_with: Settings | None = None
        self._unsaid: list[str] = []  # warnings that the console has not shown yet

    def after_stage(self) -> None:
        """Show what a stage warned of."""
        for warning in self._unsaid:
            self.workflow.console.line(f"warning: {warning}")
        self._unsaid.clear()

    def _forget(self, *results: str) -> None:
        """Drop results of later stages: they are of data that is read anew."""
        for name in results:
            setattr(self, name, None)

    def _check_unchanged(self, *, reads_warehouse: bool = False) -> None:
        """Raise UsageError where settings or the warehouse are not those of the first stage."""
        from src.orchestration.training_data import newest_load

        what = ""
        if self.settings != self._extracted_with:
            what = "the settings have changed"
        elif reads_warehouse and newest_load(self.environment) != self.load:
            what = "the warehouse was loaded again"
        if what:
            raise UsageError(
                f"{what} since extract_venue_training_data()",
                hint="call extract_venue_training_data() and what follows it again",
            )
