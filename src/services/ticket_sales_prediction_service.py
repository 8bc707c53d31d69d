"""Predicts a concert's final tickets from what is known when it goes on sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from src.errors import ModelError, UsageError
from src.services.feature_catalog import SALES_FEATURES, SalesEncoder, refuse_late

Floats = npt.NDArray[np.float64]
# How far off, for learning where it is hard: sold-out shows (never off) and tiny ones (off by
# multiples) would otherwise drive the log-linked model to intervals of zero or everything.
_MISS_RANGE = (0.02, 1.0)
HIT_TOLERANCE = 0.20  # a prediction is right if the actual is within 20 % of it
_LABELS = ((0.7, "high"), (0.4, "medium"), (0.0, "low"))
_RANGES = {"capacity": (1, 500_000), "popularity": (0, 100), "base_price": (0, 100_000),
           "lead_days": (0, 1_000)}  # fmt: skip


@dataclass(frozen=True)
class SalesPrediction:
    """One prediction: expected final tickets, their interval, and how sure it is."""

    tickets: float
    low: float
    high: float
    confidence: float  # probability that the actual is within 20 %
    label: str
    notes: tuple[str, ...] = ()


@dataclass
class TicketSalesPredictionService:
    """Gradient boosting on sell-through, times capacity; intervals and confidence calibrated.

    `fit` learns on training rows, `calibrate` on later ones. Rows are frames with the columns
    of src/sql/features/ticket_sales.sql. Predictions lie in [0, capacity].
    """

    random_state: int = 42
    coverage: float = 0.9
    encoder_: SalesEncoder | None = field(default=None, repr=False)
    model_: Any = field(default=None, repr=False)
    difficulty_: Any = field(default=None, repr=False)
    hit_: Any = field(default=None, repr=False)
    scores_: Floats | None = field(default=None, repr=False)
    hit_knots_: tuple[Floats, Floats] | None = field(default=None, repr=False)

    def fit(self, rows: pd.DataFrame, extra: tuple[str, ...] = ()) -> TicketSalesPredictionService:
        """Fit the point model, and by cross-fitting how far off it is where.

        Raises ModelError for features known too late and for a target that never varies.
        """
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
        from sklearn.model_selection import KFold

        self.fit_points(rows, extra)
        sold, capacity, matrix = self._training_arrays(rows)
        out_of_fold = np.empty(len(rows))
        folds = KFold(5, shuffle=True, random_state=self.random_state)
        for train, test in folds.split(matrix):
            fold = self._point_model(150).fit(
                matrix[train], sold[train] / capacity[train], capacity[train]
            )
            share = np.clip(fold.predict(matrix[test]), 0.0, 1.0)
            out_of_fold[test] = np.maximum(share * capacity[test], 1.0)
        seen = _with_prediction(matrix, out_of_fold, capacity)
        miss = np.abs(sold - out_of_fold) / out_of_fold
        with threadpool_limits(1, "openmp"):  # two threads on two shared cores are slower
            self.difficulty_ = HistGradientBoostingRegressor(
                loss="gamma", max_iter=100, max_leaf_nodes=8, random_state=self.random_state
            ).fit(seen, np.clip(miss, *_MISS_RANGE))
            self.hit_ = HistGradientBoostingClassifier(
                max_iter=80, max_leaf_nodes=8, random_state=self.random_state
            ).fit(seen, miss <= HIT_TOLERANCE)
        return self

    def fit_points(self, rows: pd.DataFrame, extra: tuple[str, ...] = ()) -> None:
        """Fit the encoder and the point model alone."""
        refuse_late(SALES_FEATURES)
        if np.ptp(rows["tickets_sold"].to_numpy(dtype=np.float64)) == 0:
            raise ModelError(
                "every concert of the training rows sold the same number of tickets",
                hint="python run_demo_pipeline.py",
            )
        self.encoder_ = SalesEncoder.fit(rows, extra)
        sold, capacity, matrix = self._training_arrays(rows)
        self.model_ = self._point_model(300).fit(matrix, sold / capacity, capacity)

    def _training_arrays(self, rows: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        assert self.encoder_ is not None
        sold = rows["tickets_sold"].to_numpy(dtype=np.float64)
        return sold, rows["capacity"].to_numpy(dtype=np.float64), self.encoder_.matrix(rows)

    def _point_model(self, trees: int) -> Any:
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(
            n_estimators=trees,
            max_depth=5,
            learning_rate=0.06 if trees > 200 else 0.1,
            subsample=0.7,
            max_features=0.5,
            min_samples_leaf=10,
            random_state=self.random_state,
        )

    def calibrate(self, rows: pd.DataFrame) -> TicketSalesPredictionService:
        """Learn from later rows how wide the intervals must be and what confidence means."""
        from sklearn.isotonic import IsotonicRegression

        sold = rows["tickets_sold"].to_numpy(dtype=np.float64)
        assert self.encoder_ is not None
        capacity = rows["capacity"].to_numpy(dtype=np.float64)
        point, spread, raw = self._parts(self.encoder_.matrix(rows), capacity)
        self.scores_ = np.sort(np.abs(sold - point) / (point * spread))
        hit = np.abs(sold - point) <= HIT_TOLERANCE * point
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw, hit)
        self.hit_knots_ = (isotonic.X_thresholds_, isotonic.y_thresholds_)
        return self

    def predict_points(self, rows: pd.DataFrame) -> Floats:
        """Return expected final tickets, one per row."""
        assert self.encoder_ is not None
        return self.points_of(self.encoder_.matrix(rows), rows)

    def points_of(self, matrix: Floats, rows: pd.DataFrame) -> Floats:
        """Return expected tickets for an encoded matrix of these rows."""
        return self._points(matrix, rows["capacity"].to_numpy(dtype=np.float64))

    def _points(self, matrix: Floats, capacity: Floats) -> Floats:
        return np.asarray(np.clip(self.model_.predict(matrix), 0.0, 1.0) * capacity)

    def predict_frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return tickets, low, high and confidence, one line per row."""
        assert self.encoder_ is not None
        capacity = rows["capacity"].to_numpy(dtype=np.float64)
        columns = self._predict(self.encoder_.matrix(rows), capacity)
        names = ("tickets", "low", "high", "confidence")
        return pd.DataFrame(dict(zip(names, columns, strict=True)), index=rows.index)

    def _predict(self, matrix: Floats, capacity: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        assert self.scores_ is not None and self.hit_knots_ is not None
        point, spread, raw = self._parts(matrix, capacity)
        n = len(self.scores_)
        rank = min(int(np.ceil((n + 1) * self.coverage)), n) - 1
        half = self.scores_[rank] * spread * point
        return (
            point,
            np.clip(point - half, 0.0, capacity),
            np.clip(point + half, 0.0, capacity),
            np.interp(raw, *self.hit_knots_),
        )

    def predict(self, records: Sequence[Mapping[str, Any]]) -> list[SalesPrediction]:
        """Predict for plain records; what is unknown or absent is noted, not guessed silently.

        Each needs capacity and starts_at; all other columns may be absent. Raises UsageError
        with the field's name where a value is out of range.

        >>> from pathlib import Path
        >>> from src.services.model_files import read_folder, sales_service
        >>> service = sales_service(read_folder(Path("models/ticket_sales/1")))
        >>> (show,) = service.predict([{"capacity": 800, "starts_at": "2025-11-07 20:00:00",
        ...                             "popularity": 45, "base_price": 40, "genre": "rock"}])
        >>> 0 <= show.low <= show.tickets <= show.high <= 800
        True
        >>> show.notes
        ('not given, typical values used: city',)
        """
        if not records:
            return []
        assert self.encoder_ is not None
        notes = [self._notes(record) for record in records]
        matrix = np.array([self.encoder_.row(record) for record in records])
        capacity = np.array([float(record["capacity"]) for record in records])
        columns = self._predict(matrix, capacity)
        return [
            SalesPrediction(
                float(tickets), float(low), float(high), float(sure), _label(sure), tuple(note)
            )
            for tickets, low, high, sure, note in zip(*columns, notes, strict=True)
        ]

    def _notes(self, record: Mapping[str, Any]) -> list[str]:
        assert self.encoder_ is not None
        for name in ("capacity", "starts_at"):
            if record.get(name) is None:
                raise UsageError(f"a prediction needs {name}", hint=f"give {name}")
        for name, (low, high) in _RANGES.items():
            value = record.get(name)
            if value is not None and not low <= float(value) <= high:
                raise UsageError(
                    f"{name} is {value}; it must be between {low:,} and {high:,}",
                    hint=f"give {name} within its range",
                )
        notes = []
        for name, known in (("genre", self.encoder_.genres), ("city", self.encoder_.cities)):
            if record.get(name) is not None and record[name] not in known:
                notes.append(f"{name} {record[name]!r} was not in the training data")
        absent = [n for n in _OPTIONAL if record.get(n) is None]
        if absent:
            notes.append(f"not given, typical values used: {', '.join(absent)}")
        return notes

    def _parts(self, matrix: Floats, capacity: Floats) -> tuple[Floats, Floats, Floats]:
        """Return point (at least 1), relative spread, and raw hit probability."""
        point = np.maximum(self._points(matrix, capacity), 1.0)
        seen = _with_prediction(matrix, point, capacity)
        with threadpool_limits(1, "openmp"):
            spread = np.maximum(self.difficulty_.predict(seen), 1e-3)
            raw = self.hit_.predict_proba(seen)[:, 1]
        return point, spread, raw


_OPTIONAL = ("popularity", "base_price", "genre", "city")


def _with_prediction(matrix: Floats, point: Floats, capacity: Floats) -> Floats:
    return np.column_stack([matrix, point, point / capacity])


def _label(confidence: float) -> str:
    return next(label for least, label in _LABELS if confidence >= least)
