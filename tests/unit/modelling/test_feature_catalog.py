"""Features declare when they are known; a record and a frame are encoded alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import ModelError
from src.services.features.feature_catalog import SALES_FEATURES, Feature, SalesEncoder, refuse_late
from tests.unit.modelling.sales_rows import sales_rows


def test_every_sales_feature_is_known_when_tickets_go_on_sale():
    refuse_late(SALES_FEATURES)


def test_a_feature_known_too_late_is_refused_by_name():
    late = (*SALES_FEATURES, Feature("revenue", "after_show", "leaks the target"))
    with pytest.raises(ModelError, match="revenue"):
        refuse_late(late)
    refuse_late(late, prediction_at="after_show")


def test_a_record_is_encoded_as_its_row_in_a_frame():
    rows = sales_rows(80)
    encoder = SalesEncoder.fit(rows)
    matrix = encoder.matrix(rows)
    lines = [
        encoder.matrix([record])[0]
        for record in rows.astype(object).where(rows.notna(), None).to_dict("records")
    ]
    assert matrix.shape == (80, len(encoder.names))
    assert np.array(lines) == pytest.approx(matrix)


def test_what_is_unknown_or_absent_gets_no_category_and_the_training_median():
    encoder = SalesEncoder.fit(sales_rows(80))
    record = {"capacity": 100, "starts_at": "2025-06-01", "genre": "polka"}
    line = dict(zip(encoder.names, encoder.matrix([record])[0], strict=True))
    assert all(line[n] == 0 for n in encoder.names if "=" in n)
    assert line["popularity"] == encoder.medians["popularity"]
    assert line["artist_prior_shows"] == 0


def test_nothing_of_the_test_rows_is_learned():
    rows = sales_rows(80)
    encoder = SalesEncoder.fit(rows)
    later = rows.assign(genre="unheard", popularity=99.0)
    encoder.matrix(later)
    assert "unheard" not in encoder.genres


def test_all_null_optional_columns_are_no_obstacle():
    rows = sales_rows(80).assign(popularity=np.nan, base_price=np.nan, genre=None)
    matrix = SalesEncoder.fit(rows).matrix(rows)
    assert np.isfinite(matrix).all()


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.09, 0.09), st.booleans())
def test_the_slope_of_demand_is_that_of_the_training_rows(slope, is_constant):
    rows = sales_rows(80)
    popularity = np.full(80, 50.0) if is_constant else rows["popularity"]
    rows = rows.assign(popularity=popularity, tickets_sold=np.exp(5 + slope * popularity))
    encoder = SalesEncoder.fit(rows)
    assert encoder.demand_slope == pytest.approx(0.0 if is_constant else slope, abs=1e-9)
    column = encoder.matrix(rows)[:, encoder.names.index("demand_to_capacity")]
    expected = encoder.demand_slope * popularity - np.log(rows["capacity"])
    assert column == pytest.approx(expected.to_numpy())


def test_one_more_column_stands_behind_the_other_numbers():
    rows = SalesEncoder.fit(sales_rows(80)).encode(sales_rows(80))
    probe = np.arange(80.0)
    wider = rows.with_column("probe", probe)
    place = wider.encoder.names.index("probe")
    assert wider.matrix.shape[1] == len(wider.encoder.names) == len(rows.encoder.names) + 1
    assert (wider.matrix[:, place] == probe).all()
    assert (np.delete(wider.matrix, place, axis=1) == rows.matrix).all()
