"""Laws of what a person is shown: a curve that never rises, factors that are what they bring."""

from hypothesis import given, settings
from hypothesis import strategies as st

from src.serving.explanation import moved_by, price_curve
from src.serving.prediction_text import prediction_text
from tests.unit.modelling.sales_rows import sales_rows

ROWS = sales_rows(40)
RECORDS = st.fixed_dictionaries(
    {"capacity": st.integers(1, 50_000).map(str),
     "starts_at": st.datetimes(ROWS["starts_at"].min(), ROWS["starts_at"].max()).map(str)},
    optional={
        "popularity": st.floats(0.01, 100).map(repr),
        "genre": st.sampled_from(["rock", "jazz", "polka"]),
        "artist_id": st.sampled_from(sorted({*ROWS["artist_id"]})),
        "city": st.just("Bonn"),
        "on_sale_at": st.datetimes(ROWS["starts_at"].min(), ROWS["starts_at"].max()).map(str),
    },
)  # fmt: skip


@given(RECORDS, st.floats(1, 200), st.floats(0, 800))
@settings(max_examples=40)
def test_a_price_curve_never_rises(predictor, record, low, width):
    curve = price_curve(predictor, record, [low, low + width], (20, 100))
    tickets = [one["tickets"] for one in curve]
    assert all(a >= b for a, b in zip(tickets, tickets[1:], strict=False))
    assert all(a["sell_out"] >= b["sell_out"] for a, b in zip(curve, curve[1:], strict=False))
    assert all(one["is_seen"] == (20 <= one["price"] <= 100) for one in curve)
    assert all(one["revenue"] == one["tickets"] * one["price"] for one in curve)


@given(RECORDS)
@settings(max_examples=30)
def test_a_factor_is_what_the_prediction_loses_without_it(predictor, record):
    found = {one["factor"]: one["tickets"] for one in moved_by(predictor, record)}
    assert 1 <= len(found) <= 3
    if "popularity" in found:
        without = {name: value for name, value in record.items() if name != "popularity"}
        lost = predictor.one(record)["tickets"] - predictor.one(without)["tickets"]
        assert found["popularity"] == round(lost, 1)


@given(RECORDS)
@settings(max_examples=10)
def test_each_answer_can_be_shown(predictor, record):
    answer = {
        "concert": {"artist": "A", "venue": "V", **record},
        "prediction": predictor.one(record),
        "moved_by": moved_by(predictor, record),
        "similar_shows": [],
        "prices_seen": [20.0, 100.0],
        "price_curve": price_curve(predictor, record, [10.0, 200.0], (20, 100)),
    }
    text = prediction_text(answer)
    assert f"{answer['prediction']['tickets']:,.0f} of {int(record['capacity']):,}" in text
    assert text.count("  *") == 7 and max(map(len, text.splitlines()[:6])) < 200
