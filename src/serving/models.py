"""Where a command's model comes from: a path, or the champion of the registry."""

from __future__ import annotations

from pathlib import Path

from src.serving.predictor import NAME, Predictor
from src.settings import Settings


def load_predictor(path: Path | None, settings: Settings) -> Predictor:
    """Return the model of a path, or where there is none the champion; raises SavedModelError."""
    if path is not None:
        return Predictor.load(path)
    from src.infrastructure.storage.model_registry import ModelRegistry
    from src.orchestration.environment import DemoEnvironment

    with DemoEnvironment(settings, needs_glue=False) as environment:
        champion = ModelRegistry(environment.processed_storage).champion(NAME)
    return Predictor.of_files(champion.files, champion.facts)
