"""One record at a time is, bit for bit, what the service computes by column."""

from hypothesis import given, settings
from hypothesis import strategies as st

from src.services.ticket_sales_prediction_service import PREDICTED
from src.serving import predictor as predictor_module
from src.serving.formats import Concerts
from src.serving.predictor import FIELDS
from tests.unit.modelling.sales_rows import sales_rows

ROWS = sales_rows(40)
KEYS = {name: st.sampled_from(sorted({*ROWS[name], "unknown", "é\n"}))
        for name in ("artist_id", "venue_id", "genre", "city")}  # fmt: skip
MOMENTS = st.datetimes().map(str) | st.sampled_from(
    ["2024-02-29", "2022-06-01T20:00:00+02:00", "2022-06-01 20:00:00.000001", "2023-W05-1", "soon"]
)
NUMBERS = st.integers(-1, 200).map(str) | st.floats(0, 200).map(repr) | st.sampled_from(
    ["+5", "1e1", "7.", ".5", "0", "0.0", "-0", "1_000", "nan", "inf", "9" * 30]
)  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {"capacity": st.integers(1, 500_000).map(str) | NUMBERS, "starts_at": MOMENTS},
    optional={
        **{name: st.none() | values for name, values in KEYS.items()},
        **{name: st.none() | NUMBERS
           for name in ("popularity", "base_price", "lead_days", "city_competition")},
        "on_sale_at": st.none() | MOMENTS,
        "venue_type": st.none() | st.text(max_size=3),
    },
)  # fmt: skip


def bits(values):
    return [float(value).hex() for value in values]


@given(RECORDS)
@settings(max_examples=400)
def test_a_record_gets_what_the_service_computes(predictor, record):
    try:
        (expected,) = predictor.service.predict([record])
    except Exception:  # the service has the errors
        assert predictor.quick.predict(record) is None
        return
    found = predictor.quick.predict(record)
    if found is not None:
        assert bits(found) == bits(getattr(expected, name) for name in PREDICTED)
    assert predictor.quick.notes(record) == expected.notes


def test_plain_records_take_the_quick_way(predictor):
    rows = sales_rows(60, seed=3)
    for row in rows[[name for name in FIELDS if name in rows.columns]].to_dict("records"):
        assert predictor.quick.predict({name: str(value) for name, value in row.items()})


@given(st.lists(RECORDS, min_size=1, max_size=5))
@settings(max_examples=60)
def test_few_and_many_records_get_the_same_answer(predictor, records):
    def answered(few):
        predictor_module._FEW, kept = few, predictor_module._FEW
        try:
            return predictor.answers(Concerts(records, range(1, len(records) + 1)))
        except Exception as error:
            return repr(error)
        finally:
            predictor_module._FEW = kept

    assert answered(0) == answered(99)
