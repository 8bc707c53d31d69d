"""Judges models: metrics with intervals, baselines, ceilings, calibration, importance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from src.json_object import JsonObject
from src.services.arrays import Floats, Ints

Verdict = Literal["better", "worse", "indistinguishable"]
RESAMPLES = 1000


def metrics(actual: Floats, predicted: Floats) -> dict[str, float]:
    """Return MAE, RMSE, R2 and bias (mean error as a share of the mean; + is too high)."""
    error = predicted - actual
    total = float(((actual - actual.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / total if total > 0 else 0.0,
        "bias": float(error.sum() / actual.sum()) if actual.sum() else 0.0,
        "rows": len(actual),
    }


@dataclass
class ModelEvaluationService:
    """Evaluates predictions; every random draw comes from `random_state`."""

    random_state: int = 42
    resamples: int = RESAMPLES

    def evaluate(self, actual: Floats, predicted: Floats) -> JsonObject:
        """Return the metrics with 95 % bootstrap intervals of MAE, RMSE and R2."""
        found: JsonObject = metrics(actual, predicted)
        square, absolute = (predicted - actual) ** 2, np.abs(predicted - actual)
        samples = np.empty((self.resamples, 3))
        for i, draw in enumerate(self._resamples(len(actual))):
            error = float(square[draw].mean())
            spread = float(actual[draw].var())
            samples[i] = absolute[draw].mean(), error**0.5, 1.0 - error / max(spread, 1e-12)
        names = ("mae", "rmse", "r2")
        found["interval_95"] = {n: _interval(samples[:, i]) for i, n in enumerate(names)}
        return found

    def compare(self, actual: Floats, candidate: Floats, reference: Floats) -> JsonObject:
        """Compare two predictions of the same rows by paired bootstrap of the MAE difference.

        `mae_difference` is positive where the candidate is better.
        """
        gain = np.abs(reference - actual) - np.abs(candidate - actual)
        means = [gain[draw].mean() for draw in self._resamples(len(actual))]
        low, high = _interval(np.array(means))
        verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "indistinguishable"
        return {"mae_difference": float(gain.mean()), "interval_95": [low, high],
                "verdict": verdict}  # fmt: skip

    def against_baselines(
        self, actual: Floats, predicted: Floats, baselines: Mapping[str, Floats]
    ) -> JsonObject:
        """Return each baseline's metrics and how the model compares with it."""
        return {
            name: {**metrics(actual, values), "model_is": self.compare(actual, predicted, values)}
            for name, values in baselines.items()
        }

    def beats_ceiling(
        self, actual: Floats, predicted: Floats, mean: Floats, variance: Floats
    ) -> JsonObject:
        """Compare with the oracle, which uses each row's true expected value.

        Only chance lets a model exceed the oracle: on the same rows its squared error is compared
        with the model's, paired, so that rows which were easy for both do not count. A gain
        beyond three standard errors is a leak.
        """
        gain = (mean - actual) ** 2 - (predicted - actual) ** 2
        error = float(gain.std() / np.sqrt(len(gain)))
        explained, noise = float(mean.var()), float(variance.mean())
        return {
            "r2_oracle_expected": explained / (explained + noise),
            "r2_oracle_realised": metrics(actual, mean)["r2"],
            "gain_in_standard_errors": float(gain.mean() / error) if error > 0 else 0.0,
            "is_leak": bool(gain.mean() > 3 * error),
        }

    def calibration(
        self, actual: Floats, low: Floats, high: Floats, capacity: Floats, coverage: float = 0.9
    ) -> JsonObject:
        """Return the intervals' coverage, in all and by capacity quartile, width and Winkler score.

        The score is the width, plus what is missed times 2 / (1 - coverage); lower is better.
        """
        inside = (actual >= low) & (actual <= high)
        missed = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
        quartile = _quartiles(capacity)
        return {
            "coverage": float(inside.mean()),
            "mean_width": float((high - low).mean()),
            "winkler": float((high - low + missed * 2 / (1 - coverage)).mean()),
            "by_capacity_quartile": [
                float(inside[quartile == q].mean()) for q in range(4) if (quartile == q).any()
            ],
        }

    def reliability(
        self, hit: npt.NDArray[np.bool_], confidence: Floats, capacity: Floats | None = None
    ) -> JsonObject:
        """Return ECE (ten bins), Brier score and AUC of a probability of being right.

        With `capacity`, also the predicted and observed shares in each of its quartiles.
        """
        edges = np.clip((confidence * 10).astype(int), 0, 9)
        table, ece = [], 0.0
        for b in range(10):
            chosen = edges == b
            if chosen.any():
                said, was = float(confidence[chosen].mean()), float(hit[chosen].mean())
                table.append({"confidence": said, "hit_rate": was, "rows": int(chosen.sum())})
                ece += abs(said - was) * float(chosen.mean())
        found: JsonObject = {
            "ece": ece,
            "brier": float(((confidence - hit) ** 2).mean()),
            "auc": _auc(hit, confidence),
            "table": table,
        }
        if capacity is not None:
            quartile = _quartiles(capacity)
            found["by_capacity_quartile"] = [
                {
                    "confidence": float(confidence[quartile == q].mean()),
                    "hit_rate": float(hit[quartile == q].mean()),
                }
                for q in range(4)
                if (quartile == q).any()
            ]
        return found

    def importance(
        self,
        loss: Callable[[str, Ints], float],
        factors: Sequence[str],
        rows: int,
        repeats: int = 5,
    ) -> list[JsonObject]:
        """Return permutation importance by factor: what is lost when it is shuffled, most first.

        `loss` gets a factor and the order that its values are put in. A factor whose mean is within
        two standard deviations of zero is marked so.
        """
        rng = np.random.default_rng(self.random_state)
        base = loss(factors[0], np.arange(rows))
        found = []
        for factor in factors:
            losses = [loss(factor, rng.permutation(rows)) - base for _ in range(repeats)]
            mean, sd = float(np.mean(losses)), float(np.std(losses, ddof=1))
            is_zero = bool(mean <= 2 * sd)
            found.append({"feature": factor, "mean": mean, "sd": sd, "is_zero": is_zero})
        return sorted(found, key=lambda row: -float(row["mean"]))

    def _resamples(self, rows: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the same draws for the same number of rows, one at a time: rows may be many."""
        rng = np.random.default_rng(self.random_state)
        for _ in range(self.resamples):
            yield rng.integers(0, rows, rows)


def _quartiles(capacity: Floats) -> npt.NDArray[np.int64]:
    return np.searchsorted(np.quantile(capacity, [0.25, 0.5, 0.75]), capacity)


def _interval(values: Floats) -> list[float]:
    return [float(v) for v in np.quantile(values, [0.025, 0.975])]


def _auc(hit: npt.NDArray[np.bool_], score: Floats) -> float:
    from scipy.stats import rankdata

    positive, negative = int(hit.sum()), int((~hit).sum())
    if not positive or not negative:
        return 0.5
    ranks = rankdata(score)
    return float((ranks[hit].sum() - positive * (positive + 1) / 2) / (positive * negative))
