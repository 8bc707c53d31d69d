"""Boosted trees and forests as flat arrays of numbers: numpy predicts with them, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from src.services.arrays import Array, Floats, Ints

_ROWS_AT_ONCE = 512  # keeps the walk's arrays in the processor's cache


@dataclass(frozen=True)
class FlatTrees:
    """All trees end to end; a leaf points to itself, so that every walk takes `depth` steps.

    The prediction is base + the leaves of all trees, one after the other as scikit-learn adds
    them, over `divisor`. Columns are read as 32-bit numbers, as scikit-learn reads them.
    """

    column: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    roots: Ints
    depth: int
    base: float
    divisor: float

    @classmethod
    def none(cls) -> FlatTrees:
        """Return no trees, which predict 0."""
        real, whole = np.empty(0), np.empty(0, dtype=np.int64)
        return cls(whole, real, whole, whole, real, whole, 0, 0.0, 1.0)

    @classmethod
    def of_boosting(cls, estimator: Any) -> FlatTrees:
        """Return the trees of a fitted GradientBoostingRegressor of squared error."""
        base = float(np.ravel(estimator.init_.constant_)[0])
        members = (member.tree_ for member in estimator.estimators_[:, 0])
        return cls._joined(members, estimator.learning_rate, base, 1.0)

    @classmethod
    def of_forest(cls, estimator: Any) -> FlatTrees:
        """Return the trees of a fitted RandomForestRegressor."""
        members = [member.tree_ for member in estimator.estimators_]
        return cls._joined(members, 1.0, 0.0, float(len(members)))

    @classmethod
    def _joined(cls, trees: Iterable[Any], rate: float, base: float, divisor: float) -> FlatTrees:
        parts: list[tuple[Array, ...]] = []
        roots, start, depth = [], 0, 0
        for tree in trees:
            nodes = np.arange(tree.node_count)
            is_leaf = tree.children_left < 0
            parts.append((
                np.where(is_leaf, 0, tree.feature),
                np.where(is_leaf, 0.0, tree.threshold),
                np.where(is_leaf, nodes, tree.children_left) + start,
                np.where(is_leaf, nodes, tree.children_right) + start,
                rate * tree.value[:, 0, 0],
            ))  # fmt: skip
            roots.append(start)
            start, depth = start + len(nodes), max(depth, int(tree.max_depth))
        column, threshold, left, right, value = map(np.concatenate, zip(*parts, strict=True))
        return cls(column.astype(np.int64), threshold, left.astype(np.int64),
                   right.astype(np.int64), value, np.array(roots, dtype=np.int64), depth, base,
                   divisor)  # fmt: skip

    def predict(self, matrix: Floats) -> Floats:
        """Return one prediction for each row of the matrix."""
        found = np.empty(len(matrix))
        narrow = matrix.astype(np.float32)
        for start in range(0, len(narrow), _ROWS_AT_ONCE):
            block = narrow[start : start + _ROWS_AT_ONCE]
            found[start : start + len(block)] = self._sum(block)
        return found / self.divisor

    def _sum(self, rows: Array) -> Floats:
        width = rows.shape[1]
        flat, begin = rows.ravel(), (np.arange(len(rows)) * width)[:, None]
        at = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            goes_left = flat[begin + self.column[at]] <= self.threshold[at]
            at = np.where(goes_left, self.left[at], self.right[at])
        terms = np.empty((len(rows), len(self.roots) + 1))
        terms[:, 0] = self.base
        terms[:, 1:] = self.value[at]
        return np.asarray(np.add.accumulate(terms, axis=1)[:, -1])

    def arrays(self, prefix: str) -> dict[str, Array]:
        """Return the trees as named arrays, to be saved."""
        return {f"{prefix}_{f.name}": np.asarray(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array], prefix: str, columns: int) -> FlatTrees:
        """Return the trees of saved arrays over so many columns.

        Raises ValueError for a node that points outside of its model: walking there could read
        anything, or never end.
        """
        whole = {
            name: arrays[f"{prefix}_{name}"].astype(np.int64, casting="safe")
            for name in ("column", "left", "right", "roots", "depth")
        }
        real = {
            name: arrays[f"{prefix}_{name}"].astype(np.float64, casting="safe")
            for name in ("threshold", "value", "base", "divisor")
        }
        depth, base, divisor = int(whole["depth"]), float(real["base"]), float(real["divisor"])
        found = cls(whole["column"], real["threshold"], whole["left"], whole["right"],
                    real["value"], whole["roots"], depth, base, divisor)  # fmt: skip
        if not found._is_whole(columns):
            raise ValueError(f"{prefix}: a broken tree: a node points outside of the model")
        return found

    def _is_whole(self, columns: int) -> bool:
        """Tell whether each node is a leaf or points to two later nodes, and to a known column."""
        nodes = np.arange(len(self.column))
        is_leaf = (self.left == nodes) & (self.right == nodes)
        shapes = {a.shape for a in (self.column, self.threshold, self.left, self.right, self.value)}
        if shapes != {(len(nodes),)} or self.roots.ndim != 1 or not len(self.roots):
            return False
        children = np.stack([self.left, self.right])
        return bool(
            ((children > nodes) | is_leaf).all()
            and (children < len(nodes)).all()
            and ((self.column >= 0) & (self.column < columns)).all()
            and ((self.roots >= 0) & (self.roots < len(nodes))).all()
            and 0 <= self.depth <= 64
            and np.isfinite(self.value).all()
            and np.isfinite(self.threshold).all()
            and np.isfinite(self.base)
            and self.divisor > 0
        )
