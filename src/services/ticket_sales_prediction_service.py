"""Predicts a concert's final tickets from what is known when it goes on sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from src.errors import ModelError, UsageError
from src.services.arrays import Floats
from src.services.features.feature_catalog import COUNTS, SALES_FEATURES, SalesEncoder, refuse_late
from src.services.features.prediction_notes import PredictionNotes, read_records
from src.services.features.row_batch import RowBatch

if TYPE_CHECKING:
    import pandas as pd

# How far off, for learning where it is hard: sold-out shows (never off) and small ones (off by
# multiples) would otherwise drive the log-linked model to intervals of zero or everything.
_MISS_RANGE = (0.02, 1.0)
PREDICTED = ("tickets", "low", "high", "confidence")
HIT_TOLERANCE = 0.20  # a prediction is right if the actual is within 20 % of it
Learned = TypeVar("Learned")
_LABELS = ((0.7, "high"), (0.4, "medium"), (0.0, "low"))
# Wider than what a warehouse column can hold: a row from it is never refused.
RANGES: Mapping[str, tuple[float, float]] = {
    "capacity": (1, 500_000), "popularity": (0, 100), "base_price": (0, 100_000),
    "lead_days": (0, 4_000_000),
    "artist_prior_shows": (0, 1e9), "artist_prior_sell_through": (0, 1e9),
    "artist_prior_log_tickets": (0, 50), "artist_prior_log_capacity": (0, 50),
    "artist_prior_sold_out": (0, 1),
    "venue_prior_shows": (0, 1e9), "venue_prior_sell_through": (0, 1e9),
    "city_prior_sell_through": (0, 1e9), "city_competition": (0, 1e9),
}  # fmt: skip
_WORDS = ("genre", "city")
_TYPICAL = tuple(name for name in RANGES if name != "capacity" and name not in COUNTS)
READ = frozenset({*RANGES, *_WORDS, "starts_at"})


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
    of src/sql/features/ticket_sales.sql. Predictions are in [0, capacity].
    """

    random_state: int = 42
    coverage: float = 0.9
    encoder_: SalesEncoder | None = field(default=None, repr=False)
    model_: Any = field(default=None, repr=False)
    difficulty_: Any = field(default=None, repr=False)
    hit_: Any = field(default=None, repr=False)
    scores_: Floats | None = field(default=None, repr=False)
    hit_knots_: tuple[Floats, Floats] | None = field(default=None, repr=False)
    trained_until_: str | None = None  # the newest show that it learned or was calibrated from

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
            raise ModelError("every concert of the training rows sold the same number of tickets")
        self.encoder_ = SalesEncoder.fit(rows, extra)
        self.trained_until_ = _later(None, rows)
        sold, capacity, matrix = self._training_arrays(rows)
        self.model_ = self._point_model(300).fit(matrix, sold / capacity, capacity)

    def _training_arrays(self, rows: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        sold = rows["tickets_sold"].to_numpy(dtype=np.float64)
        capacity = rows["capacity"].to_numpy(dtype=np.float64)
        return sold, capacity, _fitted(self.encoder_, "fit").matrix(rows)

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

        sold, capacity, matrix = self._training_arrays(rows)
        point, spread, raw = self._parts(matrix, capacity)
        self.scores_ = np.sort(np.abs(sold - point) / (point * spread))
        hit = np.abs(sold - point) <= HIT_TOLERANCE * point
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw, hit)
        self.hit_knots_ = (isotonic.X_thresholds_, isotonic.y_thresholds_)
        self.trained_until_ = _later(self.trained_until_, rows)
        return self

    def predict_points(self, rows: pd.DataFrame) -> Floats:
        """Return expected final tickets, one per row."""
        encoder, batch = _fitted(self.encoder_, "fit"), RowBatch.of(rows)
        batch.check_ranges(RANGES)
        return self._points(encoder.matrix(batch), batch.needed("capacity"))

    def points_of(self, matrix: Floats, rows: pd.DataFrame) -> Floats:
        """Return expected tickets for an encoded matrix of these rows."""
        return self._points(matrix, rows["capacity"].to_numpy(dtype=np.float64))

    def _points(self, matrix: Floats, capacity: Floats) -> Floats:
        if len(matrix) == 0:  # scikit-learn predicts no empty matrix
            return np.empty(0)
        return np.asarray(np.clip(self.model_.predict(matrix), 0.0, 1.0) * capacity)

    def predict_frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return tickets, low, high and confidence, one line per row.

        Raises UsageError with the field's name where a value is out of range.
        """
        import pandas as pd

        found = dict(zip(PREDICTED, self._predict(RowBatch.of(rows)), strict=True))
        return pd.DataFrame(found, index=rows.index)

    def _predict(self, rows: RowBatch) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the columns of PREDICTED: the one way from rows to predictions."""
        encoder = _fitted(self.encoder_, "fit")
        scores = _fitted(self.scores_, "calibrate")
        knots = _fitted(self.hit_knots_, "calibrate")
        rows.check_ranges(RANGES)
        capacity = rows.needed("capacity")
        if rows.rows == 0:
            return np.empty(0), np.empty(0), np.empty(0), np.empty(0)
        point, spread, raw = self._parts(encoder.matrix(rows), capacity)
        n = len(scores)
        rank = min(int(np.ceil((n + 1) * self.coverage)), n) - 1
        half = scores[rank] * spread * point
        return (
            point,
            np.clip(point - half, 0.0, capacity),
            np.clip(point + half, 0.0, capacity),
            np.interp(raw, *knots),
        )

    def predict(self, records: Sequence[Mapping[str, Any]]) -> list[SalesPrediction]:
        """Predict for plain records; what is not taken as it is given is noted with each.

        Each needs capacity and starts_at; all other fields of RANGES, genre and city may be
        absent. Notes name the fields that were filled in and with what, words that the model
        has not learned, and keys that are not read. Raises UsageError with the field's name
        where a value cannot be read or is out of range.

        >>> from pathlib import Path
        >>> from src.services.modelling.model_files import read_folder, sales_service
        >>> service = sales_service(read_folder(Path("models/ticket_sales/1")))
        >>> (show,) = service.predict([{"capacity": 800, "starts_at": "2025-11-07 20:00:00",
        ...                             "popularity": 45, "base_price": 40, "genre": "rock"}])
        >>> 0 <= show.low <= show.tickets <= show.high <= 800
        True
        >>> show.notes[-1]
        'not given, taken as none of those learned: city'
        """
        rows = read_records(records)
        if not rows.rows:
            return []
        columns = self._predict(rows)
        return [
            SalesPrediction(
                float(tickets), float(low), float(high), float(sure), _label(sure), note
            )
            for tickets, low, high, sure, note in zip(
                *columns, self._notes(rows, records), strict=True
            )
        ]

    def _notes(self, rows: RowBatch, records: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
        encoder, notes = _fitted(self.encoder_, "fit"), PredictionNotes(rows)
        notes.unread(records, READ)
        notes.unknown("genre", encoder.genres)
        notes.unknown("city", encoder.cities)
        notes.zeros("base_price", "no free concert was learned, a typical price used")
        notes.absent(_TYPICAL, "typical values used")
        notes.absent(COUNTS, "taken as 0")
        notes.absent(_WORDS, "taken as none of those learned", are_words=True)
        return notes.lists()

    def _parts(self, matrix: Floats, capacity: Floats) -> tuple[Floats, Floats, Floats]:
        """Return point (at least 1), relative spread, and raw hit probability."""
        point = np.maximum(self._points(matrix, capacity), 1.0)
        seen = _with_prediction(matrix, point, capacity)
        with threadpool_limits(1, "openmp"):
            spread = np.maximum(self.difficulty_.predict(seen), 1e-3)
            raw = self.hit_.predict_proba(seen)[:, 1]
        return point, spread, raw


def _fitted(learned: Learned | None, method: str) -> Learned:
    """Return what `method` learns; raises UsageError where it was not called."""
    if learned is None:
        raise UsageError("the sales model has learned nothing yet", hint=f"call {method} first")
    return learned


def _later(moment: str | None, rows: pd.DataFrame) -> str:
    """Return the later of a moment and the newest show of the rows."""
    newest = str(RowBatch.of(rows).times("starts_at").max())
    return newest if moment is None else max(moment, newest)


def _with_prediction(matrix: Floats, point: Floats, capacity: Floats) -> Floats:
    return np.column_stack([matrix, point, point / capacity])


def _label(confidence: float) -> str:
    return next(label for least, label in _LABELS if confidence >= least)
