"""Both services, from Python: bounds, notes, refusals, and no look into the future."""

import numpy as np
import pandas as pd
import pytest

from src.errors import ModelError, SavedModelError, UsageError
from src.services.features.drift import drift, profile
from src.services.modelling import model_files, saved_trees
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
from src.services.venue_popularity_service import (
    ScoreScale,
    VenuePopularityService,
    popularity_score,
)
from tests.unit.modelling.sales_rows import sales_rows

SHOW = {"capacity": 800, "starts_at": "2025-03-07 20:00:00", "popularity": 55, "base_price": 40,
        "genre": "rock", "city": "Oslo", "lead_days": 60}  # fmt: skip


@pytest.fixture(scope="module")
def sales():
    rows = sales_rows(900)
    return TicketSalesPredictionService(7).fit(rows[:600]).calibrate(rows[600:])


def test_predictions_lie_between_nothing_and_capacity(sales):
    found = sales.predict_frame(sales_rows(300, seed=5))
    capacity = sales_rows(300, seed=5)["capacity"]
    assert (found["low"] <= found["tickets"]).all() and (found["tickets"] <= found["high"]).all()
    assert (found["low"] >= 0).all() and (found["high"] <= capacity).all()
    assert found["confidence"].between(0, 1).all()


def test_a_record_is_predicted_as_its_row(sales):
    rows = sales_rows(20, seed=6)
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    found = [p.tickets for p in sales.predict(records)]
    assert found == pytest.approx(sales.predict_frame(rows)["tickets"].tolist())
    assert sales.predict([]) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [({"capacity": 0}, "capacity"), ({"capacity": None}, "capacity"),
     ({"popularity": 101}, "popularity"), ({"base_price": -1}, "base_price"),
     ({"starts_at": None}, "starts_at")],
)  # fmt: skip
def test_what_is_out_of_range_is_refused_by_field(sales, change, word):
    with pytest.raises(UsageError, match=word):
        sales.predict([{**SHOW, **change}])


def test_same_state_same_model():
    rows = sales_rows(300)
    models = (TicketSalesPredictionService(3).fit(rows[:200]) for _ in "ab")
    points = [model.calibrate(rows[200:]).predict_points(rows[200:]) for model in models]
    assert (points[0] == points[1]).all()


def test_encoded_rows_are_fitted_calibrated_and_predicted_as_the_rows(sales):
    rows, later = sales_rows(900), sales_rows(60, seed=9)
    encoder = sales.fitted.encoder
    again = TicketSalesPredictionService(7).fit(encoder.encode(rows[:600]))
    again.calibrate(encoder.encode(rows[600:]))
    for name, column in again.predict_columns(again.encode(later)).items():
        assert (column == sales.predict_frame(later)[name]).all()
    with pytest.raises(UsageError, match="encoded for another model"):
        TicketSalesPredictionService(7).fit(rows[:300]).calibrate(encoder.encode(rows[600:]))


def test_what_is_not_fitted_yet_names_what_to_call(sales):
    fitted = TicketSalesPredictionService(7, 0.9, sales.model_)
    for service, call in ((TicketSalesPredictionService(), "fit"), (fitted, "calibrate")):
        with pytest.raises(UsageError) as caught:
            service.predict([SHOW])
        assert caught.value.hint == f"call {call} first"
    with pytest.raises(UsageError) as caught:
        VenuePopularityService().examples(pd.DataFrame())
    assert caught.value.hint == "call fit_scale first"


def test_a_target_that_never_varies_is_refused():
    with pytest.raises(ModelError, match="same number of tickets"):
        TicketSalesPredictionService().fit(sales_rows(100).assign(tickets_sold=5))


# -- files -----------------------------------------------------------------------------------


def test_a_saved_model_predicts_the_same(sales):
    again = model_files.sales_service(model_files.sales_files(sales))
    rows = sales_rows(50, seed=8)
    pd.testing.assert_frame_equal(again.predict_frame(rows), sales.predict_frame(rows))


def test_types_that_are_not_ours_are_refused(sales):
    from sklearn.preprocessing import FunctionTransformer
    from skops.io import dumps

    files = model_files.sales_files(sales)
    files["trees.skops"] = dumps(FunctionTransformer(func=np.linalg.norm))
    with pytest.raises(SavedModelError, match="not allowed"):
        saved_trees.reopened(files, "trees.skops")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"junk"])
def test_a_truncated_model_is_refused(sales, damage):
    files = model_files.sales_files(sales)
    for name in ("trees.skops", "model.npz"):
        files[name] = damage(files[name])
    with pytest.raises(SavedModelError, match="cannot be read"):
        saved_trees.reopened(files, "trees.skops")
    with pytest.raises(SavedModelError, match="cannot be used"):
        model_files.sales_service(files)


def test_another_schema_version_is_refused(sales):
    files = model_files.sales_files(sales)
    files["state.json"] = files["state.json"].replace(
        b'"schema_version": 4', b'"schema_version": 9'
    )
    with pytest.raises(SavedModelError, match="schema version 9"):
        model_files.sales_service(files)


# -- venues ----------------------------------------------------------------------------------


def quarters(venues=6, count=12, seed=0):
    rng = np.random.default_rng(seed)
    starts = pd.date_range("2022-01-01", periods=count, freq="QS")
    rows = [
        {"venue_id": str(v), "name": f"V{v}", "city": "Bonn", "venue_type": "club",
         "capacity": 100 * (v + 1), "quarter": q, "concerts": int(rng.integers(1, 5)),
         "tickets": float(rng.integers(50, 90 * (v + 1))), "revenue": float(rng.integers(1, 9999)),
         "booked": 1.0, "booked_popularity": 40.0, "booked_price": 30.0}
        for v in range(venues) for q in starts
        if rng.random() < 0.8
    ]  # fmt: skip
    return pd.DataFrame(rows), starts


def test_the_score_is_the_documented_formula():
    scale = ScoreScale(revenue=np.e**2 - 1, bookings=4)
    revenue = [0, np.e**2 - 1, np.e - 1]
    panel = pd.DataFrame(
        {"capacity": 100, "concerts": [0, 4, 1], "tickets": [0, 400, 50], "revenue": revenue}
    )
    assert popularity_score(panel, scale) == pytest.approx([0, 100, 20 + 15 + 15])


def test_the_panel_has_every_venue_in_every_quarter():
    frame, starts = quarters()
    panel = VenuePopularityService.complete(frame, last_quarter=starts[-2])
    assert len(panel) == 6 * 11 and panel["concerts"].min() == 0


def test_features_of_a_quarter_do_not_change_with_its_future():
    frame, starts = quarters()
    service = VenuePopularityService()
    panel = service.complete(frame, last_quarter=starts[-1])
    service.fit_scale(panel)
    changed = panel.copy()
    changed.loc[changed["quarter"] > starts[6], ["tickets", "revenue", "concerts"]] *= 7
    names = list(service.feature_names())
    before, after = service.examples(panel), service.examples(changed)
    past = before["quarter"] <= starts[6]
    pd.testing.assert_frame_equal(before.loc[past, names], after.loc[past, names])


def test_the_target_is_the_next_quarters_score():
    frame, starts = quarters()
    service = VenuePopularityService()
    panel = service.complete(frame, last_quarter=starts[-1])
    examples = service.fit_scale(panel).examples(panel)
    one = examples[examples["venue_id"] == "2"].reset_index(drop=True)
    assert one["target"][:-1].tolist() == one["score_1"][1:].tolist()
    assert np.isnan(one["target"].iloc[-1])


def test_venues_are_ranked_by_score_and_by_forecast():
    frame, starts = quarters(venues=12)
    service = VenuePopularityService(1)
    panel = service.complete(frame, last_quarter=starts[-1])
    examples = service.fit_scale(panel).examples(panel)
    known = examples[examples["target"].notna()]
    service.fit(known).calibrate(known)
    for by in ("score", "forecast"):
        ranking = service.rank(panel, by=by)
        assert ranking["rank"].tolist() == list(range(1, 13))
        assert ranking[by].is_monotonic_decreasing
        assert ranking["low"].ge(0).all() and ranking["high"].le(100).all()
    with pytest.raises(ModelError, match="cannot rank by"):
        service.rank(panel, by="luck")
    again = model_files.venue_service(model_files.venue_files(service))
    pd.testing.assert_frame_equal(again.rank(panel), service.rank(panel))


def test_one_venue_is_too_few():
    frame, starts = quarters(venues=1)
    with pytest.raises(ModelError, match="too little history"):
        VenuePopularityService.complete(frame, last_quarter=starts[-1])


# -- drift -----------------------------------------------------------------------------------


def test_drift_is_seen_and_chance_is_not():
    rng = np.random.default_rng(0)
    reference = profile(rng.normal(size=(4000, 1)), ("x",))
    same = drift(reference, rng.normal(size=(300, 1)), ("x",))
    moved = drift(reference, rng.normal(1.0, 1, size=(300, 1)), ("x",))
    assert same["verdict"] == "stable" and moved["verdict"] == "drifted"
    few = drift(reference, rng.normal(5, 1, size=(50, 1)), ("x",))
    assert few["verdict"] == "insufficient data"
