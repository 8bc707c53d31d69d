"""Where a command's model comes from: a path, or the champion of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src.serving.predictor import NAME, Predictor
from src.settings import Settings

if TYPE_CHECKING:
    from src.orchestration.environment import DemoEnvironment


def load_predictor(path: Path | None, settings: Settings) -> Predictor:
    """Return the model of a path, or where there is none the champion; raises SavedModelError."""
    if path is not None:
        return Predictor.load(path)
    from src.orchestration.environment import DemoEnvironment

    with DemoEnvironment(settings, needs_glue=False) as environment:
        return champion(environment)


def champion(environment: DemoEnvironment) -> Predictor:
    """Return the champion of the registry; raises SavedModelError where there is none."""
    from src.infrastructure.storage.model_registry import ModelRegistry

    found = ModelRegistry(environment.processed_storage).champion(NAME)
    return Predictor.of_files(found.files, found.facts)
