"""Teaches the sales model how forecasts move with sales, and judges it at each horizon."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.json_object import JsonObject
from src.services.arrays import Floats
from src.services.demand.booking_curve import HORIZONS, BookingCurve, BookingState
from src.services.features.sales_encoder import EncodedRows
from src.services.modelling.sales_training import TrainedSalesModel
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService

_DAY = np.timedelta64(1, "D")


def learn_pace(
    model: TrainedSalesModel, bookings: pd.DataFrame, random_state: int
) -> list[JsonObject]:
    """Fit the booking curve on the calibration rows; returns its errors on the test rows.

    Each line has the mean error of the forecast at on-sale, of the one that moves with sales, and
    of what is sold so far over the usual share; for one number of days before the show.
    """
    service, rows = model.service, model.rows
    states = states_of(service, rows.calibration, bookings)
    service.pace_ = BookingCurve.fit(states, rows.calibration.sold, random_state)
    if service.pace_ is None:
        return []
    actual, found = rows.test.sold, []
    for days, state in states_of(service, rows.test, bookings).items():
        on_sale = state.elapsed > 0
        if not on_sale.any():
            continue
        earlier = states[days]
        was_on_sale = earlier.elapsed > 0
        sold = rows.calibration.sold[was_on_sale].sum()
        share = earlier.sold[was_on_sale].sum() / sold if sold else 0.0
        naive = np.minimum(state.sold / max(share, 1e-6), rows.test.capacity)
        moved, _, _ = service.pace_.forecast(state, service.coverage)
        errors = {
            name: float(np.abs(forecast - actual)[on_sale].mean())
            for name, forecast in (("at_on_sale", state.at_on_sale.expected), ("moved", moved),
                                   ("naive", naive))
        }  # fmt: skip
        found.append({"days_before": days, "rows": int(on_sale.sum()), "mae": errors})
    return found


def states_of(
    service: TicketSalesPredictionService, rows: EncodedRows, bookings: pd.DataFrame
) -> dict[int, BookingState]:
    """Return finished shows as they were at each of HORIZONS."""
    law, lead = service.distribution(rows), lead_days(rows)
    sold = _sold(rows, bookings)
    return {
        days: BookingState(law, lead, np.full(len(rows), float(days)), sold[f"sold_{days}"])
        for days in HORIZONS
    }


def usual_shares(rows: EncodedRows, bookings: pd.DataFrame) -> dict[int, float]:
    """Return the share of its final tickets that a show sells up to each of HORIZONS.

    Shows that were sold out or on sale for less time are left out; {} where none is left.
    """
    usual = (rows.sold < rows.capacity) & (lead_days(rows) > max(HORIZONS))
    sold, final = _sold(rows, bookings), float(rows.sold[usual].sum())
    if not final:
        return {}
    return {days: float(sold[f"sold_{days}"][usual].sum()) / final for days in HORIZONS}


def _sold(rows: EncodedRows, bookings: pd.DataFrame) -> dict[str, Floats]:
    """Return the columns of bookings for the rows, 0 where nothing was sold."""
    numbers = bookings.set_index("concert_id").drop(columns="newest_sale").astype(float)
    placed = numbers.reindex(rows.rows.words("concert_id")).fillna(0.0)
    return {name: placed[name].to_numpy(float) for name in placed.columns}


def lead_days(rows: EncodedRows) -> Floats:
    """Return the days from on-sale to show."""
    return np.asarray(np.maximum((rows.starts_at - rows.asked_at) / _DAY, 0.0))


def moved_by_sales(
    service: TicketSalesPredictionService,
    concerts: pd.DataFrame,
    bookings: pd.DataFrame,
    until: pd.Timestamp | None,
) -> pd.DataFrame:
    """Return for concerts on sale what is sold, and the forecast that follows from it.

    Columns sold_so_far, moved_tickets, moved_low, moved_high and as_of. The moment is `until`, or
    else the newest sale.
    """
    rows = service.encode(concerts)
    newest = bookings["newest_sale"].max()
    moments = [m for m in (until, newest) if m is not None and not pd.isna(m)]
    as_of = max(map(pd.Timestamp, moments), default=pd.Timestamp(rows.starts_at.min()))
    sold = np.minimum(_sold(rows, bookings)["sold_now"], rows.capacity)
    days_left = np.asarray((rows.starts_at - np.datetime64(as_of, "us")) / _DAY)
    state = BookingState(service.distribution(rows), lead_days(rows), days_left, sold)
    if service.pace_ is None:
        columns = service.predict_columns(rows)
        moved = tuple(np.maximum(columns[name], sold) for name in ("tickets", "low", "high"))
    else:
        moved = service.pace_.forecast(state, service.coverage)
    names = ("moved_tickets", "moved_low", "moved_high")
    found = dict(zip(names, moved, strict=True))
    return pd.DataFrame({"sold_so_far": sold, **found, "as_of": as_of}, index=concerts.index)
