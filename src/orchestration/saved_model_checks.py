"""`--validate-only`: are the saved champions whole, still right, and still about this world?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from src.errors import SavedModelError
from src.infrastructure.model_registry import ModelRegistry, SavedModel
from src.orchestration.sales_training import TrainedSalesModel, judge_sales_model
from src.orchestration.training_data import split_by_time
from src.orchestration.venue_training import judge_venue_model, newest_examples
from src.services import model_files
from src.services.drift import drift
from src.services.model_evaluation_service import ModelEvaluationService

GOLDEN_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ModelCheck:
    """One check of a saved model."""

    name: str
    expected: str
    found: str
    verdict: str  # passed, failed or skipped


def check_sales_champion(
    registry: ModelRegistry,
    concerts: pd.DataFrame,
    truth: pd.DataFrame | None,
    *,
    test_size: float,
    random_state: int,
) -> tuple[SavedModel, dict[str, Any], list[ModelCheck]]:
    """Judge the saved sales model on the current warehouse; trains and writes nothing.

    Raises SavedModelError where it is missing, damaged or of another version.
    """
    saved = registry.champion("ticket_sales")
    service = model_files.sales_service(saved.files)
    golden = json.loads(saved.files["golden.json"])
    again = service.predict_frame(_rows(golden["rows"]))["tickets"].to_numpy()
    worst = float(np.abs(again - np.array(golden["predictions"])).max())
    checks = [
        ModelCheck("golden predictions", f"within {GOLDEN_TOLERANCE}", f"{worst:.2g}",
                   "passed" if worst <= GOLDEN_TOLERANCE else "failed")
    ]  # fmt: skip
    split = split_by_time(concerts, test_size)
    evaluation = ModelEvaluationService(random_state)
    facts, test = judge_sales_model(service, split, truth, evaluation)
    checks += [
        ModelCheck(f"gate: {name}", gate["expected"], f"{gate['found']:.3f}", gate["verdict"])
        for name, gate in facts["gates"].items()
    ]
    checks += _against_baselines(facts)
    assert service.encoder_ is not None
    reference = json.loads(saved.files["reference_profile.json"])
    moved = drift(reference, service.encoder_.matrix(test), service.encoder_.names)
    facts["drift"] = moved
    drifted = [row["feature"] for row in moved["features"] if row["has_drifted"]]
    # Told, not judged: history features and the calendar move by themselves.
    found = ", ".join(drifted[:5]) or moved["verdict"]
    checks.append(ModelCheck("drift since training", "told, not judged", found, "skipped"))
    return saved, facts, checks


def check_venue_champion(
    registry: ModelRegistry, panel: pd.DataFrame, *, test_size: float, random_state: int
) -> tuple[SavedModel, dict[str, Any], list[ModelCheck]]:
    """Judge the saved venue model on the current warehouse; trains and writes nothing."""
    saved = registry.champion("venue_popularity")
    service = model_files.venue_service(saved.files)
    test = newest_examples(service, panel, test_size)
    facts = judge_venue_model(service, test, ModelEvaluationService(random_state))
    facts["rows"] = {"train": 0, "calibration": 0, "test": len(test)}
    return saved, facts, _against_baselines(facts)


def compare_with_champion(
    registry: ModelRegistry, model: TrainedSalesModel, random_state: int
) -> dict[str, Any] | None:
    """Compare a new sales model with the saved champion on the new one's test rows, paired.

    None where there is no champion that this program can read.
    """
    try:
        saved = registry.champion("ticket_sales")
        champion = model_files.sales_service(saved.files)
    except SavedModelError:
        return None
    actual = model.test["tickets_sold"].to_numpy(float)
    found = ModelEvaluationService(random_state).compare(
        actual, model.service.predict_points(model.test), champion.predict_points(model.test)
    )
    return {"version": saved.version, **found}


def _against_baselines(facts: dict[str, Any]) -> list[ModelCheck]:
    return [
        ModelCheck(
            f"against {name}",
            "better",
            found["model_is"]["verdict"],
            "failed" if found["model_is"]["verdict"] == "worse" else "passed",
        )
        for name, found in facts["baselines"].items()
    ]


def _rows(records: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    frame["starts_at"] = pd.to_datetime(frame["starts_at"])
    return frame
