"""Whether a champion needs to be trained again: for a stated reason, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.errors import SavedModelError
from src.json_object import JsonObject
from src.services.features.drift import drift
from src.services.modelling import model_files
from src.services.modelling.saved_model_checks import SavedVersion
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService

NEW_CONCERTS, NEW_SHARE = 500, 0.10
OLDEST_DAYS = 30
MAX_ERROR, MIN_COVERAGE = 1.2, 0.85  # against the test error; of the 90 % interval
JUDGED_ROWS = 100  # fewer concerts show nothing about the error
# History and the calendar move by themselves.
_MOVING = ("prior", "competition", "years", "month", "weekday", "lead_days")


@dataclass(frozen=True)
class Need:
    """Whether to train, and every reason for it; `facts` are the numbers behind them."""

    reasons: tuple[str, ...]
    facts: JsonObject

    @property
    def is_needed(self) -> bool:
        """Tell whether there is a reason."""
        return bool(self.reasons)

    @property
    def text(self) -> str:
        """Return the reasons as one line."""
        return "; ".join(self.reasons) or _numbers(self.facts)


def retraining_need(
    saved: SavedVersion | None,
    provenance: JsonObject,
    completed: pd.DataFrame,
    until: pd.Timestamp | None,
) -> Need:
    """Compare the champion with the concerts that are over now.

    `provenance` is the champion's manifest: its data's as-of date and its test metrics. All
    rules are looked at, so that a report names each reason.
    """
    if saved is None:
        return Need(("there is no champion",), {})
    try:
        service = model_files.sales_service(saved.files)
    except SavedModelError as error:
        return Need((f"the champion cannot be read: {error.message}",), {})
    starts = pd.to_datetime(completed["starts_at"])
    as_of = pd.Timestamp(provenance.get("as_of") or pd.NaT)
    if as_of is pd.NaT or until is None:
        return Need(("it is not recorded which data the champion has learned from",), {})
    since = completed[starts > as_of]
    known, age = len(completed) - len(since), (until - as_of) / pd.Timedelta(days=1)
    facts: JsonObject = {"new_concerts": len(since), "known_concerts": known,
                         "age_days": round(age, 1)}  # fmt: skip
    reasons = []
    if len(since) >= NEW_CONCERTS or len(since) >= NEW_SHARE * max(known, 1):
        reasons.append(f"new data: {len(since):,} concerts are over since, {known:,} were known")
    if age > OLDEST_DAYS:
        reasons.append(f"age: the champion's data is {age:.0f} days older")
    if len(since) >= JUDGED_ROWS:
        service.remember(completed)
        reasons += _judged(service, saved, provenance, since, facts)
    return Need(tuple(reasons), facts)


def _judged(
    service: TicketSalesPredictionService,
    saved: SavedVersion,
    provenance: JsonObject,
    since: pd.DataFrame,
    facts: JsonObject,
) -> list[str]:
    rows = service.encode(since)
    predicted, actual = service.predict_frame(since), rows.sold
    middle, low, high = (predicted[name].to_numpy(float) for name in ("tickets", "low", "high"))
    mae = float(np.abs(middle - actual).mean())
    covered = float(((actual >= low) & (actual <= high)).mean())
    tested = float(provenance["test_metrics"]["mae"])
    reference = model_files.saved_json(saved.files, "ticket_sales", "reference_profile.json")
    moved = [
        row["feature"]
        for row in drift(reference, *rows.profile)["features"]
        if row["has_drifted"] and not any(word in row["feature"] for word in _MOVING)
    ]
    facts.update(mae=round(mae, 1), test_mae=round(tested, 1), coverage=round(covered, 3),
                 drifted=moved)  # fmt: skip
    reasons = []
    if mae > MAX_ERROR * tested:
        reasons.append(f"error: {mae:,.0f} tickets on concerts since, {tested:,.0f} when tested")
    if covered < MIN_COVERAGE:
        reasons.append(f"coverage: intervals hold {covered:.0%} of the concerts since")
    if moved:
        reasons.append(f"drift: {', '.join(moved[:5])}")
    return reasons


def _numbers(facts: JsonObject) -> str:
    days = round(facts["age_days"])
    age = f"the champion's data is {days:,} {'day' if days == 1 else 'days'} older"
    return f"{facts['new_concerts']:,} more concerts are over, and {age}" + (
        f", error {facts['mae']:,.0f} tickets" if "mae" in facts else ""
    )
