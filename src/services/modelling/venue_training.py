"""Trains and judges the venue-popularity model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from src.errors import ModelError
from src.json_object import JsonObject
from src.services.arrays import Floats
from src.services.model_evaluation_service import ModelEvaluationService, metrics
from src.services.venue_popularity_service import (
    HIT_POINTS,
    MIN_QUARTERS,
    VenuePopularityService,
    forecast_baselines,
)


@dataclass
class TrainedVenueModel:
    """The service, its panel, and what was measured."""

    service: VenuePopularityService
    panel: pd.DataFrame
    facts: JsonObject


def finished_panel(quarters: pd.DataFrame, as_of: Any) -> pd.DataFrame:
    """Return the panel of the quarters that are over at the as-of date."""
    moment = pd.Timestamp(as_of) if as_of is not None else pd.to_datetime(quarters["quarter"]).max()
    # A quarter counts once its last day is over; the as-of date may be that day.
    this = (moment + pd.Timedelta(days=1)).to_period("Q").to_timestamp()
    return VenuePopularityService.complete(quarters, last_quarter=this - pd.DateOffset(months=3))


def train_venue_model(
    panel: pd.DataFrame, *, test_size: float, random_state: int, coverage: float
) -> TrainedVenueModel:
    """Fit on early quarters, calibrate on later ones, judge on the last share."""
    service = VenuePopularityService(random_state, coverage)
    quarters = sorted(panel["quarter"].unique())
    n_test = max(round(len(quarters) * test_size), 1)
    n_calibration = max(round(len(quarters) * 0.13), 1)
    first_test = quarters[-n_test - 1]  # the examples of q forecast q + 1
    first_calibration = quarters[-n_test - n_calibration - 1]
    if len(quarters) < MIN_QUARTERS + n_test + n_calibration + 1:
        raise ModelError(
            "too little history for the venue model",
            cause=f"{len(quarters)} finished quarters; --test-size {test_size} needs "
            f"{MIN_QUARTERS + n_test + n_calibration + 1}",
        )
    service.fit_scale(panel[panel["quarter"] <= first_calibration])
    examples = service.examples(panel)
    examples = examples[examples["target"].notna()]
    at = examples["quarter"]
    train = examples[at < first_calibration]
    calibration = examples[(at >= first_calibration) & (at < first_test)]
    test = examples[at >= first_test]
    service.fit(train).calibrate(calibration)
    evaluation = ModelEvaluationService(random_state)
    facts = judge_venue_model(service, train, test, evaluation)
    facts["rows"] = {"train": len(train), "calibration": len(calibration), "test": len(test)}
    facts["train_metrics"] = evaluation.evaluate(
        train["target"].to_numpy(float), service.forecast_points(train)
    )
    return TrainedVenueModel(service, panel, facts)


def newest_examples(
    service: VenuePopularityService, panel: pd.DataFrame, share: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the earlier examples, and those of the last share of quarters, which judge a model."""
    examples = service.examples(panel)
    examples = examples[examples["target"].notna()]
    quarters = sorted(examples["quarter"].unique())
    is_test = examples["quarter"] >= quarters[-max(round(len(quarters) * share), 1)]
    return examples[~is_test], examples[is_test]


def judge_venue_model(
    service: VenuePopularityService,
    earlier: pd.DataFrame,
    test: pd.DataFrame,
    evaluation: ModelEvaluationService,
) -> JsonObject:
    """Return what was measured on the test examples; `earlier` ones give the baselines."""
    actual, forecast = test["target"].to_numpy(float), service.forecast(test)
    point, baselines = forecast["score"].to_numpy(float), forecast_baselines(earlier, test)
    is_booked = test["next_booked"].to_numpy(float) > 0
    return {
        "algorithm": "RandomForestRegressor",
        "target": "next quarter's popularity score, 0 to 100",
        "test_metrics": evaluation.evaluate(actual, point),
        "baselines": evaluation.against_baselines(actual, point, baselines),
        "booked_venues": _among(is_booked, actual, point, baselines, evaluation),
        "intervals": evaluation.calibration(
            actual,
            forecast["low"].to_numpy(),
            forecast["high"].to_numpy(),
            test["capacity"].to_numpy(float),
            service.coverage,
        ),
        "confidence": evaluation.reliability(
            np.abs(actual - point) <= HIT_POINTS, forecast["confidence"].to_numpy()
        ),
    }


def _among(
    rows: npt.NDArray[np.bool_], actual: Floats, point: Floats, baselines: Mapping[str, Floats],
    evaluation: ModelEvaluationService,
) -> JsonObject:  # fmt: skip
    """Return the metrics among venues with a booked show, where the calendar alone tells little."""
    if rows.sum() < 2:
        return {"rows": int(rows.sum())}
    by_count = baselines["mean_by_booked_count"][rows]
    return {
        **metrics(actual[rows], point[rows]),
        "mean_by_booked_count": {
            **metrics(actual[rows], by_count),
            "model_is": evaluation.compare(actual[rows], point[rows], by_count),
        },
    }
