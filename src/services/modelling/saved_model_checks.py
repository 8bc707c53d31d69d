"""Saved models after loading: integrity, accuracy, drift, and which is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from src.domain.judgement import passed_if
from src.errors import SavedModelError
from src.json_object import JsonObject
from src.services.arrays import Floats
from src.services.features.drift import drift
from src.services.model_evaluation_service import ModelEvaluationService
from src.services.modelling import model_files
from src.services.modelling.model_decision import ModelCheck, model_checks
from src.services.modelling.sales_training import (
    EncodedSplit,
    TrainedSalesModel,
    judge_sales_model,
)
from src.services.modelling.time_split import TimeSplit, split_by_time
from src.services.modelling.venue_training import (
    TrainedVenueModel,
    judge_venue_model,
    newest_examples,
)
from src.services.ticket_sales_prediction_service import PREDICTED, TicketSalesPredictionService
from src.services.venue_popularity_service import FORECAST, VenuePopularityService

Service = TypeVar("Service")
GOLDEN_TOLERANCE = 1e-6
MIN_UNSEEN = 30  # fewer rows judge nothing


class SavedVersion(Protocol):
    """A version of a model as it is stored."""

    @property
    def version(self) -> int:
        """Return its number."""

    @property
    def files(self) -> dict[str, bytes]:
        """Return its files by name."""


def golden_of(
    rows: pd.DataFrame, predict_frame: Callable[[Any], Any], needed: tuple[str, ...]
) -> JsonObject:
    """Return a few rows as plain records, and what the model predicts for them.

    Beside real rows there is one that holds only what a prediction needs.
    """
    few = rows.head(5).copy()
    for name in few.columns:
        if pd.api.types.is_datetime64_any_dtype(few[name]):
            few[name] = few[name].astype(str)
    records = few.astype(object).where(few.notna(), None).to_dict("records")
    plain = [{name: _plain(value) for name, value in record.items()} for record in records]
    plain.append({name: value if name in needed else None for name, value in plain[-1].items()})
    predicted = predict_frame(pd.DataFrame(plain))
    first, *more = predicted.columns
    return {
        "rows": plain,
        "predictions": predicted[first].tolist(),
        **{name: predicted[name].tolist() for name in more},
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def golden_checks(
    files: dict[str, bytes],
    model: str,
    predict: Callable[[Any], Any],
    predict_frame: Callable[[Any], Any],
    names: tuple[str, ...],
) -> list[ModelCheck]:
    """Compare a loaded model with its predictions when it was saved, as records and as rows."""
    golden = model_files.saved_json(files, model, "golden.json")
    try:
        rows = golden["rows"]
        columns = {names[0]: golden["predictions"]}
        columns.update({name: golden[name] for name in names[1:] if name in golden})
        saved = np.array(list(columns.values()), dtype=np.float64).T
        records = np.array([[getattr(one, n) for n in columns] for one in predict(rows)])
        frame = predict_frame(pd.DataFrame(rows))[list(columns)].to_numpy(np.float64)
        worst = float(np.abs(frame - saved).max())
        is_equal = bool(saved.size) and records.tobytes() == frame.tobytes()
    except Exception as error:  # content with a right hash can be wrong in any way
        raise SavedModelError(
            f"the golden predictions of {model} cannot be used",
            where="golden.json",
            cause=f"{type(error).__name__}: {str(error)[:200]}",
            hint="python train_demo_models.py",
        ) from error
    found = "equal" if is_equal else f"differ by {np.abs(records - frame).max():.2g}"
    return [
        _judged("golden predictions", f"within {GOLDEN_TOLERANCE}", f"{worst:.2g}",
                worst <= GOLDEN_TOLERANCE),
        _judged("golden records as rows", "equal", found, is_equal),
    ]  # fmt: skip


def _judged(name: str, expected: str, found: str, holds: bool) -> ModelCheck:
    return ModelCheck(name, expected, found, passed_if(holds))


def loaded_sales(
    files: dict[str, bytes],
) -> tuple[TicketSalesPredictionService, list[ModelCheck]]:
    """Return the service of a saved sales model, and its golden checks."""
    service = model_files.sales_service(files)
    checks = golden_checks(files, "ticket_sales", service.predict, service.predict_frame, PREDICTED)
    return service, checks


def loaded_venues(files: dict[str, bytes]) -> tuple[VenuePopularityService, list[ModelCheck]]:
    """Return the service of a saved venue model, and its golden checks."""
    service = model_files.venue_service(files)
    checks = golden_checks(files, "venue_popularity", service.predict, service.forecast, FORECAST)
    return service, checks


def check_sales_champion(
    files: dict[str, bytes],
    concerts: pd.DataFrame,
    truth: pd.DataFrame | None,
    *,
    test_size: float,
    random_state: int,
) -> tuple[JsonObject, list[ModelCheck]]:
    """Judge the saved sales model on the current warehouse; trains and writes nothing.

    Only concerts that it has not learned from judge it. Raises SavedModelError where it is
    damaged or of another version.
    """
    service, checks = loaded_sales(files)
    reference = model_files.saved_json(files, "ticket_sales", "reference_profile.json")
    split = split_by_time(concerts, test_size)
    unseen = split.test[_is_later(split.test["starts_at"], service.trained_until)]
    seen, split = len(split.test) - len(unseen), _judged_on(split, unseen)
    service.remember(concerts)
    rows = EncodedSplit.of(split, service.encode)
    evaluation = ModelEvaluationService(random_state)
    facts, _ = judge_sales_model(service, split, rows, truth, evaluation)
    is_unseen = len(unseen) >= MIN_UNSEEN
    checks.append(_unseen(len(unseen), seen, is_unseen))
    checks += model_checks(facts, service.coverage, is_unseen=is_unseen)
    moved = drift(reference, *rows.test.profile)
    facts["drift"] = moved
    drifted = [row["feature"] for row in moved["features"] if row["has_drifted"]]
    # Reported only: history features and the calendar always move.
    found = ", ".join(drifted[:5]) or moved["verdict"]
    checks.append(ModelCheck("drift since training", "reported only", found, "skipped"))
    return facts, checks


def check_venue_champion(
    files: dict[str, bytes], panel: pd.DataFrame, *, test_size: float, random_state: int
) -> tuple[JsonObject, list[ModelCheck]]:
    """Judge the saved venue model on the current warehouse; trains and writes nothing."""
    service, checks = loaded_venues(files)
    earlier, test = newest_examples(service, panel, test_size)
    unseen = test[_is_later(test["quarter"], service.trained_until)]
    is_unseen = len(unseen) >= MIN_UNSEEN
    checks.append(_unseen(len(unseen), len(test) - len(unseen), is_unseen))
    test = unseen if is_unseen else test
    facts = judge_venue_model(service, earlier, test, ModelEvaluationService(random_state))
    facts["rows"] = {"train": 0, "calibration": 0, "test": len(test)}
    return facts, checks + model_checks(facts, service.coverage, is_unseen=is_unseen)


def _judged_on(split: TimeSplit, unseen: pd.DataFrame) -> TimeSplit:
    """Return the split with the unseen rows to test; with all where they are too few."""
    return TimeSplit(split.train, split.calibration,
                     unseen if len(unseen) >= MIN_UNSEEN else split.test)  # fmt: skip


def _unseen(unseen: int, seen: int, is_enough: bool) -> ModelCheck:
    found = f"{unseen:,} of {unseen + seen:,}"
    return ModelCheck("rows the model has not seen", f">= {MIN_UNSEEN}", found,
                      "passed" if is_enough else "skipped")  # fmt: skip


def _is_later(moments: pd.Series, until: str) -> npt.NDArray[np.bool_]:
    """Tell which rows are newer than all that a model learned from."""
    return np.asarray(pd.to_datetime(moments) > pd.Timestamp(until))


def compare_sales(
    saved: SavedVersion | None, model: TrainedSalesModel, random_state: int
) -> tuple[TicketSalesPredictionService | None, JsonObject | None]:
    """Compare a new sales model with the champion on test rows that are new to both, paired.

    Returns the champion's service and the comparison; None, None where there is no champion that
    this program can read.
    """
    champion = _read(saved, model_files.sales_service)
    if saved is None or champion is None:
        return None, None
    champion.remember(model.finished)
    is_new = _is_later(model.test["starts_at"], champion.trained_until)
    return champion, _compared(
        saved.version,
        model.rows.test.sold[is_new],
        lambda: (
            model.service.predict_points(model.rows.test)[is_new],
            champion.predict_points(model.test[is_new]),
        ),
        random_state,
    )


def compare_venues(
    saved: SavedVersion | None, model: TrainedVenueModel, random_state: int
) -> tuple[VenuePopularityService | None, JsonObject | None]:
    """Compare a new venue model with the champion, as `compare_sales` does.

    Their scales differ with what they learned from: the new model's score is what is forecast.
    """
    champion = _read(saved, model_files.venue_service)
    if saved is None or champion is None:
        return None, None
    examples = model.service.examples(model.panel)
    until = max(model.service.trained_until, champion.trained_until, key=pd.Timestamp)
    is_new = examples["target"].notna() & _is_later(examples["quarter"], until)
    rows, other = examples[is_new], champion.examples(model.panel)[is_new]
    return champion, _compared(
        saved.version,
        rows["target"].to_numpy(float),
        lambda: (model.service.forecast_points(rows), champion.forecast_points(other)),
        random_state,
    )


def _read(
    saved: SavedVersion | None, load: Callable[[dict[str, bytes]], Service]
) -> Service | None:
    """Return a version's service, or None where this program cannot read it."""
    try:
        return None if saved is None else load(saved.files)
    except SavedModelError:
        return None


def _compared(
    version: int,
    actual: Floats,
    predict: Callable[[], tuple[Floats, Floats]],
    random_state: int,
) -> JsonObject:
    found: JsonObject = {"version": version, "rows": len(actual)}
    if len(actual) < MIN_UNSEEN:
        return {**found, "verdict": "not compared"}
    candidate, reference = predict()
    compared = ModelEvaluationService(random_state).compare(actual, candidate, reference)
    return {**found, **compared}
