"""Trains and judges the ticket-sales model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.domain.judgement import passed_if
from src.errors import ModelError
from src.json_object import JsonObject
from src.services.arrays import Floats, Ints
from src.services.features.sales_encoder import EncodedRows, SalesEncoder
from src.services.model_evaluation_service import ModelEvaluationService, metrics
from src.services.modelling.known_world import limits, scores
from src.services.modelling.time_split import TimeSplit
from src.services.ticket_sales_prediction_service import (
    HIT_TOLERANCE,
    TicketSalesPredictionService,
)

GATES = {"coverage_low": 0.87, "coverage_high": 0.93, "quartile": 0.85, "ece": 0.05, "auc": 0.6}
THIS_MODEL = "GradientBoosting (this model)"
MAX_SAMPLED = 200  # points of a picture
MIN_GATED_ROWS = 1_000  # below, the gates' bands are narrower than chance


@dataclass
class TrainedSalesModel:
    """The service, the rows as it reads them, and what was measured."""

    service: TicketSalesPredictionService
    rows: EncodedSplit
    facts: JsonObject
    test: pd.DataFrame  # test rows with what is predicted
    finished: pd.DataFrame  # all rows of the split: the history of artists and venues


@dataclass(frozen=True)
class EncodedSplit:
    """A split's rows, each part encoded once."""

    train: EncodedRows
    calibration: EncodedRows
    test: EncodedRows

    @classmethod
    def of(cls, split: TimeSplit, encode: Callable[[pd.DataFrame], EncodedRows]) -> EncodedSplit:
        """Return the split encoded."""
        return cls(encode(split.train), encode(split.calibration), encode(split.test))


def baselines(split: TimeSplit, test: pd.DataFrame) -> dict[str, Floats]:
    """Return predictions that need no model, each in [0, capacity]."""
    train, capacity = split.train, test["capacity"].to_numpy(float)
    mean_share = (train["tickets_sold"] / train["capacity"]).mean()

    def share(values: pd.Series) -> Floats:
        return np.asarray(values.astype(float).fillna(mean_share).to_numpy() * capacity)

    return {
        "mean_of_training": np.full(len(test), float(train["tickets_sold"].mean())),
        "capacity_times_mean_sell_through": capacity * mean_share,
        "artist_history_times_capacity": share(test["artist_prior_sell_through"]),
        "venue_history_times_capacity": share(test["venue_prior_sell_through"]),
        "artists_last_show_times_capacity": share(_last_shares(split, test)),
    }


def _last_shares(split: TimeSplit, test: pd.DataFrame) -> pd.Series:
    """Return the sell-through of the artist's last show before each on-sale."""
    shows = pd.concat([split.train, split.calibration, split.test]).sort_values("starts_at")
    shows = shows.assign(last_share=shows["tickets_sold"] / shows["capacity"])
    asked = test.assign(place=np.arange(len(test))).sort_values("on_sale_at")
    found = pd.merge_asof(
        asked[["artist_id", "on_sale_at", "place"]],
        shows[["artist_id", "starts_at", "last_share"]],
        left_on="on_sale_at", right_on="starts_at", by="artist_id", allow_exact_matches=False,
    )  # fmt: skip
    return found.set_index("place")["last_share"].sort_index()


def train_sales_model(
    split: TimeSplit,
    truth: pd.DataFrame | None,
    *,
    random_state: int,
    coverage: float,
    extra: tuple[str, ...] = (),
) -> TrainedSalesModel:
    """Fit, calibrate and judge; raises ModelError where the target leaks.

    `extra` names further numeric columns to learn from: the leak test plants one.
    """
    service = TicketSalesPredictionService(random_state, coverage)
    rows = EncodedSplit.of(split, SalesEncoder.fit(split.train, extra).encode)
    finished = pd.concat([split.train, split.calibration, split.test])
    service.fit(rows.train).remember(finished).calibrate(rows.calibration)
    evaluation = ModelEvaluationService(random_state)
    facts, test = judge_sales_model(service, split, rows, truth, evaluation)
    leak = facts.get("ceiling") or {}
    if leak.get("is_leak"):
        error = ModelError(
            "the sales model exceeds the theoretical maximum: a feature leaks the target",
            where="test rows of the sales model",
            cause=f"R2 {facts['test_metrics']['r2']:.3f} against {leak['r2_oracle_realised']:.3f} "
            "of an oracle that uses every concert's true expected sales",
            hint="look at the first features of the importance table",
        )
        error.facts = facts
        raise error
    return TrainedSalesModel(service, rows, facts, test, finished)


def judge_sales_model(
    service: TicketSalesPredictionService,
    split: TimeSplit,
    rows: EncodedSplit,
    truth: pd.DataFrame | None,
    evaluation: ModelEvaluationService,
) -> tuple[JsonObject, pd.DataFrame]:
    """Return everything measured on the split, and the test rows with their predictions."""
    test = split.test.assign(**service.predict_columns(rows.test))
    actual, capacity = rows.test.sold, rows.test.capacity
    point = service.predict_points(rows.test)
    hit = np.abs(actual - test["tickets"]) <= HIT_TOLERANCE * test["tickets"]
    intervals = evaluation.calibration(
        actual, test["low"].to_numpy(), test["high"].to_numpy(), capacity, service.coverage
    )
    reliability = evaluation.reliability(hit.to_numpy(), test["confidence"].to_numpy(), capacity)
    facts: JsonObject = {
        "algorithm": "GradientBoostingRegressor",
        "target": "final tickets sold = demand cut at capacity, the mean",
        "rows": {"train": len(split.train), "calibration": len(split.calibration),
                 "test": len(split.test)},
        "test_from": str(split.test["starts_at"].min()),
        "test_metrics": evaluation.evaluate(actual, point),
        "train_metrics": evaluation.evaluate(
            rows.train.sold, service.predict_points(rows.train)
        ),
        "headline": {"model": scores(actual, capacity, service.distribution(rows.test))},
        "sell_out": evaluation.reliability(actual >= capacity, test["sell_out"].to_numpy()),
        "baselines": evaluation.against_baselines(actual, point, baselines(split, test)),
        "slices": _slices(split, actual, point),
        "intervals": intervals,
        "confidence": reliability,
        "gates": _gates(intervals, reliability, len(test), len(service.calibration.scores)),
        "test_predictions": _sampled(test),
    }  # fmt: skip
    if truth is not None:
        facts["ceiling"] = _ceiling(evaluation, test, actual, point, truth)
        finished = pd.concat([split.train, split.calibration, split.test])
        facts["headline"].update(limits(finished, test, truth, evaluation.random_state) or {})
    return facts, test


def _sampled(test: pd.DataFrame) -> list[dict[str, float]]:
    """Return a spread of the test concerts, small to large, for the report's picture."""
    ordered = test.sort_values("tickets", kind="stable")
    ranks = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), MAX_SAMPLED)).round())
    picked = ordered.iloc[ranks.astype(int)]
    return [
        {
            "expected": round(float(row["tickets"]), 1),
            "low": round(float(row["low"]), 1),
            "high": round(float(row["high"]), 1),
            "actual": float(row["tickets_sold"]),
            "confidence": round(float(row["confidence"]), 4),
        }
        for _, row in picked.iterrows()
    ]


def _ceiling(
    evaluation: ModelEvaluationService,
    test: pd.DataFrame,
    actual: Floats,
    point: Floats,
    truth: pd.DataFrame,
) -> JsonObject | None:
    known = truth.reindex(test["concert_id"])
    if known["mean"].isna().any():
        return None
    values = {name: known[name].to_numpy(float) for name in known.columns}
    found = evaluation.beats_ceiling(actual, point, values["mean"], values["variance"])
    explained = float(values["columns_mean"].var())
    noise = float(values["columns_variance"].mean())
    found["r2_columns_expected"] = explained / (explained + noise)
    found["share_of_columns_ceiling"] = metrics(actual, point)["r2"] / found["r2_columns_expected"]
    return found


def _slices(split: TimeSplit, actual: Floats, point: Floats) -> JsonObject:
    """Return metrics for artists and venues the training rows never saw."""
    found: JsonObject = {}
    for name in ("artist", "venue"):
        unseen = ~split.test[f"{name}_id"].isin(split.train[f"{name}_id"]).to_numpy()
        rows = int(unseen.sum())
        found[f"unseen_{name}"] = (
            metrics(actual[unseen], point[unseen]) if rows >= 10 else {"rows": rows}
        )
    return found


def _gates(
    intervals: JsonObject, reliability: JsonObject, rows: int, calibrated: int
) -> dict[str, JsonObject]:
    """Return each calibration gate: what it needs, what was found, whether it holds.

    What the share of few rows differs by chance is allowed: three standard errors, of the test rows
    and of the calibration rows that set the width; and for ECE half more than what ten bins of so
    many rows have on average.
    """
    quartile = min(intervals["by_capacity_quartile"])
    slack, quarter_slack = (
        3 * np.sqrt(0.09 / count + 0.09 / calibrated) for count in (rows, rows / 4)
    )
    low, high = min(GATES["coverage_low"], 0.9 - slack), max(GATES["coverage_high"], 0.9 + slack)
    least = min(GATES["quartile"], 0.9 - quarter_slack)
    most = max(GATES["ece"], 0.6 * np.sqrt(10 / rows))
    found = {
        "coverage": (f"{low:.3g} to {high:.3g}", intervals["coverage"],
                     low <= intervals["coverage"] <= high),
        "coverage_of_every_quartile": (f">= {least:.3g}", quartile, quartile >= least),
        "ece": (f"<= {most:.3g}", reliability["ece"], reliability["ece"] <= most),
        "auc": (f"> {GATES['auc']}", reliability["auc"], reliability["auc"] > GATES["auc"]),
    }  # fmt: skip
    is_judged = rows >= MIN_GATED_ROWS
    return {
        name: {
            "expected": expected,
            "found": value,
            "verdict": passed_if(bool(holds)) if is_judged else "skipped",
        }
        for name, (expected, value, holds) in found.items()
    }


FACTORS: Mapping[str, tuple[str, ...]] = {
    "venue size": ("capacity",),
    "artist popularity": ("popularity",),
    "artist's earlier shows": ("artist_id",),
    "venue's earlier shows": ("venue_id",),
    "price": ("base_price",),
    "genre": ("genre",),
    "city": ("city",),
    "venue type": ("venue_type",),
    "season and weekday": ("starts_at", "on_sale_at"),
    "lead time": ("lead_days",),
    "competition": ("city_competition",),
}


def importance_table(
    model: TrainedSalesModel, evaluation: ModelEvaluationService
) -> list[JsonObject]:
    """Return permutation importance on the test rows, most first.

    Columns that belong together are shuffled together; what is lost is mean error of sell-through,
    a share of capacity, because a few stadium nights decide the error in tickets.
    """
    test = model.rows.test
    batch, capacity = test.rows, test.capacity

    def loss(factor: str, order: Ints) -> float:
        names = [name for name in FACTORS[factor] if name in batch.columns]
        changed = batch.replacing({name: batch.columns[name][order] for name in names})
        point = model.service.predict_points(changed)
        return float(np.abs((point - test.sold) / capacity).mean())

    return evaluation.importance(loss, tuple(FACTORS), batch.rows)


def leaderboard(facts: JsonObject) -> list[JsonObject]:
    """Return the challengers' table, or else the model beside its baselines."""
    return facts.get("leaderboard") or [
        {"model": THIS_MODEL, **facts["test_metrics"]},
        *({"model": name, **found} for name, found in facts["baselines"].items()),
    ]


def challengers(model: TrainedSalesModel, random_state: int) -> list[JsonObject]:
    """Return a leaderboard of other learners on the same rows, with fit seconds."""
    import time

    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    from threadpoolctl import threadpool_limits

    train, test = model.rows.train, model.rows.test
    learned, asked = (_all_columns(model.service, rows) for rows in (train, test))
    board = [{"model": THIS_MODEL, "fit_seconds": None,
              **metrics(test.sold, model.service.predict_points(test))}]  # fmt: skip
    for name, estimator in (
        ("HistGradientBoosting-Poisson", HistGradientBoostingRegressor(
            loss="poisson", max_iter=300, learning_rate=0.05, max_leaf_nodes=15,
            random_state=random_state)),
        ("RandomForest", RandomForestRegressor(
            200, min_samples_leaf=3, max_features=0.5, n_jobs=2, random_state=random_state)),
        ("Dummy (mean)", DummyRegressor()),
        ("Dummy (median)", DummyRegressor(strategy="median")),
    ):  # fmt: skip
        started = time.monotonic()
        with threadpool_limits(1, "openmp"):
            predicted = estimator.fit(learned, train.sold).predict(asked)
        seconds = round(time.monotonic() - started, 3)
        board.append({"model": name, "fit_seconds": seconds,
                      **metrics(test.sold, np.clip(predicted, 0, test.capacity))})  # fmt: skip
    return sorted(board, key=lambda row: float(row["mae"]))


def _all_columns(service: TicketSalesPredictionService, rows: EncodedRows) -> Floats:
    """Return all that the model sees of rows, for learners without a linear start."""
    found = service.fitted.columns(rows).matrix
    return np.column_stack([found, *rows.numbers.values()])
