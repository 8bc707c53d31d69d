"""The page's charts: marks where the values are, words escaped, colors left to the theme."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.reporting.page import charts
from src.reporting.page.slides import standalone

VALUES = st.floats(min_value=1e-3, max_value=1e12)


@given(VALUES)
def test_ticks_are_few_round_and_reach_the_top(top):
    ticks = charts.nice_ticks(top)
    assert 3 <= len(ticks) <= 6
    assert ticks[0] == 0 and ticks[-1] >= top * (1 - 1e-6)
    step = ticks[1]
    mantissa = step / 10 ** math.floor(math.log10(step))
    assert any(math.isclose(mantissa, nice) for nice in (1, 2, 2.5, 5, 10))


@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=60))
@example([5e-324])  # whose quarter is 0
def test_columns_are_as_high_as_their_values(values):
    labels = [f"2020-{i % 12 + 1:02}" for i in range(len(values))]
    chart = str(charts.columns("t", labels, values, "tickets"))
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', chart)]
    assert len(heights) == len(values)
    top = max(values)
    for value, height in zip(values, heights, strict=True):
        expected = value / top * max(heights) if top else 0
        assert height == pytest.approx(expected, abs=0.2)


def test_marks_of_predictions_lie_on_the_diagonal_where_they_were_exact():
    points = [{"expected": v, "actual": v, "low": v / 2, "high": v * 2} for v in (20, 300, 4000)]
    chart = str(charts.predictions("t", points, "tickets"))
    (line,) = re.findall(r'<line ([^>]*) class="diagonal"', chart)
    x1, y1, x2, y2 = (float(v) for v in re.findall(r'"([-\d.]+)"', line))
    for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart):
        share = (float(x) - x1) / (x2 - x1)
        assert float(y) == pytest.approx(y1 + share * (y2 - y1), abs=0.2)


@pytest.mark.parametrize(
    ("actual", "kind"), [(100, "dot"), (30, "dot outside"), (900, "dot outside")]
)
def test_what_lies_outside_of_its_interval_is_marked(actual, kind):
    point = {"expected": 100, "actual": actual, "low": 50, "high": 200}
    assert f"class='{kind}'" in str(charts.predictions("t", [point], "tickets"))


def test_zero_tickets_stay_in_the_picture():
    point = {"expected": 1.0, "actual": 0.0, "low": 0.0, "high": 3.0}
    chart = str(charts.predictions("t", [point], "tickets"))
    assert "nan" not in chart and "inf" not in chart


def test_words_are_escaped():
    chart = str(charts.columns("<script>", ["<b>"], [1.0], "</svg>"))
    assert "<script>" not in chart and "<b>" not in chart and chart.count("</svg>") == 1


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (999, "999"), (1500, "1.5k"), (2_000_000, "2M"), (3e9, "3G")]
)
def test_compact_numbers(value, shown):
    assert charts.compact(value) == shown


NAMES = st.text(st.characters(exclude_categories=["C"]))
BARS = st.lists(st.tuples(NAMES, st.floats(-1, 1e9), st.just("± 0.1")), max_size=20)


@given(BARS)
def test_a_chart_as_a_file_is_a_document_with_its_own_colors_and_a_bar_for_each_row(rows):
    page = charts.bars("<Errors> & such", rows, "tickets")
    drawing = standalone(page)
    root = ElementTree.fromstring(drawing)
    (style,) = [e.text for e in root if e.tag.endswith("style")]
    assert "var(" not in style and ".bar" in style
    rects = [e for e in root if e.tag.endswith("rect") and e.get("class") == "bar"]
    assert len(rects) == len(rows)
    assert all(float(rect.get("width")) >= 0 for rect in rects)
    height = float(root.get("height"))
    assert all(float(r.get("y")) + float(r.get("height")) < height for r in rects)
    names = [e.text or "" for e in root.iter() if e.tag.endswith("text")]
    assert all(name in names for name, _, _ in rows)


@pytest.mark.parametrize("places", [(20, 40, 80), (42, 7, 0), (5, 5, 5)])
def test_a_curve_runs_from_the_first_place_to_the_last_in_either_direction(places):
    points = [(at, 10.0 * index, f"<{at}>") for index, at in enumerate(places, 1)]
    chart = str(charts.curve("t", points, "days"))
    dots = [tuple(map(float, dot)) for dot in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)]
    across, up = zip(*dots, strict=True)
    assert list(across) == sorted(across) and list(up) == sorted(up, reverse=True)
    if len(set(places)) > 1:
        assert len(set(across)) == len(places)
    assert f"&lt;{places[0]}&gt;" in chart
