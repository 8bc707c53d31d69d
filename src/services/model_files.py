"""Models as files that hold data only: skops with our own allow-list, and JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from src.errors import SavedModelError
from src.services.feature_catalog import SalesEncoder
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
from src.services.venue_popularity_service import ScoreScale, VenuePopularityService

SCHEMA_VERSION = 1
# Hard-coded on purpose: a list taken from the file would let the file trust itself.
ALLOWED_TYPES = frozenset(
    {
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)


def sales_files(service: TicketSalesPredictionService) -> dict[str, bytes]:
    """Return the files of a calibrated sales model."""
    encoder, knots = service.encoder_, service.hit_knots_
    assert encoder is not None and knots is not None and service.scores_ is not None
    state = {
        "schema_version": SCHEMA_VERSION,
        "sklearn": sklearn.__version__,
        "random_state": service.random_state,
        "coverage": service.coverage,
        "encoder": {
            "medians": dict(encoder.medians),
            "genres": list(encoder.genres),
            "cities": list(encoder.cities),
            "first_show": encoder.first_show,
        },
        "features": list(encoder.names),
        "scores": service.scores_.tolist(),
        "hit_knots": [knots[0].tolist(), knots[1].tolist()],
    }
    return {
        "point.skops": _dump(service.model_),
        "difficulty.skops": _dump(service.difficulty_),
        "hit.skops": _dump(service.hit_),
        "state.json": _json(state),
    }


def sales_service(files: dict[str, bytes]) -> TicketSalesPredictionService:
    """Return the service of saved files; raises SavedModelError where they do not fit."""
    state = _state(files, "ticket_sales")
    encoder = state["encoder"]
    service = TicketSalesPredictionService(
        state["random_state"],
        state["coverage"],
        encoder_=SalesEncoder(
            encoder["medians"],
            tuple(encoder["genres"]),
            tuple(encoder["cities"]),
            encoder["first_show"],
        ),
        model_=_load(files, "point.skops"),
        difficulty_=_load(files, "difficulty.skops"),
        hit_=_load(files, "hit.skops"),
        scores_=np.array(state["scores"]),
        hit_knots_=(np.array(state["hit_knots"][0]), np.array(state["hit_knots"][1])),
    )
    assert service.encoder_ is not None
    if list(service.encoder_.names) != state["features"]:
        raise SavedModelError(
            "the saved ticket_sales model was trained on other features",
            cause=f"{len(state['features'])} then, {len(service.encoder_.names)} now",
            hint="python train_demo_models.py",
        )
    return service


def venue_files(service: VenuePopularityService) -> dict[str, bytes]:
    """Return the files of a calibrated venue model."""
    assert service.scale_ is not None and service.scores_ is not None
    state = {
        "schema_version": SCHEMA_VERSION,
        "sklearn": sklearn.__version__,
        "random_state": service.random_state,
        "coverage": service.coverage,
        "scale": {"revenue": service.scale_.revenue, "bookings": service.scale_.bookings},
        "types": list(service.types_),
        "features": list(service.names_),
        "scores": service.scores_.tolist(),
    }
    return {"forest.skops": _dump(service.model_), "state.json": _json(state)}


def venue_service(files: dict[str, bytes]) -> VenuePopularityService:
    """Return the service of saved files; raises SavedModelError where they do not fit."""
    state = _state(files, "venue_popularity")
    service = VenuePopularityService(
        state["random_state"],
        state["coverage"],
        scale_=ScoreScale(**state["scale"]),
        types_=tuple(state["types"]),
        model_=_load(files, "forest.skops"),
        scores_=np.array(state["scores"]),
    )
    service.names_ = service.feature_names()
    if list(service.names_) != state["features"]:
        raise SavedModelError(
            "the saved venue_popularity model was trained on other features",
            hint="python train_demo_models.py",
        )
    return service


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a local copy, each hash verified against its manifest.

    Raises SavedModelError where the folder is no whole version.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        files = {name: (folder / name).read_bytes() for name in manifest["files"]}
    except (OSError, ValueError, KeyError) as error:
        raise SavedModelError(
            "there is no whole saved model here",
            where=str(folder),
            cause=str(error),
            hint="python train_demo_models.py",
        ) from error
    for name, body in files.items():
        if hashlib.sha256(body).hexdigest() != manifest["files"][name]["sha256"]:
            raise SavedModelError(
                f"{name} has changed since it was saved",
                where=str(folder),
                hint="python train_demo_models.py",
            )
    return files


def _state(files: dict[str, bytes], name: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(files["state.json"])
    if state.get("schema_version") != SCHEMA_VERSION:
        raise SavedModelError(
            f"the saved {name} model has schema version {state.get('schema_version')}; "
            f"this program reads {SCHEMA_VERSION}",
            hint="python train_demo_models.py",
        )
    return state


def _dump(estimator: Any) -> bytes:
    from skops.io import dumps

    return bytes(dumps(estimator))


def _load(files: dict[str, bytes], name: str) -> Any:
    """Load one estimator; types beyond the allow-list and broken trees are refused."""
    from skops.io import get_untrusted_types, loads

    try:
        found = set(get_untrusted_types(data=files[name]))
        strangers = sorted(found - ALLOWED_TYPES)
        if strangers:
            raise SavedModelError(
                f"{name} holds types that are not allowed: {', '.join(strangers)}",
                hint="python train_demo_models.py",
            )
        estimator = loads(files[name], trusted=sorted(found))
    except SavedModelError:
        raise
    except Exception as error:  # whatever a damaged archive raises
        raise SavedModelError(
            f"{name} cannot be read",
            cause=f"{type(error).__name__}: {str(error)[:200]}",
            hint="python train_demo_models.py",
        ) from error
    _check_trees(estimator, name)
    return estimator


def _check_trees(estimator: Any, name: str) -> None:
    """Refuse trees whose child indices lead outside: predicting with them can crash."""
    members = getattr(estimator, "estimators_", None)
    for member in np.ravel(np.array(members, dtype=object)) if members is not None else ():
        tree = member.tree_
        children = np.concatenate([tree.children_left, tree.children_right])
        if children.max(initial=-1) >= tree.node_count or children.min(initial=-1) < -1:
            raise SavedModelError(f"{name} holds a broken tree", hint="python train_demo_models.py")


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False, sort_keys=True).encode()
