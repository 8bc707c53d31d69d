"""A champion is trained again for a stated reason, and for none it is not."""

import json
from dataclasses import dataclass

import pandas as pd
import pytest

from src.services.features.drift import profile
from src.services.modelling import model_files
from src.services.modelling.retraining_need import retraining_need
from tests.unit.modelling.sales_rows import sales_rows, small_sales_model

ROWS = sales_rows(1_500)
AS_OF = ROWS["starts_at"].iloc[1_300]


@dataclass(frozen=True)
class Saved:
    files: dict[str, bytes]
    version: int = 1


@pytest.fixture(scope="module")
def saved():
    service = small_sales_model()
    rows = service.encode(sales_rows(350))
    files = dict(model_files.sales_files(service))
    reference = profile(*rows.profile)
    return Saved({**files, "reference_profile.json": json.dumps(reference).encode()})


def need(saved, rows=ROWS, *, mae=1e9, later_days=5):
    facts = {"as_of": str(AS_OF), "test_metrics": {"mae": mae}}
    return retraining_need(saved, facts, rows, AS_OF + pd.Timedelta(days=later_days))


def reasons(found):
    return {reason.split(":")[0] for reason in found.reasons}


def test_the_same_data_gives_no_reason(saved):
    found = need(saved, ROWS[ROWS["starts_at"] <= AS_OF], later_days=0)
    assert not found.is_needed and found.text.startswith("0 more concerts are over")


def test_each_reason_is_named(saved):
    few = ROWS[:1_380]  # fewer than are judged
    assert need(saved, few).reasons == ()
    assert reasons(need(saved, few, later_days=31)) == {"age"}
    assert "new data" in reasons(need(saved))
    assert "error" in reasons(need(saved, mae=1.0)) and "error" not in reasons(need(saved))
    lucky = ROWS.copy()
    lucky["tickets_sold"] = lucky["capacity"] * 9 // 10
    assert "coverage" in reasons(need(saved, lucky))


def test_drift_of_a_price_is_a_reason_and_of_the_calendar_is_none(saved):
    many = pd.concat([ROWS, ROWS[-200:].assign(starts_at=AS_OF + pd.Timedelta(days=1))])
    later = many["starts_at"] > AS_OF
    dear = many.assign(base_price=many["base_price"].where(~later, many["base_price"] * 9))
    found = need(saved, dear)
    assert any(r.startswith("drift: ") and "log_price" in r for r in found.reasons)
    moved = need(saved, many).facts["drifted"]
    assert not [name for name in moved if name in ("years", "month", "weekday", "lead_days")]


def test_no_champion_and_one_that_cannot_be_read_are_reasons(saved):
    assert need(None).reasons == ("there is no champion",)
    (reason,) = need(Saved({**saved.files, "state.json": b"{}"})).reasons
    assert reason.startswith("the champion cannot be read")
