"""Features declare when they are known; a record and a frame are encoded alike."""

import numpy as np
import pytest

from src.errors import ModelError
from src.services.features.feature_catalog import SALES_FEATURES, Feature, refuse_late
from src.services.features.sales_encoder import SalesEncoder
from tests.unit.modelling.sales_rows import sales_rows


def test_every_sales_feature_is_known_when_tickets_go_on_sale():
    refuse_late(SALES_FEATURES)


def test_a_feature_known_too_late_is_refused_by_name():
    late = (*SALES_FEATURES, Feature("revenue", "after_show", "leaks the target"))
    with pytest.raises(ModelError, match="revenue"):
        refuse_late(late)
    refuse_late(late, prediction_at="after_show")


def columns(encoded):
    return {**encoded.numbers, **encoded.codes, "asked_at": encoded.asked_at}


def test_a_record_is_encoded_as_its_row_in_a_frame():
    rows = sales_rows(80)
    encoder = SalesEncoder.fit(rows)
    whole = columns(encoder.encode(rows))
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for index, record in enumerate(records):
        for name, values in columns(encoder.encode([record])).items():
            assert values[0] == whole[name][index], name


def test_what_is_unknown_or_absent_gets_no_category_and_the_training_median():
    encoder = SalesEncoder.fit(sales_rows(80))
    found = encoder.encode([{"capacity": 100, "starts_at": "2025-06-01", "genre": "polka"}])
    assert [found.codes[name][0] for name in ("genre", "city", "venue_type")] == [-1] * 3
    assert found.numbers["popularity"][0] == encoder.medians["popularity"]
    assert found.numbers["competition"][0] == 0
    lead = found.starts_at - found.asked_at
    assert lead / np.timedelta64(1, "D") == pytest.approx(encoder.medians["lead_days"])


def test_the_lead_time_is_that_of_on_sale_where_it_is_not_given():
    encoder = SalesEncoder.fit(sales_rows(80))
    record = {"capacity": 100, "starts_at": "2025-06-11 20:00", "on_sale_at": "2025-06-01 23:00"}
    given, found = encoder.encode([{**record, "lead_days": 10}]), encoder.encode([record])
    assert found.numbers["log_lead"] == given.numbers["log_lead"]
    assert str(found.asked_at[0]) == "2025-06-01T23:00:00.000000"


def test_nothing_of_the_test_rows_is_learned():
    rows = sales_rows(80)
    encoder = SalesEncoder.fit(rows)
    encoder.encode(rows.assign(genre="unheard", popularity=99.0))
    assert "unheard" not in encoder.words["genre"]


def test_all_null_optional_columns_are_no_obstacle():
    rows = sales_rows(80).assign(popularity=np.nan, base_price=np.nan, genre=None)
    encoded = SalesEncoder.fit(rows).encode(rows)
    assert all(np.isfinite(values).all() for values in encoded.numbers.values())
