"""Puts everything a saved version needs beside the model itself."""

from __future__ import annotations

import json
from typing import Any

from src.infrastructure.model_registry import ModelRegistry
from src.orchestration.sales_training import TrainedSalesModel
from src.orchestration.sample_predictions import golden_rows
from src.orchestration.training_data import LoadFacts, TimeSplit
from src.orchestration.venue_training import TrainedVenueModel
from src.services import model_files
from src.services.drift import profile
from src.services.model_card import model_card


def provenance_of(load: LoadFacts | None, random_state: int, run_id: str) -> dict[str, Any]:
    """Return where a version comes from."""
    return {
        "dataset_id": load.dataset_id if load else None,
        "as_of": str(load.as_of) if load else None,
        "random_state": random_state,
        "run_id": run_id,
    }


def save_both(
    registry: ModelRegistry,
    sales: TrainedSalesModel,
    venue: TrainedVenueModel,
    split: TimeSplit,
    provenance: dict[str, Any],
) -> dict[str, int]:
    """Save both models with card, golden predictions and reference profile; returns versions."""
    encoder = sales.service.encoder_
    assert encoder is not None
    golden = golden_rows(split.test, sales.test["tickets"].to_numpy())
    reference = profile(encoder.matrix(split.train), encoder.names)
    bundles = {
        "ticket_sales": (
            {
                **model_files.sales_files(sales.service),
                "golden.json": json.dumps(golden).encode(),
                "reference_profile.json": json.dumps(reference).encode(),
            },
            sales.facts,
        ),
        "venue_popularity": (model_files.venue_files(venue.service), venue.facts),
    }
    versions = {}
    for name, (files, facts) in bundles.items():
        files["model_card.md"] = model_card(name, facts, provenance).encode()
        said = {**provenance, "test_metrics": facts["test_metrics"]}
        versions[name] = registry.save(name, files, said)
    return versions
