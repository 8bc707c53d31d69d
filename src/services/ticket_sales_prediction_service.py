"""Predicts a concert's final tickets from what is known when it goes on sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from src.errors import ModelError, UsageError
from src.json_object import JsonView
from src.services.arrays import Floats
from src.services.features.feature_catalog import (
    COUNTS,
    SALES_FEATURES,
    EncodedRows,
    SalesEncoder,
    refuse_late,
)
from src.services.features.prediction_notes import PredictionNotes, read_records
from src.services.features.row_batch import RowBatch, Rows
from src.services.fitted import fitted

if TYPE_CHECKING:
    import pandas as pd

# How far off, for learning where it is hard: sold-out shows (never off) and small ones (off by
# multiples) would otherwise drive the log-linked model to intervals of zero or everything.
_MISS_RANGE = (0.02, 1.0)
PREDICTED = ("tickets", "low", "high", "confidence")
HIT_TOLERANCE = 0.20  # a prediction is right if the actual is within 20 % of it
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


@dataclass(frozen=True)
class FittedSalesModel:
    """What `fit` learns: the encoder, the point model, how far off it is, and how often."""

    encoder: SalesEncoder
    point: Any
    difficulty: Any
    hit: Any
    trained_until: str  # the newest show that it learned or was calibrated from


@dataclass(frozen=True)
class SalesCalibration:
    """What `calibrate` learns: sorted misses, and the curve of confidence."""

    scores: Floats
    hit_knots: tuple[Floats, Floats]


@dataclass
class TicketSalesPredictionService:
    """Gradient boosting on sell-through, times capacity; intervals and confidence calibrated.

    `fit` learns on training rows, `calibrate` on later ones. Rows are frames with the columns
    of src/sql/features/ticket_sales.sql, or what `encode` made of them. Predictions are in
    [0, capacity].
    """

    random_state: int = 42
    coverage: float = 0.9
    fitted_: FittedSalesModel | None = field(default=None, repr=False)
    calibration_: SalesCalibration | None = field(default=None, repr=False)

    @property
    def fitted(self) -> FittedSalesModel:
        """Return what was learned; raises UsageError before `fit`."""
        return fitted(self.fitted_, "sales", "fit")

    @property
    def calibration(self) -> SalesCalibration:
        """Return what was calibrated; raises UsageError before `calibrate`."""
        return fitted(self.calibration_, "sales", "calibrate")

    def fit(
        self, rows: pd.DataFrame | EncodedRows, extra: tuple[str, ...] = ()
    ) -> TicketSalesPredictionService:
        """Fit the point model, and by cross-fitting how far off it is where.

        Raises ModelError for features known too late and for a target that never varies.
        """
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )

        refuse_late(SALES_FEATURES)
        if not isinstance(rows, EncodedRows):
            rows = SalesEncoder.fit(rows, extra).encode(rows)
        if np.ptp(rows.sold) == 0:
            raise ModelError("every concert of the training rows sold the same number of tickets")
        point = fit_points(rows, self.random_state)
        out_of_fold = self._out_of_fold(rows)
        seen = _with_prediction(rows.matrix, out_of_fold, rows.capacity)
        miss = np.abs(rows.sold - out_of_fold) / out_of_fold
        with threadpool_limits(1, "openmp"):  # two threads on two shared cores are slower
            difficulty = HistGradientBoostingRegressor(
                loss="gamma", max_iter=100, max_leaf_nodes=8, random_state=self.random_state
            ).fit(seen, np.clip(miss, *_MISS_RANGE))
            hit = HistGradientBoostingClassifier(
                max_iter=80, max_leaf_nodes=8, random_state=self.random_state
            ).fit(seen, miss <= HIT_TOLERANCE)
        self.fitted_ = FittedSalesModel(rows.encoder, point, difficulty, hit, rows.newest_show)
        self.calibration_ = None
        return self

    def _out_of_fold(self, rows: EncodedRows) -> Floats:
        """Return predictions of each row by a model that did not learn from it, at least 1."""
        from sklearn.model_selection import KFold

        matrix, sold, capacity = rows.matrix, rows.sold, rows.capacity
        found = np.empty(len(matrix))
        folds = KFold(5, shuffle=True, random_state=self.random_state)
        for train, test in folds.split(matrix):
            fold = point_model(self.random_state, 150).fit(
                matrix[train], sold[train] / capacity[train], capacity[train]
            )
            found[test] = np.maximum(points(fold, matrix[test], capacity[test]), 1.0)
        return found

    def encode(self, rows: Rows | EncodedRows) -> EncodedRows:
        """Return rows as this model reads them; raises UsageError for values out of range."""
        encoder = self.fitted.encoder
        if isinstance(rows, EncodedRows):
            if rows.encoder != encoder:
                raise UsageError("the rows were encoded for another model", hint="call encode")
            return rows
        batch = RowBatch.of(rows)
        batch.check_ranges(RANGES)
        return encoder.encode(batch)

    def calibrate(self, rows: pd.DataFrame | EncodedRows) -> TicketSalesPredictionService:
        """Learn from later rows how wide the intervals must be and what confidence means."""
        from sklearn.isotonic import IsotonicRegression

        rows, until = self.encode(rows), self.fitted.trained_until
        point, spread, raw = self._parts(rows)
        hit = np.abs(rows.sold - point) <= HIT_TOLERANCE * point
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw, hit)
        self.fitted_ = replace(self.fitted, trained_until=max(until, rows.newest_show))
        self.calibration_ = SalesCalibration(
            np.sort(np.abs(rows.sold - point) / (point * spread)),
            (isotonic.X_thresholds_, isotonic.y_thresholds_),
        )
        return self

    def predict_points(self, rows: Rows | EncodedRows) -> Floats:
        """Return expected final tickets, one per row."""
        encoded = self.encode(rows)
        return points(self.fitted.point, encoded.matrix, encoded.capacity)

    def predict_frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return tickets, low, high and confidence, one line per row.

        Raises UsageError with the field's name where a value is out of range.
        """
        import pandas as pd

        return pd.DataFrame(self.predict_columns(rows), index=rows.index)

    def predict_columns(self, rows: Rows | EncodedRows) -> dict[str, Floats]:
        """Return the columns of PREDICTED: the one way from rows to predictions."""
        encoded, calibration = self.encode(rows), self.calibration
        if len(encoded.matrix) == 0:
            return {name: np.empty(0) for name in PREDICTED}
        capacity = encoded.capacity
        point, spread, raw = self._parts(encoded)
        n = len(calibration.scores)
        rank = min(int(np.ceil((n + 1) * self.coverage)), n) - 1
        half = calibration.scores[rank] * spread * point
        return {
            "tickets": point,
            "low": np.clip(point - half, 0.0, capacity),
            "high": np.clip(point + half, 0.0, capacity),
            "confidence": np.interp(raw, *calibration.hit_knots),
        }

    def predict(self, records: Sequence[JsonView]) -> list[SalesPrediction]:
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
        columns = self.predict_columns(rows).values()
        return [
            SalesPrediction(
                float(tickets), float(low), float(high), float(sure), _label(sure), note
            )
            for tickets, low, high, sure, note in zip(
                *columns, self._notes(rows, records), strict=True
            )
        ]

    def _notes(self, rows: RowBatch, records: Sequence[JsonView]) -> list[tuple[str, ...]]:
        encoder, notes = self.fitted.encoder, PredictionNotes(rows)
        notes.unread(records, READ)
        notes.unknown("genre", encoder.genres)
        notes.unknown("city", encoder.cities)
        notes.zeros("base_price", "no free concert was learned, a typical price used")
        notes.absent(_TYPICAL, "typical values used")
        notes.absent(COUNTS, "taken as 0")
        notes.absent(_WORDS, "taken as none of those learned", are_words=True)
        return notes.lists()

    def _parts(self, rows: EncodedRows) -> tuple[Floats, Floats, Floats]:
        """Return point (at least 1), relative spread, and raw hit probability."""
        learned = self.fitted
        point = np.maximum(points(learned.point, rows.matrix, rows.capacity), 1.0)
        seen = _with_prediction(rows.matrix, point, rows.capacity)
        with threadpool_limits(1, "openmp"):
            spread = np.maximum(learned.difficulty.predict(seen), 1e-3)
            raw = learned.hit.predict_proba(seen)[:, 1]
        return point, spread, raw


def point_model(random_state: int, trees: int) -> Any:
    """Return the unfitted point model."""
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        n_estimators=trees,
        max_depth=5,
        learning_rate=0.06 if trees > 200 else 0.1,
        subsample=0.7,
        max_features=0.5,
        min_samples_leaf=10,
        random_state=random_state,
    )


def fit_points(rows: EncodedRows, random_state: int) -> Any:
    """Return the point model alone, fitted."""
    share = rows.sold / rows.capacity
    return point_model(random_state, 300).fit(rows.matrix, share, rows.capacity)


def points(model: Any, matrix: Floats, capacity: Floats) -> Floats:
    """Return the expected tickets of a fitted point model."""
    if len(matrix) == 0:  # scikit-learn predicts no empty matrix
        return np.empty(0)
    return np.asarray(np.clip(model.predict(matrix), 0.0, 1.0) * capacity)


def _with_prediction(matrix: Floats, point: Floats, capacity: Floats) -> Floats:
    return np.column_stack([matrix, point, point / capacity])


def _label(confidence: float) -> str:
    return next(label for least, label in _LABELS if confidence >= least)
