"""Reads the trees of a saved model: known types only, and no tree that could lead astray."""

from __future__ import annotations

from typing import Any

import numpy as np

from src.errors import SavedModelError
from src.json_object import JsonObject

RETRAIN = "python train_demo_models.py"
# Hard-coded on purpose: a list taken from the file would let the file trust itself.
ALLOWED_TYPES = frozenset(
    {
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)


def load_trees(files: dict[str, bytes], name: str, kind: str, columns: int) -> Any:
    """Return the estimator of a file.

    Raises SavedModelError for types beyond the allow-list, for another estimator than `kind` of so
    many `columns`, and for broken trees: predicting with them can crash.
    """
    estimator = _load(files, name)
    found, width = type(estimator).__name__, getattr(estimator, "n_features_in_", None)
    if found != kind or width != columns:
        raise SavedModelError(
            f"{name} is not the model that belongs here",
            cause=f"expected {kind} of {columns} columns, found {found} of {width}",
            hint=RETRAIN,
        )
    try:
        is_whole = all(_is_whole(tree, columns) for tree in _trees(estimator))
    except Exception as error:  # trees of wrong content can be wrong in any way
        raise _broken(name, f"{type(error).__name__}: {str(error)[:200]}") from error
    if not is_whole:
        raise _broken(name, "a node points outside of its tree or of the model's columns")
    return estimator


def _load(files: dict[str, bytes], name: str) -> Any:
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


def _broken(name: str, cause: str) -> SavedModelError:
    return SavedModelError(f"{name} holds a broken tree", cause=cause, hint=RETRAIN)


def _trees(estimator: Any) -> list[JsonObject]:
    """Return every tree as arrays: left and right child, column, value; -1 for no child."""
    if hasattr(estimator, "_predictors"):  # the histogram models
        nodes = [one.nodes for group in estimator._predictors for one in group]
        return [
            {
                "left": np.where(n["is_leaf"], -1, n["left"].astype(np.int64)),
                "right": np.where(n["is_leaf"], -1, n["right"].astype(np.int64)),
                "column": n["feature_idx"].astype(np.int64),
                "value": n["value"],
                "is_plain": not n["is_categorical"].any(),
            }
            for n in nodes
        ]
    trees = [member.tree_ for member in np.ravel(np.array(estimator.estimators_, dtype=object))]
    return [
        {"left": t.children_left, "right": t.children_right, "column": t.feature,
         "value": t.value, "is_plain": True}
        for t in trees
    ]  # fmt: skip


def _is_whole(tree: JsonObject, columns: int) -> bool:
    """Tell whether each node is a leaf or points to two later nodes, and to a known column."""
    left, right, column = tree["left"], tree["right"], tree["column"]
    nodes = np.arange(len(left))
    inner = left != -1
    children = np.concatenate([left[inner], right[inner]])
    parents = np.concatenate([nodes[inner], nodes[inner]])
    return bool(
        len(left) > 0
        and tree["is_plain"]
        and ((right != -1) == inner).all()
        and ((children > parents) & (children < len(left))).all()
        and ((column[inner] >= 0) & (column[inner] < columns)).all()
        and np.isfinite(tree["value"]).all()
    )
