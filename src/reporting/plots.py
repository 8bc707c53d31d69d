"""Pictures of a training run, as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

_SHOWN_ROWS = 20  # a bin of fewer rows shows nothing
INK, ACCENT, SOFT = "#1f2933", "#2f6f9f", "#b8c4ce"


def training_plots(
    folder: Path,
    test: Any,
    sales: dict[str, Any],
    importance: list[dict[str, Any]],
    board: list[dict[str, Any]],
) -> list[str]:
    """Write predicted-against-actual, calibration, importance and leaderboard; return paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 11, "axes.edgecolor": INK, "axes.labelcolor": INK})
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    drawings: dict[str, tuple[Callable[[Any, Any], None], Any]] = {
        "predicted_actual": (_predicted, test),
        "calibration": (_calibration, sales["confidence"]),
        "importance": (_importance, importance),
        "leaderboard": (_leaderboard, board),
    }
    for name, (draw, data) in drawings.items():
        figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
        draw(axes, data)
        axes.spines[["top", "right"]].set_visible(False)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=120)
        plt.close(figure)
        written.append(str(path))
    return written


def _predicted(axes: Any, test: Any) -> None:
    shown = test.sample(min(len(test), 150), random_state=0).sort_values("tickets")
    actual, point = shown["tickets_sold"].clip(lower=1), shown["tickets"].clip(lower=1)
    low = (point - shown["low"].clip(lower=1)).clip(lower=0)
    high = (shown["high"] - point).clip(lower=0)
    axes.errorbar(point, point, yerr=[low, high], fmt="none", ecolor=SOFT, elinewidth=2,
                  label="90 % interval")  # fmt: skip
    axes.plot(point, actual, "o", color=ACCENT, ms=4, label="actual")
    limits = [max(min(point.min(), actual.min()), 1), max(point.max(), actual.max())]
    axes.plot(limits, limits, color=INK, lw=1, label="predicted")
    bottom = max(float(actual.min()) / 2, 1.0)
    axes.set(xscale="log", yscale="log", xlabel="predicted tickets", ylabel="tickets sold")
    axes.set(ylim=(bottom, None), title="Predicted against actual, test concerts")
    axes.legend(frameon=False)


def _calibration(axes: Any, confidence: dict[str, Any]) -> None:
    table = confidence["table"]
    table = [row for row in table if row["rows"] >= _SHOWN_ROWS]
    said = [row["confidence"] for row in table]
    was = [row["hit_rate"] for row in table]
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, label="perfect")
    axes.plot(said, was, "o-", color=ACCENT, label="model")
    for row in table:
        place = (row["confidence"], row["hit_rate"])
        axes.annotate(str(row["rows"]), place, textcoords="offset points", xytext=(6, -12))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted confidence", ylabel="share within 20 %")
    axes.set(title=f"Confidence: ECE {confidence['ece']:.3f}, AUC {confidence['auc']:.2f}")
    axes.legend(frameon=False, loc="upper left")


def _importance(axes: Any, importance: list[dict[str, Any]]) -> None:
    rows = importance[:14][::-1]
    colors = [SOFT if row["is_zero"] else ACCENT for row in rows]
    axes.barh([row["feature"] for row in rows], [row["mean"] for row in rows],
              xerr=[row["sd"] for row in rows], color=colors, ecolor=INK)  # fmt: skip
    axes.set(xlabel="R2 lost when shuffled (grey: not distinguishable from 0)",
             title="Permutation importance, test concerts")  # fmt: skip


def _leaderboard(axes: Any, board: list[dict[str, Any]]) -> None:
    rows = sorted(board, key=lambda row: -float(row["mae"]))
    colors = [ACCENT if "this model" in row["model"] else SOFT for row in rows]
    axes.barh([row["model"] for row in rows], [row["mae"] for row in rows], color=colors)
    for index, row in enumerate(rows):
        axes.text(row["mae"], index, f" R2 {row['r2']:.3f}", va="center", color=INK, fontsize=9)
    axes.margins(x=0.15)
    axes.set(xlabel="mean absolute error, tickets", title="This model against baselines")
