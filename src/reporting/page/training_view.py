"""What the page of a training run shows beyond the common parts, as plain text and shares."""

from __future__ import annotations

from markupsafe import Markup

from src.json_object import JsonObject
from src.reporting.figures import count, decimal, interval, percent, tile
from src.reporting.page import charts
from src.reporting.page.errors_view import errors_view
from src.reporting.wording import LIMITS, candidate_words

_NAMES = {
    "ticket_sales_prediction": ("Ticket sales", "tickets", 1),
    "venue_popularity": ("Venue popularity", "points", 2),
}
_SHOWN_ROWS = 20  # a bin of fewer rows shows nothing
SHOWN_FEATURES = 14


def training_view(facts: JsonObject) -> JsonObject:
    """Return the page's values; what a run did not reach is empty."""
    models = {key: facts["models"][key] for key in _NAMES if key in facts["models"]}
    coverage = facts["arguments"]["coverage"]
    views = [_model(key, model, coverage) for key, model in models.items()]
    samples = facts.get("sample_predictions", [])
    failed = [c for view in views for c in view["checks"] if c["verdict"] == "failed"]
    return {
        "tiles": _tiles(models, coverage),
        "models": views,
        "coverage": percent(coverage),
        "concerts": [_concert(s) for s in samples if "expected_tickets" in s],
        "venues": [_venue(s) for s in samples if "forecast" in s],
        "curves": _curves(samples),
        "concerts_by": candidate_words(samples, "expected_tickets"),
        "venues_by": candidate_words(samples, "forecast"),
        "failed_checks": failed,
    }


def _tiles(models: dict[str, JsonObject], coverage: float) -> list[dict[str, str]]:
    tiles = []
    for key, model in models.items():
        name, unit, places = _NAMES[key]
        test = model["test_metrics"]
        tiles.append(tile(decimal(test["mae"], places), f"{name}: mean error, {unit}"))
        tiles.append(tile(decimal(test["r2"], 3), f"{name}: R²"))
        beaten = [b["model_is"]["verdict"] == "better" for b in model["baselines"].values()]
        tone = "good" if all(beaten) else "bad"
        tiles.append(tile(f"{sum(beaten)} / {len(beaten)}", f"{name}: baselines beaten", tone))
        held = percent(model["intervals"]["coverage"], 1)
        tiles.append(tile(held, f"{name}: inside the {percent(coverage)} interval"))
    return tiles


def _model(key: str, model: JsonObject, coverage: float) -> JsonObject:
    name, unit, _ = _NAMES[key]
    checks = model.get("checks") or [
        {"name": f"gate: {gate.replace('_', ' ')}", **found, "found": decimal(found["found"], 3)}
        for gate, found in model.get("gates", {}).items()
    ]
    saved = f"Saved as version {model['version']}" if model["saved"] else "Not saved"
    if model.get("role") == "candidate":
        saved += f", a candidate: not promoted ({model['decision']})"
    points = model.get("test_predictions", [])
    return {
        "key": key,
        "name": name,
        "about": f"{model['algorithm']}: {model['target']}. {saved}.",
        "test_rows": count(model["test_metrics"]["rows"]),
        "board": _board(model),
        "notes": _notes(model),
        "limits": _limits(model),
        "scatter": scatter_chart(points, unit) if points else "",
        "scatter_note": f"{len(points)} test concerts: points are the tickets sold, lines are the "
        f"{percent(coverage)} intervals; open markers are outside of their interval. "
        "On the dashed line the prediction was exact.",
        **_confidence(model.get("confidence")),
        "importance": _importance(model.get("importance", [])),
        "errors": errors_view(model.get("errors")),
        "checks": checks,
        "checks_title": _checks_title(checks),
    }


def _checks_title(checks: list[JsonObject]) -> str:
    is_saved = any(check["name"].startswith("golden") for check in checks)
    return "Checks of the saved model" if is_saved else "Gates and checks"


def _board(model: JsonObject) -> list[JsonObject]:
    rows: list[JsonObject] = [{"name": "this model", "is_ours": True, **model["test_metrics"]}]
    for name, found in model["baselines"].items():
        rows.append({"name": name.replace("_", " "), "is_ours": False, **found})
    for found in model.get("leaderboard", []):
        if "this model" not in found["model"] and found["model"] not in model["baselines"]:
            rows.append({"name": found["model"], "is_ours": False, **found})
    rows.sort(key=lambda row: float(row["mae"]))
    worst = rows[-1]["mae"] or 1.0
    return [
        {
            "name": row["name"],
            "is_ours": row["is_ours"],
            "mae": decimal(row["mae"], 1),
            "r2": decimal(row["r2"], 3),
            "verdict": (row.get("model_is") or {}).get("verdict", ""),
            "share": row["mae"] / worst,
        }
        for row in rows
    ]


def _notes(model: JsonObject) -> list[str]:
    test, headline = model["test_metrics"], model.get("headline", {})
    low, high = test["interval_95"]["mae"]
    notes = [
        f"Mean error {decimal(test['mae'], 1)}, 95 % interval {decimal(low, 1)} to "
        f"{decimal(high, 1)}; R² {test['r2']:.3f}, {interval(test['interval_95']['r2'], 3)}."
    ]
    if "knowable" in headline:
        knowable, oracle = headline["knowable"], headline["oracle"]
        notes.append(
            f"Nothing that is known at on-sale predicts better than a mean error of "
            f"{decimal(knowable['mae'], 1)} (CRPS {decimal(knowable['crps'], 1)}, R² "
            f"{knowable['r2']:.3f}): it uses the generator's formula and each artist's earlier "
            f"shows. The R² of an oracle that sees the hidden effects too is "
            f"{oracle['r2']:.3f}, and varies by {oracle['r2_sd']:.3f} from one draw of the same "
            "shows to another. Above the oracle is target leakage, and the run fails."
        )
    if "columns" in headline:
        columns = headline["columns"]
        is_above = test["r2"] > columns["r2"]
        notes.append(
            f"Why {'is' if is_above else 'may'} the model {'' if is_above else 'be '}better than "
            f"the limit “columns” (R² {columns['r2']:.3f})? That limit uses one show's "
            "columns only: artist, venue, date, price. The model also remembers how the artist's "
            "and the venue's earlier shows sold, which tells more than the popularity column. It "
            "stays below “knowable”, which uses both."
        )
    booked = model.get("booked_venues")
    if booked and "mae" in booked:
        plain = booked["mean_by_booked_count"]
        notes.append(
            f"Whether a show is booked explains most of R². Among the {count(booked['rows'])} "
            f"venue-quarters with one, the mean error is {decimal(booked['mae'], 2)} (R² "
            f"{booked['r2']:.3f}); the mean by booked count has {decimal(plain['mae'], 2)} "
            f"({plain['r2']:.3f})."
        )
    return notes


def _limits(model: JsonObject) -> list[JsonObject]:
    """Return the model beside the limits of the generated data, where they are known."""
    found = model.get("headline", {})
    if len(found) < 2:
        return []
    words = {"model": "what was trained", **LIMITS}
    return [
        {
            "name": name,
            "words": words[name],
            "mae": decimal(found[name]["mae"], 1),
            "crps": decimal(found[name]["crps"], 1),
            "sell_through_r2": decimal(found[name]["sell_through_r2"], 3),
            "r2": decimal(found[name]["r2"], 3),
        }
        for name in words
        if name in found
    ]


def _confidence(found: JsonObject | None) -> JsonObject:
    if not found:
        return {"reliability": "", "reliability_note": ""}
    return {
        "reliability": reliability_chart(found["table"]),
        "reliability_note": "Confidence is the probability to be within 20 % of the prediction, "
        "for venues within 10 points. "
        "On the dashed line the confidence is perfectly calibrated. Numbers: test concerts. "
        f"Expected calibration error {found['ece']:.3f}, AUC {found['auc']:.2f}.",
    }


def scatter_chart(points: list[dict[str, float]], unit: str) -> Markup:
    """Return the chart of predictions against actual values."""
    return charts.predictions("Predicted against actual", points, unit)


def reliability_chart(table: list[dict[str, float]]) -> Markup:
    """Return the chart of confidence against the share of correct predictions."""
    shown = [row for row in table if row["rows"] >= _SHOWN_ROWS]
    return charts.reliability("Confidence against what happened", shown)


def _importance(rows: list[JsonObject]) -> list[JsonObject]:
    top = max((row["mean"] for row in rows), default=1.0) or 1.0
    return [
        {
            "feature": row["feature"],
            "lost": f"{100 * row['mean']:.1f} ± {100 * row['sd']:.1f}",
            "share": max(row["mean"], 0.0) / top,
            "is_zero": row["is_zero"],
        }
        for row in rows[:SHOWN_FEATURES]
    ]


def _concert(sample: JsonObject) -> JsonObject:
    price = f"${sample['base_price']:,.2f}" if sample["base_price"] is not None else "no price"
    return {
        "scenario": sample["scenario"],
        "about": f"{sample['genre']}, {sample['city']}, {count(sample['capacity'])} seats, "
        f"{price}, {sample['starts_at'][:16]}",
        "expected": count(sample["expected_tickets"]),
        "instead": count(sample["instead_of_tickets"]) if "instead_of_tickets" in sample else "",
        "interval": interval(sample["interval"]),
        "confidence": percent(sample["confidence"]),
        "share": sample["expected_tickets"] / sample["capacity"],
        "moved_by": ", ".join(f"{m['factor']} {m['tickets']:+,.0f}" for m in sample["moved_by"]),
    }


def _curves(samples: list[JsonObject]) -> list[JsonObject]:
    """Return the charts of the concert whose price and pace were looked at."""
    found = []
    for sample in samples:
        prices, full = sample.get("price_curve", []), sample.get("full_by", [])
        if prices:
            chart = charts.curve("Expected tickets by price", [
                (one["price"], one["tickets"],
                 f"${one['price']:,.2f}: {one['tickets']:,.0f} tickets, sold out with "
                 f"{percent(one['sell_out'])}")
                for one in prices
            ], "price, dollars")  # fmt: skip
            low, high = prices[0], prices[-1]
            note = (f"{count(low['tickets'])} tickets at ${low['price']:,.2f}, "
                    f"{count(high['tickets'])} at ${high['price']:,.2f}.")  # fmt: skip
            found.append({"title": "What if it costs more?", "chart": chart, "note": note})
        if full:
            chart = charts.curve("Sold out by then, %", [
                (one["days_before"], 100 * one["probability"],
                 f"{one['days_before']} days before: {percent(one['probability'])}")
                for one in full
            ], "days before the show")  # fmt: skip
            found.append({"title": "When does it sell out?", "chart": chart, "note": _full(full)})
    return found


def _full(full: list[JsonObject]) -> str:
    """Return in words when a concert is full at the usual pace."""
    likely = [one["days_before"] for one in full if one["probability"] >= 0.5]
    at_last = percent(full[-1]["probability"])
    if not likely:
        return f"At the usual pace it stays below its capacity; it is full with {at_last}."
    when = f"{max(likely)} days before the show" if max(likely) else "on the day of the show"
    return f"At the usual pace it is more likely full than not {when}, and with {at_last} at last."


def _venue(sample: JsonObject) -> JsonObject:
    return {
        "name": sample["name"],
        "city": sample["city"],
        "score": decimal(sample["score"], 1),
        "forecast": decimal(sample["forecast"], 1),
        "interval": interval(sample["interval"], 1),
        "share": sample["forecast"] / 100,
    }
