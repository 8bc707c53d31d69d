"""Training only where there is a reason: `train_demo_models.py --if-needed`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from src.errors import SavedModelError
from src.orchestration.staged_workflow import stage
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.orchestration.training.training_results import needed
from src.orchestration.workflow import Stage, StepOutcome
from src.reporting.terminal.console import StageProgress

if TYPE_CHECKING:
    from src.infrastructure.storage.model_registry import SavedModel
    from src.services.modelling.retraining_need import Need

_DATA = ("venue_data", "venue_features", "sales_data", "sales_features")


class RetrainingTrainer(DemoModelTrainer):
    """A trainer with one stage more: it looks whether the champion still serves."""

    need: Need | None = None

    def stages(self) -> list[Stage]:
        """Return the stages; those after the need are skipped where there is none."""
        every = super().stages()
        data = [one for one in every if one.key in _DATA]
        rest = [replace(one, run=self._if_needed(one.run)) for one in every if one not in data]
        look = Stage("retraining_need", self.assess_retraining_need)
        return [*data, look, *rest]

    @stage("retraining_need")
    def assess_retraining_need(self, progress: StageProgress | None = None) -> StepOutcome:
        """Compare the champion with the concerts that are over since it was trained."""
        from src.services.modelling.retraining_need import retraining_need

        completed = needed(self.completed, "prepare_ticket_sales_features")
        saved = self._saved_champion()
        self.need = retraining_need(saved, saved.facts if saved else {}, completed, self.until)
        facts = {"is_needed": self.need.is_needed, "reason": self.need.text,
                 "reasons": self.need.reasons, **self.need.facts}  # fmt: skip
        return StepOutcome("success", self.need.text, facts)

    def _saved_champion(self) -> SavedModel | None:
        try:
            return self._registry().champion("ticket_sales")
        except SavedModelError:
            return None  # none, or one that cannot be read: both are reasons

    def _if_needed(
        self, run: Callable[[StageProgress], StepOutcome]
    ) -> Callable[[StageProgress], StepOutcome]:
        def skip_or_run(progress: StageProgress) -> StepOutcome:
            if needed(self.need, "assess_retraining_need").is_needed:
                return run(progress)
            return StepOutcome("skipped", "no retraining needed")

        return skip_or_run
