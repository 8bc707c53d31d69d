"""A model's card: what it is for, how it was judged, and where it fails; in Markdown."""

from __future__ import annotations

from src.json_object import JsonObject

LIMITS = {
    "ticket_sales": (
        "- Demand beyond capacity is inferred: no sale shows it.\n"
        "- Artists without history get wider intervals; see the unseen slices.\n"
        "- The point is a mean: for a few stadium shows it is far from the middle case.\n"
        "- Intervals and confidence hold for concerts like those of the calibration window."
    ),
    "venue_popularity": (
        "- The score is a formula, not an opinion; the model only forecasts its next value.\n"
        "- What is booked for the next quarter counts most; late bookings are not foreseen.\n"
        "- Venues with fewer than four quarters of history get no forecast."
    ),
}


def model_card(name: str, facts: JsonObject, provenance: JsonObject) -> str:
    """Return the card of one version."""
    test, rows = facts["test_metrics"], facts["rows"]
    lines = [
        f"# Model card: {name}",
        "",
        f"{facts['algorithm']}; predicts {facts['target']}.",
        f"Trained on data set {provenance['dataset_id']} (as of {provenance['as_of']}), random "
        f"state {provenance['random_state']}.",
        "",
        "## Intended use",
        "",
        "Demonstration on the concert data of this project. Not for decisions about real tours.",
        "",
        "## How it was judged",
        "",
        f"Split by time: {rows['train']:,} rows to train, {rows['calibration']:,} later ones to "
        f"calibrate, the newest {rows['test']:,} to test.",
        "",
        "| predictor | MAE | R2 | the model is |",
        "| --- | --- | --- | --- |",
        f"| this model | {test['mae']:.2f} | {test['r2']:.3f} | |",
    ]
    for baseline, found in facts["baselines"].items():
        verdict = found["model_is"]["verdict"]
        lines.append(f"| {baseline} | {found['mae']:.2f} | {found['r2']:.3f} | {verdict} |")
    low, high = test["interval_95"]["r2"]
    lines += ["", f"95 % interval of R2: {low:.3f} to {high:.3f}. Bias {test['bias']:+.1%}."]
    for limit in ("columns", "knowable", "oracle"):
        found = facts.get("headline", {}).get(limit)
        if found:
            lines.append(
                f"Limit ({limit}): MAE {found['mae']:.1f}, CRPS {found['crps']:.1f}, sell-through "
                f"R2 {found['sell_through_r2']:.3f}, R2 {found['r2']:.3f}."
            )
    coverage = facts["intervals"]
    quartiles = ", ".join(f"{value:.2f}" for value in coverage["by_capacity_quartile"])
    lines += [
        f"Intervals held {coverage['coverage']:.1%} of outcomes; by capacity quartile {quartiles}.",
        "",
        "## Limits",
        "",
        LIMITS[name],
        "",
    ]
    return "\n".join(lines)
