"""Trees in files: flat arrays, which predict; and skops, to be opened in scikit-learn."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from src.errors import SavedModelError, UsageError
from src.services.arrays import Array
from src.services.demand.flat_trees import FlatTrees

RETRAIN = "python train_demo_models.py"
# Hard-coded on purpose: a list taken from the file would let the file trust itself.
ALLOWED_TYPES = frozenset({"sklearn.tree._tree.Tree"})
_CHECKED_ROWS = 2_000


def npz(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays as one compressed file; the same arrays give the same bytes."""
    body = io.BytesIO()
    np.savez_compressed(body, **arrays)  # type: ignore[arg-type]
    return body.getvalue()


def arrays_of(files: Mapping[str, bytes]) -> dict[str, Array]:
    """Return the arrays of model.npz; raises ValueError for anything but plain arrays."""
    with np.load(io.BytesIO(files["model.npz"]), allow_pickle=False) as found:
        return dict(found)


def checked_skops(estimators: Mapping[str, Any], name: str, flat: FlatTrees) -> bytes:
    """Return scikit-learn's estimator as a file, once its flat trees predict the same bits.

    Raises SavedModelError where they do not, and UsageError for a model that was loaded.
    """
    from zipfile import ZIP_DEFLATED

    from skops.io import dumps

    if name not in estimators:
        raise UsageError("a loaded model is in files already", hint="save a model that was fitted")
    check_equal(estimators[name], name, flat)
    return bytes(dumps(estimators[name], compression=ZIP_DEFLATED))


def check_equal(estimator: Any, name: str, flat: FlatTrees) -> None:
    """Raise SavedModelError where flat trees differ in a bit from scikit-learn's on random rows."""
    rng = np.random.default_rng(0)
    rows = np.empty((_CHECKED_ROWS, estimator.n_features_in_))
    for column in range(rows.shape[1]):  # near the thresholds, where rows go left or right
        edges = np.append(flat.threshold[flat.column == column], 0.0)
        rows[:, column] = rng.choice(edges, len(rows)) + rng.choice([-1, 0, 0, 1], len(rows))
    differing = int((flat.predict(rows) != estimator.predict(rows)).sum())
    if differing:
        raise SavedModelError(
            f"{name} as flat trees predicts other numbers than scikit-learn",
            cause=f"{differing} of {len(rows)} random rows differ",
            hint=RETRAIN,
        )


def reopened(files: Mapping[str, bytes], name: str) -> Any:
    """Return scikit-learn's estimator of a file.

    Raises SavedModelError for types beyond the allow-list. A file of unknown origin can hold trees
    that crash scikit-learn; the flat trees are checked, and predict without it.
    """
    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    if name not in files:
        raise SavedModelError(f"{name} is missing", hint=RETRAIN)
    try:
        return loads(files[name], trusted=sorted(ALLOWED_TYPES))
    except UntrustedTypesFoundException as error:
        raise SavedModelError(
            f"{name} holds types that are not allowed", cause=str(error)[:200], hint=RETRAIN
        ) from error
    except Exception as error:  # whatever a damaged archive raises
        raise SavedModelError(
            f"{name} cannot be read",
            cause=f"{type(error).__name__}: {str(error)[:200]}",
            hint=RETRAIN,
        ) from error
