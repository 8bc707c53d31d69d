"""Models as files that hold data only: skops with an allow-list of this program, and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from src.errors import SavedModelError
from src.json_object import JsonObject
from src.services.arrays import Floats
from src.services.features.feature_catalog import SalesEncoder
from src.services.fitted import fitted
from src.services.modelling.saved_trees import load_trees
from src.services.ticket_sales_prediction_service import (
    FittedSalesModel,
    SalesCalibration,
    TicketSalesPredictionService,
)
from src.services.venue_popularity_service import LAGS, ScoreScale, VenuePopularityService

SCHEMA_VERSION = 2
RETRAIN = "python train_demo_models.py"


def sales_files(service: TicketSalesPredictionService) -> dict[str, bytes]:
    """Return the files of a calibrated sales model."""
    learned, calibration = service.fitted, service.calibration
    encoder = learned.encoder
    state = {
        **_common(service),
        "encoder": {
            "medians": dict(encoder.medians),
            "genres": list(encoder.genres),
            "cities": list(encoder.cities),
            "first_show": encoder.first_show,
            "demand_slope": encoder.demand_slope,
        },
        "features": list(encoder.names),
        "scores": calibration.scores.tolist(),
        "hit_knots": [knots.tolist() for knots in calibration.hit_knots],
        "trained_until": learned.trained_until,
    }
    return {
        "point.skops": _dump(learned.point),
        "difficulty.skops": _dump(learned.difficulty),
        "hit.skops": _dump(learned.hit),
        "state.json": _json(state),
    }


def sales_service(files: dict[str, bytes]) -> TicketSalesPredictionService:
    """Return the service of saved files; raises SavedModelError where they do not fit."""
    with _reading("ticket_sales"):
        state = _state(files, "ticket_sales")
        encoder = _sales_encoder(state["encoder"])
        _check_features("ticket_sales", state, encoder.names)
        scores, knots = _rising(state["scores"], "scores"), _knots(state["hit_knots"])
        columns = len(encoder.names)
        learned = FittedSalesModel(
            encoder,
            load_trees(files, "point.skops", "GradientBoostingRegressor", columns),
            load_trees(files, "difficulty.skops", "HistGradientBoostingRegressor", columns + 2),
            load_trees(files, "hit.skops", "HistGradientBoostingClassifier", columns + 2),
            _moment(state, "trained_until"),
        )
        service = TicketSalesPredictionService(
            _seed(state), _share(state, "coverage"), learned, SalesCalibration(scores, knots)
        )
        (show,) = service.predict([{"capacity": 100, "starts_at": encoder.first_show}])
        _check_answer(show.low, show.tickets, show.high, show.confidence)
        return service


def venue_files(service: VenuePopularityService) -> dict[str, bytes]:
    """Return the files of a calibrated venue model."""
    scale = fitted(service.scale_, "venue", "fit_scale")
    state = {
        **_common(service),
        "scale": {"revenue": scale.revenue, "bookings": scale.bookings},
        "types": list(service.types_),
        "features": list(service.names_),
        "scores": fitted(service.scores_, "venue", "calibrate").tolist(),
        "trained_until": service.trained_until,
    }
    return {"forest.skops": _dump(service.model_), "state.json": _json(state)}


def venue_service(files: dict[str, bytes]) -> VenuePopularityService:
    """Return the service of saved files; raises SavedModelError where they do not fit."""
    with _reading("venue_popularity"):
        state = _state(files, "venue_popularity")
        scale = state["scale"]
        service = VenuePopularityService(
            _seed(state),
            _share(state, "coverage"),
            scale_=ScoreScale(_number(scale["revenue"]), _number(scale["bookings"])),
            types_=_words(state["types"]),
            scores_=_rising(state["scores"], "scores"),
            trained_until_=_moment(state, "trained_until"),
        )
        service.names_ = service.feature_names()
        _check_features("venue_popularity", state, service.names_)
        service.model_ = load_trees(
            files, "forest.skops", "RandomForestRegressor", len(service.names_)
        )
        record = dict.fromkeys((f"score_{lag}" for lag in LAGS), 50.0)
        record.update(dict.fromkeys(service.names_, 1.0), capacity=100.0)
        (venue,) = service.predict([record])
        _check_answer(venue.low, venue.score, venue.high, venue.confidence)
        return service


def _common(service: TicketSalesPredictionService | VenuePopularityService) -> JsonObject:
    return {
        "schema_version": SCHEMA_VERSION,
        "sklearn": sklearn.__version__,
        "random_state": service.random_state,
        "coverage": service.coverage,
    }


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a local copy, each hash verified against its manifest.

    Raises SavedModelError where the folder is no whole version.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        hashes = {str(name): facts["sha256"] for name, facts in manifest["files"].items()}
        files = {name: (folder / name).read_bytes() for name in hashes}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SavedModelError(
            "there is no whole saved model here",
            where=str(folder),
            cause=f"{type(error).__name__}: {str(error)[:200]}",
            hint=RETRAIN,
        ) from error
    for name, body in files.items():
        if hashlib.sha256(body).hexdigest() != hashes[name]:
            raise SavedModelError(
                f"{name} has changed since it was saved", where=str(folder), hint=RETRAIN
            )
    return files


def saved_json(files: dict[str, bytes], model: str, name: str) -> JsonObject:
    """Return a JSON object among a model's files; raises SavedModelError."""
    with _reading(model):
        if name not in files:
            raise ValueError(f"{name} is missing")
        try:
            found = json.loads(files[name])
        except ValueError as error:
            raise ValueError(f"{name} is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise TypeError(f"{name} is no JSON object")
        return found


@contextmanager
def _reading(model: str) -> Iterator[None]:
    """Turn whatever wrong content raises into a SavedModelError that names the model."""
    try:
        yield
    except SavedModelError:
        raise
    except Exception as error:  # content with a right hash can be wrong in any way
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SavedModelError(
            f"the saved {model} model cannot be used",
            where="state.json and the other files of this version",
            cause=f"{type(error).__name__}: {what[:200]}",
            hint=RETRAIN,
        ) from error


def _state(files: dict[str, bytes], model: str) -> JsonObject:
    state = saved_json(files, model, "state.json")
    version = state.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SavedModelError(
            f"the saved {model} model has schema version {version}; "
            f"this program reads {SCHEMA_VERSION}",
            cause="it was saved by an earlier version of this program" if version == 1 else None,
            hint=RETRAIN,
        )
    return state


def _sales_encoder(state: JsonObject) -> SalesEncoder:
    medians = {str(name): _number(value) for name, value in state["medians"].items()}
    encoder = SalesEncoder(
        medians,
        _words(state["genres"]),
        _words(state["cities"]),
        _moment(state, "first_show"),
        _number(state["demand_slope"]),
    )
    absent = [name for name in encoder.numbers if name not in medians]
    if absent:
        raise ValueError(f"no median of {', '.join(absent)}")
    return encoder


def _check_features(model: str, state: JsonObject, names: tuple[str, ...]) -> None:
    if list(names) != state["features"]:
        raise SavedModelError(
            f"the saved {model} model was trained on other features",
            cause=f"{len(state['features'])} then, {len(names)} now",
            hint=RETRAIN,
        )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{value!r:.40} is no finite number")
    return float(value)


def _seed(state: JsonObject) -> int:
    value = state["random_state"]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"random_state is {value!r:.40}, no whole number")
    return value


def _share(state: JsonObject, name: str) -> float:
    value = _number(state[name])
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}, not between 0 and 1")
    return value


def _moment(state: JsonObject, name: str) -> str:
    moment = np.datetime64(str(state[name]), "us")
    if np.isnat(moment):
        raise ValueError(f"no {name}")
    return str(moment)


def _words(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r:.40} is no list of words")
    return tuple(values)


def _rising(values: Any, name: str) -> Floats:
    """Return numbers that never fall, at least one."""
    found = np.array([_number(value) for value in values], dtype=np.float64)
    if len(found) == 0 or (np.diff(found) < 0).any():
        raise ValueError(f"{name} are {len(found)} numbers, not in rising order")
    return found


def _knots(state: Any) -> tuple[Floats, Floats]:
    raw, share = (_rising(values, "hit_knots") for values in state)
    if len(raw) != len(share) or share[0] < 0 or share[-1] > 1:
        raise ValueError("hit_knots are no curve of probabilities")
    return raw, share


def _check_answer(low: float, point: float, high: float, confidence: float) -> None:
    if not (low <= point <= high and 0 <= confidence <= 1):
        raise ValueError(f"a trial predicts {point} in {low} to {high}, confidence {confidence}")


def _dump(estimator: Any) -> bytes:
    from skops.io import dumps

    return bytes(dumps(estimator))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False, sort_keys=True).encode()
