"""Models as files that hold data only: skops with an allow-list of this program, and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import SavedModelError
from src.json_object import JsonObject
from src.services.arrays import Array
from src.services.demand.booking_curve import COLUMNS, HORIZONS, BookingCurve
from src.services.demand.censored_demand import CensoredDemand
from src.services.demand.flat_trees import FlatTrees
from src.services.demand.linear_demand import LinearDemand
from src.services.demand.sales_distribution import OddsLine
from src.services.features.sales_encoder import OWNERS, WORDS, SalesEncoder
from src.services.fitted import fitted
from src.services.modelling import saved_histories, saved_values
from src.services.modelling.saved_trees import arrays_of, checked_skops, npz
from src.services.ticket_sales_prediction_service import (
    SalesCalibration,
    TicketSalesPredictionService,
)
from src.services.venue_popularity_service import LAGS, ScoreScale, VenuePopularityService

SCHEMA_VERSION = 4
RETRAIN = "python train_demo_models.py"


def sales_files(service: TicketSalesPredictionService) -> dict[str, bytes]:
    """Return the files of a calibrated sales model."""
    model, calibration = service.fitted, service.calibration
    encoder = model.encoder
    state = {
        **_common(service),
        "encoder": {
            "medians": dict(encoder.medians),
            "words": {name: list(words) for name, words in encoder.words.items()},
            "first_show": encoder.first_show,
        },
        "linear": {
            "intercept": model.linear.intercept,
            "slopes": dict(model.linear.slopes),
            "effects": {name: found.tolist() for name, found in model.linear.effects.items()},
            "sd": model.linear.sd,
        },
        "earlier": {name: saved_histories.state_of(one) for name, one in model.earlier.items()},
        "features": list(model.names),
        "widths": {
            "sd": calibration.sd,
            "power": calibration.width_power,
            "center": calibration.width_center,
        },
        "scores": calibration.scores.tolist(),
        "hit_line": {"shift": calibration.hit_line.shift, "slope": calibration.hit_line.slope},
        "trained_until": service.trained_until,
    }
    arrays = {**model.trees.arrays("trees"), **model.widths.arrays("widths")}
    for name, one in model.earlier.items():
        arrays.update(saved_histories.arrays_of(one, name))
    files, pace = {}, service.pace_
    if pace is not None:
        state["pace"] = {"sds": pace.sds.tolist(), "scores": pace.scores.tolist()}
        arrays.update(pace.trees.arrays("pace"))
        files["pace.skops"] = checked_skops({"pace": pace.estimator}, "pace", pace.trees)
    return {
        **files,
        "trees.skops": checked_skops(model.estimators, "trees", model.trees),
        "widths.skops": checked_skops(model.estimators, "widths", model.widths),
        "model.npz": npz(arrays),
        "state.json": _json(state),
    }


def sales_service(files: dict[str, bytes]) -> TicketSalesPredictionService:
    """Return the service of saved files; raises SavedModelError where they do not fit.

    It reads state.json and model.npz, and predicts with numpy alone.
    """
    with _reading("ticket_sales"):
        state = _state(files, "ticket_sales")
        encoder = _sales_encoder(state["encoder"])
        arrays = arrays_of(files)
        columns = len(state["features"])
        model = CensoredDemand(
            encoder,
            _linear(state["linear"], encoder),
            {name: saved_histories.history(state["earlier"][name], arrays, name)
             for name in OWNERS},
            FlatTrees.of_arrays(arrays, "trees", columns),
            FlatTrees.of_arrays(arrays, "widths", columns),
            {},
        )  # fmt: skip
        _check_features("ticket_sales", state, model.names)
        sd, power, center = (
            saved_values.number(state["widths"][n]) for n in ("sd", "power", "center")
        )
        if not (sd > 0 and 0 <= power <= 1):
            raise ValueError(f"widths: an sd of {sd}, a power of {power}")
        scores, line = saved_values.rising(state["scores"], "scores"), _line(state["hit_line"])
        service = TicketSalesPredictionService(
            saved_values.seed(state), saved_values.share(state, "coverage"), model,
            SalesCalibration(sd, power, center, scores, line),
            saved_values.moment(state, "trained_until"), _pace(state.get("pace"), arrays),
        )  # fmt: skip
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
    forest, widths = (fitted(one, "venue", "fit") for one in (service.forest_, service.widths_))
    return {
        "forest.skops": checked_skops(service.estimators_, "forest", forest),
        "widths.skops": checked_skops(service.estimators_, "widths", widths),
        "model.npz": npz({**forest.arrays("forest"), **widths.arrays("widths")}),
        "state.json": _json(state),
    }


def venue_service(files: dict[str, bytes]) -> VenuePopularityService:
    """Return the service of saved files; raises SavedModelError where they do not fit."""
    with _reading("venue_popularity"):
        state = _state(files, "venue_popularity")
        scale = state["scale"]
        service = VenuePopularityService(
            saved_values.seed(state),
            saved_values.share(state, "coverage"),
            scale_=ScoreScale(
                saved_values.number(scale["revenue"]), saved_values.number(scale["bookings"])
            ),
            types_=saved_values.words(state["types"]),
            scores_=saved_values.rising(state["scores"], "scores"),
            trained_until_=saved_values.moment(state, "trained_until"),
        )
        service.names_ = service.feature_names()
        _check_features("venue_popularity", state, service.names_)
        arrays, columns = arrays_of(files), len(service.names_)
        service.forest_ = FlatTrees.of_arrays(arrays, "forest", columns)
        service.widths_ = FlatTrees.of_arrays(arrays, "widths", columns)
        record = dict.fromkeys((f"score_{lag}" for lag in LAGS), 50.0)
        record.update(dict.fromkeys(service.names_, 1.0), capacity=100.0)
        (venue,) = service.predict([record])
        _check_answer(venue.low, venue.score, venue.high, venue.confidence)
        return service


def _common(service: TicketSalesPredictionService | VenuePopularityService) -> JsonObject:
    from importlib.metadata import version

    return {
        "schema_version": SCHEMA_VERSION,
        "sklearn": version("scikit-learn"),
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
            cause="it was saved by an earlier version of this program"
            if version in range(1, SCHEMA_VERSION)
            else None,
            hint=RETRAIN,
        )
    return state


def _sales_encoder(state: JsonObject) -> SalesEncoder:
    medians = {str(name): saved_values.number(value) for name, value in state["medians"].items()}
    words = {name: saved_values.words(state["words"][name]) for name in WORDS}
    encoder = SalesEncoder(medians, words, saved_values.moment(state, "first_show"))
    absent = [name for name in (*encoder.numbers, "lead_days") if name not in medians]
    if absent:
        raise ValueError(f"no median of {', '.join(absent)}")
    return encoder


def _linear(state: JsonObject, encoder: SalesEncoder) -> LinearDemand:
    slopes = {name: saved_values.number(state["slopes"][name]) for name in encoder.numbers}
    effects = {
        name: np.array([saved_values.number(value) for value in state["effects"][name]])
        for name in encoder.sizes
    }
    wrong = [name for name, size in encoder.sizes.items() if len(effects[name]) != size + 1]
    if wrong:
        raise ValueError(f"not one effect for each of {', '.join(wrong)}")
    return LinearDemand(
        saved_values.number(state["intercept"]), slopes, effects, saved_values.number(state["sd"])
    )


def _pace(state: JsonObject | None, arrays: Mapping[str, Array]) -> BookingCurve | None:
    if state is None:
        return None
    sds = np.array([saved_values.number(value) for value in state["sds"]])
    if len(sds) != len(HORIZONS) or not (sds > 0).all():
        raise ValueError(f"pace: not one width for each of {len(HORIZONS)} horizons")
    trees = FlatTrees.of_arrays(arrays, "pace", COLUMNS)
    return BookingCurve(trees, sds, saved_values.rising(state["scores"], "scores"))


def _check_features(model: str, state: JsonObject, names: tuple[str, ...]) -> None:
    if list(names) != state["features"]:
        raise SavedModelError(
            f"the saved {model} model was trained on other features",
            cause=f"{len(state['features'])} then, {len(names)} now",
            hint=RETRAIN,
        )


def _line(state: JsonObject) -> OddsLine:
    line = OddsLine(saved_values.number(state["shift"]), saved_values.number(state["slope"]))
    if line.slope < 0:
        raise ValueError("hit_line falls: a more probable hit is no less sure")
    return line


def _check_answer(low: float, point: float, high: float, confidence: float) -> None:
    if not (low <= point <= high and 0 <= confidence <= 1):
        raise ValueError(f"a trial predicts {point} in {low} to {high}, confidence {confidence}")


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False, sort_keys=True).encode()
