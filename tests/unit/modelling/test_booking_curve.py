"""Forecasts that move with sales: never below what is sold, never above what fits; saved alike."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.services.demand.booking_curve import HORIZONS, BookingCurve, BookingState
from src.services.demand.sales_distribution import SalesDistribution
from src.services.modelling import model_files
from src.services.modelling.pace_training import moved_by_sales, states_of
from tests.unit.modelling.sales_rows import sales_rows, small_sales_model


def bookings_of(rows):
    """What was sold by when, where tickets sell evenly over the time on sale."""
    found = pd.DataFrame({"concert_id": rows["concert_id"]})
    for days in HORIZONS:
        share = np.clip(1 - days / rows["lead_days"], 0, 1)
        found[f"sold_{days}"] = (rows["tickets_sold"] * share).astype(int)
    found["sold_now"] = found["sold_7"]
    return found.assign(newest_sale=rows["starts_at"] - pd.Timedelta(7, "D"))


@pytest.fixture(scope="module")
def service():
    found = small_sales_model()
    rows = sales_rows(500)[350:]
    encoded = found.encode(rows)
    found.pace_ = BookingCurve.fit(states_of(found, encoded, bookings_of(rows)), encoded.sold, 1)
    return found


def test_the_closer_to_the_show_the_closer_the_forecast(service):
    rows = sales_rows(400, seed=3)
    encoded = service.encode(rows)
    errors = []
    for state in states_of(service, encoded, bookings_of(rows)).values():
        point, _, _ = service.pace_.forecast(state, 0.9)
        is_on_sale = state.elapsed > 0.1
        errors.append(np.abs(point - encoded.sold)[is_on_sale].mean())
    before = np.abs(service.predict_points(encoded) - encoded.sold).mean()
    assert errors[-1] < 0.5 * before and errors[-1] < errors[2] < before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-3, 14), st.floats(0.05, 2), st.integers(1, 500_000), st.floats(0, 1),
            st.floats(0, 4000), st.floats(-10, 4000),
        ),
        min_size=1, max_size=9,
    )
)  # fmt: skip
def test_a_moved_forecast_is_between_what_is_sold_and_what_fits(service, rows):
    columns = (np.array(column, float) for column in zip(*rows, strict=True))
    log_demand, sd, capacity, share, lead, left = columns
    law = SalesDistribution(log_demand, sd, capacity)
    state = BookingState(law, lead, left, np.floor(share * capacity))
    point, low, high = service.pace_.forecast(state, 0.9)
    assert (state.sold <= low).all() and (low <= point).all()
    assert (point <= high).all() and (high <= capacity).all()


def test_a_saved_model_moves_its_forecasts_alike(service):
    again = model_files.sales_service(model_files.sales_files(service))
    rows = sales_rows(60, seed=5)
    found = [
        moved_by_sales(one, rows, bookings_of(rows), pd.Timestamp("2024-01-01"))
        for one in (service, again)
    ]
    pd.testing.assert_frame_equal(*found, check_exact=True)
    assert (found[0]["moved_tickets"] >= found[0]["sold_so_far"]).all()


def test_without_dated_sales_the_forecast_at_on_sale_stands(service):
    rows = sales_rows(400)
    none = bookings_of(rows).assign(**{f"sold_{days}": 0 for days in HORIZONS}, sold_now=0)
    encoded = service.encode(rows)
    assert BookingCurve.fit(states_of(service, encoded, none), encoded.sold, 1) is None
    plain = small_sales_model()
    moved = moved_by_sales(plain, rows, none, None)
    assert (moved["moved_tickets"] == plain.predict_frame(rows)["tickets"]).all()
