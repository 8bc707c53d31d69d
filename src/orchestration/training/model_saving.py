"""Puts everything a saved version needs beside the model itself, and proves it by loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from src.errors import SavedModelError
from src.infrastructure.storage.model_registry import ModelRegistry, SavedModel
from src.json_object import JsonObject, JsonView
from src.orchestration.training.extraction import LoadFacts
from src.services.features.drift import profile
from src.services.modelling import model_files
from src.services.modelling.model_card import model_card
from src.services.modelling.model_decision import Decision, failed
from src.services.modelling.sales_training import TrainedSalesModel
from src.services.modelling.saved_model_checks import (
    compare_sales,
    compare_venues,
    golden_of,
    loaded_sales,
    loaded_venues,
)
from src.services.modelling.scenarios import Predictor
from src.services.modelling.time_split import TimeSplit
from src.services.modelling.venue_training import TrainedVenueModel


def provenance_of(load: LoadFacts | None, random_state: int, run_id: str) -> JsonObject:
    """Return where a version comes from."""
    return {
        "dataset_id": load.dataset_id if load else None,
        "as_of": str(load.as_of) if load else None,
        "random_state": random_state,
        "run_id": run_id,
    }


def champions(
    registry: ModelRegistry,
    sales: TrainedSalesModel,
    venue: TrainedVenueModel,
    random_state: int,
    provenance: JsonObject,
) -> dict[str, tuple[Any, JsonObject | None]]:
    """Return each model's champion and how the new model compares with it, where there is one."""
    saved = {name: _champion(registry, name) for name in ("ticket_sales", "venue_popularity")}
    found = {
        "ticket_sales": compare_sales(saved["ticket_sales"], sales, random_state),
        "venue_popularity": compare_venues(saved["venue_popularity"], venue, random_state),
    }
    for name, (_, compared) in found.items():
        champion = saved[name]
        if compared is not None and champion is not None:
            compared["is_same_data"] = all(
                champion.facts.get(field) == provenance[field] for field in ("dataset_id", "as_of")
            )
    return found


def _champion(registry: ModelRegistry, name: str) -> SavedModel | None:
    try:
        return registry.champion(name)
    except SavedModelError:
        return None


def save_both(
    registry: ModelRegistry,
    sales: TrainedSalesModel,
    venue: TrainedVenueModel,
    split: TimeSplit,
    provenance: JsonObject,
) -> dict[str, int]:
    """Save both models with card, golden predictions and reference profile; returns versions.

    Each version is read back from the registry and must predict what the model predicted; one
    that does not stays a candidate, and the run ends.
    """
    reference = profile(*sales.rows.train.profile)
    examples = venue.service.examples(venue.panel)
    names = [n for n in examples.columns if not n.startswith("type=") and n != "target"]
    venue_needs = tuple(n for n in names if not n.startswith("next_b") and n != "venue_type")
    bundles = {
        "ticket_sales": (
            model_files.sales_files(sales.service),
            golden_of(split.test, sales.service.predict_frame, ("capacity", "starts_at")),
            sales.facts,
        ),
        "venue_popularity": (
            model_files.venue_files(venue.service),
            golden_of(examples[names].tail(5), venue.service.forecast, venue_needs),
            venue.facts,
        ),
    }
    bundles["ticket_sales"][0]["reference_profile.json"] = _json(reference)
    versions = {}
    for name, (files, golden, facts) in bundles.items():
        files["golden.json"] = _json(golden)
        files["model_card.md"] = model_card(name, facts, provenance).encode()
        manifest = {**provenance, "test_metrics": facts["test_metrics"]}
        versions[name] = registry.save(name, files, manifest)
    _prove(registry, versions)
    return versions


def _prove(registry: ModelRegistry, versions: Mapping[str, int]) -> None:
    for name, load in (("ticket_sales", loaded_sales), ("venue_popularity", loaded_venues)):
        _, checks = load(registry.load(name, versions[name]).files)
        for check in failed(checks):
            raise SavedModelError(
                f"the saved {name} model does not predict what it predicted before it was saved",
                where=registry.uri(name, versions[name]),
                cause=f"{check.name}: expected {check.expected}, found {check.found}",
                hint="python train_demo_models.py",
            )


def promote_or_hold(
    registry: ModelRegistry, versions: Mapping[str, int], decisions: Mapping[str, Decision]
) -> None:
    """Make each version the champion, or leave it a candidate, as decided."""
    for name, version in versions.items():
        decision = decisions[name]
        act = registry.promote if decision.is_promoted else registry.hold
        act(name, version, decision.reason)


def predictors(
    versions: Mapping[str, int],
    decisions: Mapping[str, Decision],
    champions: Mapping[str, tuple[Any, JsonObject | None]],
    services: JsonView,
) -> dict[str, Predictor]:
    """Return which version predicts: the new one, or the champion where that is better.

    A new version that failed its own checks predicts as a candidate.
    """
    found = {}
    for name, version in versions.items():
        champion, compared = champions[name]
        if decisions[name].is_promoted:
            found[name] = Predictor(services[name], version, "champion")
        elif decisions[name].failed or compared is None:
            found[name] = Predictor(services[name], version, "candidate")
        else:
            found[name] = Predictor(champion, compared["version"], "champion")
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
