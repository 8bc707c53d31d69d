"""Scores venues by a documented formula, and forecasts the next quarter's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from src.errors import ModelError
from src.json_object import JsonView
from src.services.arrays import Floats
from src.services.demand.flat_trees import FlatTrees
from src.services.features.prediction_notes import PredictionNotes, read_records
from src.services.features.row_batch import RowBatch, Rows
from src.services.fitted import fitted

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = {"utilisation": 0.4, "revenue": 0.3, "bookings": 0.3}
LAGS = (1, 2, 3, 4)
MIN_QUARTERS = 4
_BOOKED = ("booked", "booked_popularity", "booked_price")
FORECAST = ("score", "low", "high", "confidence")
_NEXT = tuple(f"next_{name}" for name in _BOOKED)
RANGES: Mapping[str, tuple[float, float]] = {
    "capacity": (1, 500_000),
    **dict.fromkeys((*(f"score_{lag}" for lag in LAGS), "mean_score", "same_quarter_last_year",
                     "sd_score"), (0, 100)),
    "shows_so_far": (0, 1e9), "next_quarter_number": (1, 4), "log_tickets_so_far": (0, 60),
    **dict.fromkeys(_NEXT, (0, 1e9)),
}  # fmt: skip
READ = frozenset({*RANGES, "venue_type"})
LEAST_WIDTH = 0.5  # points
HIT_POINTS = 10.0  # a forecast is right if the score is within 10 points


@dataclass(frozen=True)
class ScoreScale:
    """What counts as full marks: the 95th percentile of the training quarters."""

    revenue: float
    bookings: float


def popularity_score(panel: pd.DataFrame, scale: ScoreScale) -> Floats:
    """Return each venue-quarter's score, 0 to 100.

    40 % capacity utilisation (tickets / seats offered), 30 % revenue (log scale) and 30 %
    bookings (square root), the last two against the scale's full marks. A quarter without a
    show scores 0.
    """
    seats = panel["capacity"].to_numpy(float) * panel["concerts"].to_numpy(float)
    tickets = panel["tickets"].to_numpy(float)
    utilisation = np.divide(tickets, seats, out=np.zeros_like(seats), where=seats > 0)
    revenue = np.log1p(panel["revenue"].to_numpy(float)) / np.log1p(max(scale.revenue, 1.0))
    bookings = np.sqrt(panel["concerts"].to_numpy(float) / max(scale.bookings, 1.0))
    parts = (utilisation, revenue, bookings)
    weighted = sum(
        weight * np.clip(part, 0.0, 1.0)
        for weight, part in zip(WEIGHTS.values(), parts, strict=True)
    )
    return np.asarray(100.0 * weighted)


@dataclass(frozen=True)
class VenueForecast:
    """The next quarter's score of one venue, its interval, and how sure it is."""

    score: float
    low: float
    high: float
    confidence: float  # probability that the actual is within 10 points
    notes: tuple[str, ...] = ()


@dataclass
class VenuePopularityService:
    """A random forest that forecasts the next quarter's score from earlier quarters.

    `panel` frames have one row per venue and quarter, as src/sql/features/venue_quarters.sql
    gives them; quarters without a show are filled in as zeros by `complete`.
    """

    random_state: int = 42
    coverage: float = 0.9
    scale_: ScoreScale | None = None
    names_: tuple[str, ...] = ()
    types_: tuple[str, ...] = ()
    forest_: FlatTrees | None = field(default=None, repr=False)
    widths_: FlatTrees | None = field(default=None, repr=False)  # how far off a forecast is
    estimators_: Mapping[str, Any] = field(default_factory=dict, repr=False)  # empty once loaded
    scores_: Floats | None = field(default=None, repr=False)
    trained_until_: str | None = None  # the newest quarter whose forecast it learned from

    @property
    def trained_until(self) -> str:
        """Return the newest quarter it learned from; raises UsageError before `calibrate`."""
        return fitted(self.trained_until_, "venue", "calibrate")

    @staticmethod
    def complete(quarters: pd.DataFrame, *, last_quarter: pd.Timestamp) -> pd.DataFrame:
        """Return the full panel: every venue in every quarter up to `last_quarter`.

        `next_booked...` is what was on sale for the following quarter when the row's ended.
        """
        import pandas as pd

        frame = quarters.copy()
        frame["quarter"] = pd.to_datetime(frame["quarter"])
        coming = frame[["venue_id", "quarter", *_BOOKED]].copy()
        coming["quarter"] -= pd.DateOffset(months=3)
        coming[list(_BOOKED)] = coming[list(_BOOKED)].astype(float)
        coming = coming.rename(columns={name: f"next_{name}" for name in _BOOKED})
        frame = frame[frame["quarter"] <= last_quarter]
        if frame["quarter"].nunique() < MIN_QUARTERS + 2 or frame["venue_id"].nunique() < 2:
            raise ModelError(
                "too little history for the venue model",
                cause=f"{frame['venue_id'].nunique()} venues and {frame['quarter'].nunique()} "
                f"finished quarters; it needs 2 and {MIN_QUARTERS + 2}",
            )
        fixed = ["name", "city", "venue_type", "capacity"]
        venues = frame.drop_duplicates("venue_id").set_index("venue_id")[fixed]
        every = pd.MultiIndex.from_product(
            [sorted(frame["quarter"].unique()), sorted(venues.index)], names=["quarter", "venue_id"]
        )
        counts = frame.set_index(["quarter", "venue_id"])[["concerts", "tickets", "revenue"]]
        panel = counts.astype(float).reindex(every, fill_value=0.0).reset_index()
        panel = panel.join(venues, on="venue_id")
        panel = panel.merge(coming, on=["venue_id", "quarter"], how="left")
        return panel.fillna({f"next_{name}": 0.0 for name in _BOOKED})

    def fit_scale(self, panel: pd.DataFrame) -> VenuePopularityService:
        """Learn what counts as full marks; from training quarters only."""
        played = panel[panel["concerts"] > 0]
        self.scale_ = ScoreScale(
            float(played["revenue"].quantile(0.95)), float(played["concerts"].quantile(0.95))
        )
        self.types_ = tuple(sorted(panel["venue_type"].dropna().unique()))
        return self

    def examples(self, panel: pd.DataFrame) -> pd.DataFrame:
        """Return forecasting examples: lagged scores, what they are to forecast (`target`).

        The row of quarter q holds only what was known at the end of q; its target is the score
        of q + 1, absent for the newest quarter.
        """
        scale = fitted(self.scale_, "venue", "fit_scale")
        frame = panel.sort_values(["venue_id", "quarter"]).reset_index(drop=True)
        frame["score"] = popularity_score(frame, scale)
        by_venue = frame.groupby("venue_id")["score"]
        for lag in LAGS:
            frame[f"score_{lag}"] = by_venue.shift(lag - 1)
        so_far = by_venue.expanding()  # its rows stand in the order of the frame's, by venue
        frame["mean_score"] = so_far.mean().to_numpy()
        frame["same_quarter_last_year"] = by_venue.shift(3)
        frame["sd_score"] = so_far.std().fillna(0.0).to_numpy()
        frame["shows_so_far"] = frame.groupby("venue_id")["concerts"].cumsum()
        frame["next_quarter_number"] = frame["quarter"].dt.quarter % 4 + 1
        frame["log_capacity"] = np.log(frame["capacity"].astype(float))
        frame["log_tickets_so_far"] = np.log1p(frame.groupby("venue_id")["tickets"].cumsum())
        for kind in self.types_:
            frame[f"type={kind}"] = (frame["venue_type"] == kind).astype(float)
        frame["target"] = by_venue.shift(-1)
        return frame[frame["score_4"].notna()].reset_index(drop=True)

    def feature_names(self) -> tuple[str, ...]:
        """Return the model's columns in order."""
        lags = tuple(f"score_{lag}" for lag in LAGS)
        return (*lags, "mean_score", "same_quarter_last_year", "sd_score", "shows_so_far",
                "next_quarter_number", "log_capacity", "log_tickets_so_far",
                *(f"next_{name}" for name in _BOOKED),
                *(f"type={kind}" for kind in self.types_))  # fmt: skip

    def fit(self, examples: pd.DataFrame) -> VenuePopularityService:
        """Fit the forest on examples with a target."""
        from sklearn.ensemble import RandomForestRegressor

        self.names_ = self.feature_names()
        target = examples["target"].to_numpy(float)
        if len(target) == 0 or np.ptp(target) == 0:
            raise ModelError("every venue-quarter has the same score")
        forest = RandomForestRegressor(
            150, min_samples_leaf=20, max_features=0.7, oob_score=True, n_jobs=2,
            random_state=self.random_state,
        )  # fmt: skip
        widths = RandomForestRegressor(
            60, min_samples_leaf=25, max_features=0.5, n_jobs=2, random_state=self.random_state
        )
        matrix = self._matrix(examples)
        missed = np.abs(target - forest.fit(matrix, target).oob_prediction_)
        widths.fit(matrix, missed)
        forest.n_jobs = widths.n_jobs = 1  # their sums have one order then
        del forest.oob_prediction_
        self.estimators_ = {"forest": forest, "widths": widths}
        self.forest_, self.widths_ = FlatTrees.of_forest(forest), FlatTrees.of_forest(widths)
        return self

    def calibrate(self, examples: pd.DataFrame) -> VenuePopularityService:
        """Learn from later quarters how far forecasts are off, in what their widths say."""
        point, width = self._points(RowBatch.of(examples))
        self.scores_ = np.sort(np.abs(examples["target"].to_numpy(float) - point) / width)
        self.trained_until_ = str(examples["quarter"].max())
        return self

    def forecast_points(self, examples: pd.DataFrame) -> Floats:
        """Return the forecast score of the next quarter, one per example."""
        return self._points(RowBatch.of(examples))[0]

    def forecast(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Return score, low, high and confidence (of being within 10 points)."""
        import pandas as pd

        found = dict(zip(FORECAST, self._forecast(RowBatch.of(examples)), strict=True))
        return pd.DataFrame(found, index=examples.index)

    def predict(self, records: Sequence[JsonView]) -> list[VenueForecast]:
        """Forecast for plain records that hold what a row of `examples` holds.

        Each needs capacity and the venue's past scores; what is on sale for the next quarter
        (`next_booked...`) counts as nothing where it is absent, an unknown type as no type. That,
        and keys that are not read, is noted. Raises UsageError with the field's name where a value
        cannot be read or is out of range.
        """
        rows = read_records(records)
        if not rows.rows:
            return []
        columns = self._forecast(rows)
        notes = PredictionNotes(rows)
        notes.unread(records, READ)
        notes.unknown("venue_type", self.types_)
        notes.absent(_NEXT, "taken as 0")
        notes.absent(("venue_type",), "taken as none of those learned", are_words=True)
        return [
            VenueForecast(float(score), float(low), float(high), float(sure), note)
            for score, low, high, sure, note in zip(*columns, notes.lists(), strict=True)
        ]

    def _forecast(self, rows: RowBatch) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the columns of FORECAST: the one way from rows to forecasts."""
        point, width = self._points(rows)
        scores = fitted(self.scores_, "venue", "calibrate")
        n = len(scores)
        half = scores[min(int(np.ceil((n + 1) * self.coverage)), n) - 1] * width
        return (
            point,
            np.clip(point - half, 0.0, 100.0),
            np.clip(point + half, 0.0, 100.0),
            np.searchsorted(scores, HIT_POINTS / width, "right") / n,
        )

    def _points(self, rows: RowBatch) -> tuple[Floats, Floats]:
        """Return forecast scores, and how far off each is expected to be."""
        forest, widths = (fitted(one, "venue", "fit") for one in (self.forest_, self.widths_))
        rows.check_ranges(RANGES)
        matrix = self._matrix(rows)
        return forest.predict(matrix), np.maximum(widths.predict(matrix), LEAST_WIDTH)

    def _matrix(self, rows: Rows) -> Floats:
        """Return the model's matrix; its columns stand in the order of `names_`."""
        batch = RowBatch.of(rows)
        kinds = batch.words("venue_type")
        columns = []
        for name in self.names_:
            if name.startswith("type="):
                columns.append((kinds == name.removeprefix("type=")).astype(np.float64))
            elif name == "log_capacity":
                columns.append(np.log(batch.needed("capacity")))
            elif name.startswith("next_booked"):
                columns.append(np.nan_to_num(batch.numbers(name), nan=0.0))
            else:
                columns.append(batch.needed(name))
        return np.column_stack(columns)

    def rank(self, panel: pd.DataFrame, *, by: str = "score") -> pd.DataFrame:
        """Rank all venues after the panel's last quarter: by "score" (mean of the last four
        quarters, by formula) or by "forecast" (the next quarter's, by the model).

        Returns venue_id, name, city, score, forecast, low, high, rank; best first. `panel` is
        what `complete` returns.

        >>> from pathlib import Path
        >>> from src.services.modelling.model_files import read_folder, venue_service
        >>> service = venue_service(read_folder(Path("models/venue_popularity/1")))
        >>> ranking = service.rank(panel, by="forecast")
        >>> ranking["rank"].head(3).tolist()
        [1, 2, 3]
        """
        if by not in ("score", "forecast"):
            raise ModelError(f"cannot rank by {by!r}", hint="rank by score or forecast")
        latest = self.examples(panel)
        latest = latest[latest["quarter"] == latest["quarter"].max()].reset_index(drop=True)
        forecast = self.forecast(latest)
        ranked = latest[["venue_id", "name", "city", "capacity"]].copy()
        ranked["score"] = latest[[f"score_{lag}" for lag in LAGS]].mean(axis=1)
        ranked["forecast"] = forecast["score"]
        ranked["low"], ranked["high"] = forecast["low"], forecast["high"]
        ranked["confidence"] = forecast["confidence"]
        ranked = ranked.sort_values([by, "venue_id"], ascending=[False, True])
        ranked["rank"] = np.arange(1, len(ranked) + 1)
        return ranked.reset_index(drop=True)


def forecast_baselines(train: pd.DataFrame, examples: pd.DataFrame) -> Mapping[str, Floats]:
    """Return what needs no model.

    The calendar explains most of a score: a quarter without a show scores 0. So the mean score of
    the training examples with as many booked shows is the baseline that counts.
    """
    by_booked = train.groupby("next_booked")["target"].mean()
    booked = examples["next_booked"].to_numpy(float)
    return {
        "mean_by_booked_count": np.interp(booked, by_booked.index, by_booked.to_numpy(float)),
        "last_value": examples["score_1"].to_numpy(float),
        "same_quarter_last_year": examples["same_quarter_last_year"].to_numpy(float),
        "expanding_mean": examples["mean_score"].to_numpy(float),
    }
