"""Which concerts are over, and how they are split by time to train, calibrate and test."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from src.errors import ModelError

MIN_CONCERTS = 200
CALIBRATION_SHARE = 0.15


@dataclass(frozen=True)
class TimeSplit:
    """Training rows, later calibration rows, and the newest as test rows."""

    train: pd.DataFrame
    calibration: pd.DataFrame
    test: pd.DataFrame


def completed(concerts: pd.DataFrame, until: pd.Timestamp | None = None) -> pd.DataFrame:
    """Return the concerts whose final tickets are known, oldest first.

    Raises ModelError where there are too few, with the cause, from where the data ends.
    """
    done = concerts[concerts["status"] == "completed"]
    if len(done) < MIN_CONCERTS:
        raise ModelError(
            f"{len(done)} completed concerts in the warehouse; training needs {MIN_CONCERTS}",
            where="concert_dw.concerts",
            cause=_why_few(concerts, until),
        )
    return done.sort_values(["starts_at", "concert_id"]).reset_index(drop=True)


def _why_few(concerts: pd.DataFrame, until: pd.Timestamp | None) -> str:
    if until is None:
        return "no sale is loaded, so which concerts are over is unknown: ticket_sales is missing"
    later = int((concerts["starts_at"] > until).sum())
    return (
        f"the data reaches to {until:%Y-%m-%d %H:%M}, its as-of date or else its newest "
        f"purchased_at: of {len(concerts):,} concerts {later:,} start after it and are not over"
    )


def split_by_time(rows: pd.DataFrame, test_size: float) -> TimeSplit:
    """Split rows in time order: the last share tests, a window before it calibrates."""
    n = len(rows)
    first_test = round(n * (1 - test_size))
    first_calibration = round(n * (1 - test_size) * (1 - CALIBRATION_SHARE / 0.8))
    if min(first_calibration, first_test - first_calibration, n - first_test) < 20:
        raise ModelError(
            f"--test-size {test_size} leaves too few of {n} concerts to train, calibrate or test",
            hint="--test-size 0.2",
        )
    return TimeSplit(
        rows.iloc[:first_calibration], rows.iloc[first_calibration:first_test],
        rows.iloc[first_test:],
    )  # fmt: skip
