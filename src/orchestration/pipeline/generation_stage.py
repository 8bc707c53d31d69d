"""Generates the raw data set: in processes of this machine, or on the workers of a Glue job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from src.domain.bucket_layout import GENERATED_NAME
from src.domain.dataset import DatasetManifest, manifest_from_dict
from src.orchestration.environment import DemoEnvironment
from src.services.generation.concert_world import WorldSize
from src.services.generation.later_days import WorldClock, world_at
from src.services.generation.parts import cores
from src.services.generation.recipe import Recipe
from src.services.synthetic_data_generator import OnRows, SyntheticDataGenerator
from src.settings import Settings
from src.settings.values import day_of

_TRIED_CONCERTS = 1_000_000  # more take longer than a command should: the job itself refuses them


def generated(
    environment: DemoEnvironment,
    settings: Settings,
    dataset_id: str,
    on_rows: OnRows | None,
    note: Callable[[str], None],
) -> DatasetManifest:
    """Make and store all files of a data set but its manifest, which is returned."""
    recipe = recipe_of(settings)
    if settings.generate_on == "glue":
        return _on_glue(environment, recipe, dataset_id, note)
    generator = SyntheticDataGenerator(
        recipe.size, seed=recipe.seed, defect_rate=recipe.defect_rate, clock=recipe.clock
    )
    sink = environment.raw_datasets.sink(dataset_id)
    workers = settings.workers or cores()
    return generator.export(sink, recipe.raw_format, dataset_id, on_rows, workers=workers)


def recipe_of(settings: Settings) -> Recipe:
    """Return what decides the bytes of the data set that these settings ask for."""
    s = settings
    size = WorldSize(s.artists, s.venues, s.concerts, s.sales)
    clock = WorldClock(day_of(s.as_of), day_of(s.since))
    return Recipe(size, s.seed, s.defect_rate, s.raw_format, clock)


def _on_glue(
    environment: DemoEnvironment, recipe: Recipe, dataset_id: str, note: Callable[[str], None]
) -> DatasetManifest:
    """Run the generation job; raises EtlError where it does not succeed.

    Raises UsageError for sales that the concerts cannot carry, before a job costs anything.
    """
    if recipe.size.concerts <= _TRIED_CONCERTS:
        world_at(recipe.size, recipe.seed, recipe.clock)
    datasets, job = environment.raw_datasets, environment.generation_job
    prefix = datasets.prefix(dataset_id)
    environment.generation_glue.ensure_job(job)
    environment.generation_glue.run(
        job.name,
        {"--recipe": recipe.as_text(), "--output": datasets.storage.uri(prefix)},
        on_state=lambda job_run, state: note(f"{job_run} {state}"),
    )
    left = json.loads(datasets.storage.get(prefix + GENERATED_NAME))
    return replace(manifest_from_dict(left), dataset_id=dataset_id)
