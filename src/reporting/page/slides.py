"""The charts of a training run as SVG files of their own, for slides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from src.json_object import JsonView
from src.reporting.page import charts
from src.reporting.page.training_view import SHOWN_FEATURES, reliability_chart, scatter_chart
from src.reporting.run_report import write_atomically

_STYLE = Path(__file__).parent / "templates" / "style.css"


def write_slides(folder: Path, model: JsonView, leaderboard: Sequence[JsonView]) -> list[str]:
    """Write the sales model's charts; returns the paths of the files."""
    errors = [(str(row["model"]), float(row["mae"]), f"R² {row['r2']:.3f}") for row in leaderboard]
    losses = [
        (
            str(row["feature"]),
            100 * float(row["mean"]),
            f"± {100 * row['sd']:.1f}" + (", not significant" if row["is_zero"] else ""),
        )
        for row in model["importance"][:SHOWN_FEATURES]
    ]
    drawings = {
        "predicted_actual": scatter_chart(model["test_predictions"], "tickets"),
        "calibration": reliability_chart(model["confidence"]["table"]),
        "importance": charts.bars("Permutation importance", losses,
                                  "points of sell-through, error added when shuffled"),
        "leaderboard": charts.bars("Errors", sorted(errors, key=lambda row: row[1]),
                                   "mean absolute error, tickets"),
    }  # fmt: skip
    written = []
    for name, drawing in drawings.items():
        path = folder / f"{name}.svg"
        write_atomically(path, standalone(drawing))
        written.append(str(path))
    return written


def standalone(drawing: str) -> str:
    """Return a chart of the page as an SVG document, in the colors of the light theme.

    Office programs read no CSS variables: each stands as its value.
    """
    css = _STYLE.read_text(encoding="utf-8")
    colors = dict(re.findall(r"--(\w+): light-dark\((#\w+)", css))
    rules = " ".join(re.findall(r"svg [^{}]+\{[^{}]*\}", css.partition("@media")[0]))
    style = re.sub(r"var\(--(\w+)\)", lambda found: colors[found[1]], rules)
    opening = re.match(r'<svg (viewBox="0 0 (\d+) (\d+)"[^>]*)>', drawing)
    if opening is None:
        raise ValueError("the drawing is no chart of the page")
    attributes, width, height = opening.groups()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {attributes}>'
        f"<style>svg {{ font-family: sans-serif; }} {style}</style>"
        f'<rect width="{width}" height="{height}" fill="{colors["panel"]}"/>'
        f"{drawing[opening.end() :]}\n"
    )
