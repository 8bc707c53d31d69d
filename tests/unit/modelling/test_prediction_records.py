"""Laws of records: any gives a prediction that notes what it replaced, or an error by field."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import UsageError
from src.services import ticket_sales_prediction_service as sales_module
from src.services import venue_popularity_service as venue_module
from src.services.features.sales_encoder import COUNTS, OWNERS, WORDS
from src.services.ticket_sales_prediction_service import PREDICTED
from src.services.venue_popularity_service import FORECAST
from tests.integration import random_values
from tests.unit.modelling.sales_rows import sales_rows, small_sales_model, small_venue_model

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats()
    | st.sampled_from([0, -5, 1735689600, 1e300, 10**400, "nan", "inf", "-inf", "NaT", "", "800",
                       "2025-11-07", "1e999", "rock", "2025-11-07T20:00:00+02:00"])
    | st.text(max_size=5)
)  # fmt: skip
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS)
NUMBERS = st.integers(-1, 110) | st.floats(-1, 110)
OPTIONAL = sorted(sales_module.READ - {"capacity", "starts_at"})
SALES_RECORDS = st.fixed_dictionaries(
    {"capacity": st.integers(1, 500_000) | VALUES,
     "starts_at": st.datetimes() | st.datetimes().map(str) | VALUES},
    optional={**dict.fromkeys(OPTIONAL, NUMBERS | VALUES), "price": VALUES},
)  # fmt: skip
VENUE_RECORDS = st.fixed_dictionaries(
    {name: st.floats(1, 4) for name in sorted(venue_module.READ - {"venue_type"})}
).flatmap(
    lambda good: st.dictionaries(
        st.sampled_from([*sorted(venue_module.READ), "score"]), NUMBERS | VALUES, max_size=3
    ).map(lambda bad: {**good, **bad})
)


@pytest.fixture(scope="module")
def sales():
    return small_sales_model()


@pytest.fixture(scope="module")
def venues():
    return small_venue_model()[0]


@pytest.fixture(scope="module")
def venue_record(venues):
    frame = venues.examples(small_venue_model()[1])
    return {name: frame[name].iloc[-1] for name in sorted(venue_module.READ)}


def full_record():
    row = sales_rows(1).iloc[0].to_dict()
    row.update(artist_id="1", venue_id="2", on_sale_at=row["starts_at"] - pd.Timedelta(60, "D"))
    return {name: row[name] for name in sales_module.READ}


def names_a_field(error, fields):
    return re.match(r"(a prediction needs )?(\w+)", error.message)[2] in fields and error.hint


@settings(max_examples=150)
@given(record=SALES_RECORDS)
def test_any_sales_record_is_predicted_within_bounds_or_refused_by_field(sales, record):
    try:
        (show,) = sales.predict([record])
    except UsageError as error:
        assert names_a_field(error, sales_module.READ), error.message
        return
    assert 0 <= show.low <= show.tickets <= show.high <= float(record["capacity"])
    assert 0 <= show.confidence <= 1
    said = " ".join(show.notes)
    given = {n for n in OPTIONAL if record.get(n) is not None and record[n] == record[n]}
    for name in set(OPTIONAL) - given - {"on_sale_at"}:
        assert name in said or (name, "on_sale_at" in given) == ("lead_days", True)
    assert ("price" in record) == ("not read: price" in said)


@settings(max_examples=100)
@given(record=VENUE_RECORDS)
def test_any_venue_record_is_forecast_within_bounds_or_refused_by_field(venues, record):
    try:
        (venue,) = venues.predict([record])
    except UsageError as error:
        assert names_a_field(error, venue_module.READ), error.message
        return
    assert 0 <= venue.low <= venue.score <= venue.high <= 100
    said = " ".join(venue.notes)
    assert ("score" in record) == ("not read: score" in said)
    for name in ("venue_type", "next_booked"):
        is_given = record.get(name) is not None and record[name] == record[name]
        assert is_given or name in said


@given(names=st.sets(st.sampled_from(OPTIONAL)))
def test_exactly_the_fields_that_are_absent_are_noted(sales, names):
    record = {name: value for name, value in full_record().items() if name not in names}
    (show,) = sales.predict([record])
    noted = [set(note.split(": ")[1].split(", ")) for note in show.notes]
    lead = {"lead_days", "on_sale_at"}  # each gives the other
    assert set().union(*noted) == (names - lead) | ({"lead_days"} if lead <= names else set())
    for note, found in zip(show.notes, noted, strict=True):
        assert ("taken as 0" in note) == found.issubset(COUNTS)
        assert ("taken as none" in note) == found.issubset(WORDS)
        assert ("no history used" in note) == found.issubset(OWNERS)


@pytest.mark.parametrize(
    ("change", "note"),
    [({"base_price": 0}, "base_price is 0: no free concert was learned, a typical price used"),
     ({"base_price": " "}, "not given, typical values used: base_price"),
     ({"price": 40}, "not read: price"),
     ({"a b\x1b": 1, "x": 2}, "not read: 'a b\\x1b', x"),
     ({"genre": "polka"}, "genre 'polka' was not in the training data"),
     ({"artist_id": "new"}, "artist_id 'new' has no finished show: no history")],
)  # fmt: skip
def test_what_is_replaced_or_not_read_is_noted(sales, change, note):
    as_given, changed = sales.predict([full_record(), {**full_record(), **change}])
    assert as_given.notes == () and changed.notes == (note,)


def test_a_venues_notes(venues, venue_record):
    changes = [{}, {"venue_type": "barn"}, {"next_booked": None}, {"log_capacity": 3}]
    found = [venues.predict([{**venue_record, "venue_type": "club", **c}])[0] for c in changes]
    assert [venue.notes for venue in found] == [
        (), ("venue_type 'barn' was not in the training data",),
        ("not given, taken as 0: next_booked",), ("not read: log_capacity",),
    ]  # fmt: skip


BAD = [
    ("starts_at", 1735689600), ("starts_at", True), ("city_competition", float("inf")),
    ("city_competition", "inf"), ("popularity", 1e300), ("on_sale_at", 20_250_101), ("capacity", 0),
    ("capacity", -5), ("capacity", True), ("capacity", [800]), ("genre", 10**5000),
    ("capacity", "5_000"), ("capacity", "1e3"), ("capacity", b"500"), ("base_price", "nan"),
    ("base_price", "0x10"), ("base_price", "\u0665\u0660\u0660"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD, ids=range(len(BAD)))
def test_a_bad_value_is_refused_by_field_in_records_and_frames(sales, name, value):
    bad = {**full_record(), name: value}
    for predict in (
        lambda: sales.predict([bad]),
        lambda: sales.predict_frame(pd.DataFrame([bad])),
        lambda: sales.predict_points(pd.DataFrame([bad])),
    ):
        with pytest.raises(UsageError, match=name) as caught:
            predict()
        assert caught.value.hint


NUMBER_LIKE = st.one_of(
    st.text(st.sampled_from("0123456789+-.eE_ \t\u3000\u0665x"), max_size=8),
    st.sampled_from(["nan", "inf", "infinity", "0x10", "1_0", "\\N", "", " 5 ", "5.0", "1e1"]),
    st.text(max_size=4),
)


@settings(max_examples=200)
@given(name=st.sampled_from(["capacity", "base_price"]), text=NUMBER_LIKE)
def test_a_text_is_a_number_where_it_is_one_in_the_users_own_files(sales, name, text):
    read = random_values.integer if name == "capacity" else random_values.amount
    number, is_absent = read(text), random_values.tidied(text) is None
    low, high = sales_module.RANGES[name]
    try:
        (found,) = sales.predict([{**full_record(), name: text}])
    except UsageError as error:
        assert names_a_field(error, {name}), error.message
        assert number is None or not low <= number <= high
        assert name == "capacity" or not is_absent
    else:
        given = None if is_absent else float(number)
        assert found == sales.predict([{**full_record(), name: given}])[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("score_1", float("inf")), ("score_1", 1e300), ("score_2", None), ("capacity", 0),
     ("capacity", -5), ("next_booked", -1), ("mean_score", "x")],
)  # fmt: skip
def test_a_venues_bad_value_is_refused_by_field(venues, venue_record, name, value):
    bad = {**venue_record, name: value}
    for predict in (lambda: venues.predict([bad]), lambda: venues.forecast(pd.DataFrame([bad]))):
        with pytest.raises(UsageError, match=name):
            predict()


@pytest.mark.parametrize("records", [{"capacity": 1}, "x", None, [None], [["capacity"]], 5])
def test_what_is_no_list_of_records_is_an_error(sales, venues, records):
    for service in (sales, venues):
        with pytest.raises(UsageError, match="record"):
            service.predict(records)


def test_no_rows_give_no_predictions(sales, venues):
    assert sales.predict([]) == venues.predict([]) == []
    for frame in (pd.DataFrame(), sales_rows(3)[:0]):
        assert list(sales.predict_frame(frame).columns) == list(PREDICTED)
        assert len(sales.predict_frame(frame)) == len(sales.predict_points(frame)) == 0
        assert list(venues.forecast(frame).columns) == list(FORECAST)
        assert len(venues.forecast(frame)) == 0
