"""Numbers as the page words them."""

import pytest

from src.reporting.figures import count, decimal, interval, percent


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.5, "50 %"), (0.999, "99.9 %"), (0.0004, "0.04 %"),
     (0.99999, "99.999 %"), (None, "–")],
)  # fmt: skip
def test_only_a_whole_is_shown_as_100_percent(share, shown):
    assert percent(share) == shown


def test_what_is_not_known_is_a_dash():
    assert count(None) == decimal(None, 2) == "–"


def test_numbers_are_grouped():
    assert count(1234567) == "1,234,567"
    assert interval([24042.4, 66620.0]) == "24,042 – 66,620"
