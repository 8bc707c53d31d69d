"""Going back to an earlier version of the models: verified first, then made the champion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.arguments import did_you_mean
from src.errors import SavedModelError, UsageError
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.staged_workflow import WorkflowOwner, stage
from src.orchestration.training.registered_models import MODELS
from src.orchestration.workflow import Stage, StepOutcome
from src.reporting.terminal.console import Console, StageProgress
from src.settings import Settings

if TYPE_CHECKING:
    from src.infrastructure.storage.model_registry import AliasEntry, ModelRegistry

PREVIOUS = "previous"  # in place of a version: the champion before this one
_NEAR = 3
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Step:
    """What becomes of one model: from which version to which."""

    name: str
    version: int
    target: int
    was_champion: bool

    @property
    def is_change(self) -> bool:
        """Tell whether another version becomes the champion."""
        return self.version != self.target

    def as_facts(self) -> JsonObject:
        """Return the step as the report has it."""
        return {"from_version": self.version, "to_version": self.target,
                "is_changed": self.is_change, "was_champion": self.was_champion}  # fmt: skip


class ModelRollback(WorkflowOwner):
    """Makes earlier versions the champions again, and nothing else: no training, no predictions.

    `wanted` is previous, VERSION, or MODEL:VERSION.
    """

    def __init__(self, settings: Settings, wanted: str, console: Console | None = None) -> None:
        environment = DemoEnvironment(settings, needs_glue=False)
        super().__init__("training", settings, console, environment)
        self.wanted = wanted
        self._steps: list[Step] = []

    def run(self) -> JsonObject:
        """Roll back, and return the report; raises UsageError for a model that does not exist."""
        _model_of(self.wanted)  # before a server starts
        header = f"Concert models  run {self.workflow.run_id}  target {self.settings.target}"
        return self.run_stages(self.stages(), f"{header}  rollback")

    def stages(self) -> list[Stage]:
        """Return the only stage."""
        return [Stage("rollback", self.roll_back_models)]

    def report_facts(self) -> JsonObject:
        """Return what a report of the training script has, and that nothing was trained."""
        return {"mode": "rollback", "dataset": None, "has_ground_truth": False, "models": {},
                "sample_predictions": [], "plots": []}  # fmt: skip

    def after_stage(self) -> None:
        """Show which version had not been a champion."""
        for step in self._steps:
            if not step.was_champion:
                text = f"{step.name}: version {step.target} had not been the champion before"
                self.workflow.console.line(f"warning: {text}")

    @stage("rollback")
    def roll_back_models(self, progress: StageProgress | None = None) -> StepOutcome:
        """Verify the versions first, then make them the champions."""
        from src.infrastructure.storage.model_registry import ModelRegistry

        storage = self.environment.processed_storage
        registry = ModelRegistry(storage, run_id=self.workflow.run_id)
        self._steps = planned(registry, self.wanted)
        verify(registry, self._steps)
        words = roll_back(registry, self._steps, "rolled back")
        facts = {"models": {step.name: step.as_facts() for step in self._steps}}
        return StepOutcome("success", "; ".join(words), facts)


def planned(registry: ModelRegistry, wanted: str) -> list[Step]:
    """Return the step of each model that `wanted` concerns: previous, VERSION or MODEL:VERSION.

    Raises UsageError for a version that does not exist, and where there is nothing to go back to.
    """
    name, version = _model_of(wanted)
    names = [name] if name else list(MODELS)
    histories = {each: registry.champions(each) for each in names}
    histories = {each: found for each, found in histories.items() if found}
    if not histories:
        raise SavedModelError(
            "there is no champion to roll back from",
            where=registry.uri(names[0], 1),
            hint="python train_demo_models.py",
        )
    if version == PREVIOUS:
        return _previous(histories)
    return [_to(registry, each, version, found) for each, found in histories.items()]


def _model_of(wanted: str) -> tuple[str, str]:
    """Return the model, "" for both, and the version that are wanted."""
    name, _, version = wanted.rpartition(":")
    if name and name not in MODELS:
        raise UsageError(
            f"--rollback {wanted}: there is no model {name}",
            cause=did_you_mean(name, MODELS),
            hint=f"one of {', '.join(MODELS)}",
        )
    return name, version


def _previous(histories: dict[str, list[AliasEntry]]) -> list[Step]:
    """Return the steps to the newest champion older than the present one."""
    steps = []
    for name, entries in histories.items():
        now = entries[0].version
        older = [entry.version for entry in entries if entry.version < now]
        steps.append(Step(name, now, max(older, default=now), True))
    if not any(step.is_change for step in steps):
        versions = ", ".join(f"{step.name} v{step.version}" for step in steps)
        raise UsageError(
            f"no earlier version has been the champion: {versions}",
            hint="name a version: python train_demo_models.py --rollback VERSION",
        )
    return steps


def _to(registry: ModelRegistry, name: str, wanted: str, entries: list[AliasEntry]) -> Step:
    known = registry.versions(name)
    target = int(wanted) if wanted.isascii() and wanted.isdigit() else -1
    if target not in known:
        near = sorted(known, key=lambda one: (abs(one - target) if target >= 0 else 0, -one))
        raise UsageError(
            f"there is no version {wanted} of {name}",
            where=registry.uri(name, known[-1]),
            cause=f"near ones: {', '.join(map(str, sorted(near[:_NEAR])))}; "
            f"the champion is {entries[0].version}",
            hint=f"python train_demo_models.py --rollback {near[0]}",
        )
    was_champion = target in [entry.version for entry in entries]
    return Step(name, entries[0].version, target, was_champion)


def verify(registry: ModelRegistry, steps: list[Step]) -> None:
    """Load every target: whole, readable, and predicting as when it was saved; else raise.

    Its golden rows go through the path of records, which imports neither pandas nor scikit-learn.
    """
    from src.services import ticket_sales_prediction_service as sales
    from src.services import venue_popularity_service as venues
    from src.services.modelling import model_files

    loaders: dict[str, tuple[Callable[[dict[str, bytes]], Any], tuple[str, ...]]] = {
        "ticket_sales": (model_files.sales_service, sales.PREDICTED),
        "venue_popularity": (model_files.venue_service, venues.FORECAST),
    }
    for step in steps:
        if not step.is_change:
            continue
        files = registry.load(step.name, step.target).files
        load, names = loaders[step.name]
        golden = model_files.saved_json(files, step.name, "golden.json")
        worst = _difference(load(files).predict, golden, names)
        if not worst <= _TOLERANCE:
            raise SavedModelError(
                f"version {step.target} of {step.name} does not predict as when it was saved",
                where=registry.uri(step.name, step.target),
                cause=f"golden predictions: they differ by {worst:.2g}",
                hint="python train_demo_models.py --rollback, with another version",
            )


def _difference(predict: Callable[[Any], Any], golden: JsonObject, names: tuple[str, ...]) -> float:
    """Return the largest difference from the golden predictions; infinity for unusable ones."""
    try:
        columns = {names[0]: golden["predictions"]}
        columns.update({name: golden[name] for name in names[1:] if name in golden})
        rows = list(predict(golden["rows"]))
        return max(
            abs(float(getattr(row, name)) - float(saved))
            for name, values in columns.items()
            for row, saved in zip(rows, values, strict=True)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return float("inf")  # content with a right hash can be wrong in any way


def roll_back(registry: ModelRegistry, steps: list[Step], reason: str) -> list[str]:
    """Make the targets champions; returns a few words on each model."""
    words = []
    for step in steps:
        if step.is_change:
            registry.roll_back(step.name, step.target, f"{reason} from version {step.version}")
            words.append(f"{step.name} v{step.version} -> v{step.target}")
        else:
            words.append(f"{step.name} stays v{step.version}")
    return words
