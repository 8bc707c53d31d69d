"""Small charts as SVG: their colors are CSS variables, so they follow the page's theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

LEFT, RIGHT, TOP, BOTTOM = 64, 16, 32, 46  # room for the axes' words
_SMALLEST_TOP = 1e-9  # below it an axis has no words, and near 5e-324 no logarithm
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """The drawing's size; text is 13 units high, so a small frame has large words."""

    width: int
    height: int

    def across(self, low: float, high: float) -> Scale:
        """Return the x of values in [low, high]."""
        return linear(low, high, LEFT, self.width - RIGHT)

    def up(self, low: float, high: float) -> Scale:
        """Return the y of values in [low, high]."""
        return linear(low, high, self.height - BOTTOM, TOP)


WIDE, HALF, SMALL = Frame(720, 320), Frame(460, 320), Frame(360, 200)


def columns(title: str, labels: Sequence[str], values: Sequence[float], unit: str) -> Markup:
    """Return a column chart over months `YYYY-MM`; the axis shows the years."""
    ticks = nice_ticks(max(values, default=0.0) or 1.0)
    y = WIDE.up(0, ticks[-1])
    step = (WIDE.width - LEFT - RIGHT) / max(len(values), 1)
    marks = [_y_axis(WIDE, [(tick, compact(tick)) for tick in ticks], y)]
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        x = LEFT + index * step
        marks.append(
            _mark(
                "rect",
                f"{label}: {value:,.0f} {unit}",
                x=x + step * 0.12,
                y=y(value),
                width=step * 0.76,
                height=y(0) - y(value),
                class_="bar",
            )  # fmt: skip
        )
        if label.endswith("-01") or index == 0:
            marks.append(_text(x + step / 2, WIDE.height - BOTTOM + 20, label[:4], "middle"))
    return _figure(WIDE, title, marks, y_label=unit)


def predictions(title: str, points: Iterable[dict[str, float]], unit: str) -> Markup:
    """Return actual against expected on logarithmic axes, with each interval as a line."""
    shown = sorted(points, key=lambda point: point["expected"])
    every = [max(p[name], 1.0) for p in shown for name in ("expected", "actual")] or [1.0, 10.0]
    # Full decades, so that every axis line is a power of ten.
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every) + 1))
    x, y = logarithmic(WIDE.across(low, high)), logarithmic(WIDE.up(low, high))
    decades = [(10.0**power, compact(10.0**power)) for power in range(low, high + 1)]
    marks = [_y_axis(WIDE, decades, y), _x_axis(WIDE, decades, x)]
    marks.append(_diagonal(x, y, 10.0**low, 10.0**high))
    for p in shown:
        at = x(p["expected"])
        marks.append(_segment(at, y(p["low"]), at, y(p["high"]), "interval"))
    for p in shown:
        words = (
            f"expected {p['expected']:,.0f}, sold {p['actual']:,.0f} {unit}, "
            f"interval {p['low']:,.0f} to {p['high']:,.0f}"
        )
        kind = "dot" if p["low"] <= p["actual"] <= p["high"] else "dot outside"
        at_x, at_y = x(p["expected"]), y(p["actual"])
        marks.append(_mark("circle", words, cx=at_x, cy=at_y, r=3.2, class_=kind))
    return _figure(WIDE, title, marks, x_label=f"expected {unit}", y_label=f"{unit} sold")


def reliability(title: str, table: Sequence[dict[str, float]]) -> Markup:
    """Return how often the model was right against its predicted confidence."""
    x, y = HALF.across(0, 1), HALF.up(0, 1)
    ticks = [(tick / 5, f"{tick * 20} %") for tick in range(6)]
    marks = [_y_axis(HALF, ticks, y), _x_axis(HALF, ticks, x), _diagonal(x, y, 0, 1)]
    path = " ".join(f"{x(r['confidence']):.1f},{y(r['hit_rate']):.1f}" for r in table)
    marks.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    for row in table:
        words = (
            f"predicted {row['confidence']:.0%}, observed {row['hit_rate']:.0%}, "
            f"{row['rows']:,.0f} concerts"
        )
        at_x, at_y = x(row["confidence"]), y(row["hit_rate"])
        marks.append(_mark("circle", words, cx=at_x, cy=at_y, r=5, class_="dot"))
        marks.append(_text(at_x + 6, at_y + 20, f"{row['rows']:,.0f}", "middle"))
    return _figure(HALF, title, marks, x_label="predicted confidence", y_label="share within 20 %")


def bars(title: str, rows: Sequence[tuple[str, float, str]], unit: str) -> Markup:
    """Return a chart of horizontal bars: a name, a value, and words beside the bar for each."""
    frame = Frame(WIDE.width, TOP + BOTTOM + 24 * max(len(rows), 1))
    start, end = 230, frame.width - 130  # room for names and words
    ticks = nice_ticks(max((value for _, value, _ in rows), default=0.0) or 1.0)
    x = linear(0, ticks[-1], start, end)
    marks = [_segment(x(tick), TOP, x(tick), frame.height - BOTTOM, "grid") for tick in ticks]
    marks.append(_x_axis(frame, [(tick, compact(tick)) for tick in ticks], x))
    for index, (name, value, words) in enumerate(rows):
        top = TOP + 24 * index
        size = {"x": start, "y": top + 3, "width": x(value) - start, "height": 18}
        marks.append(_mark("rect", f"{name}: {value:,.3f}", **size, class_="bar"))
        marks.append(_text(start - 8, top + 16, name, "end"))
        marks.append(_text(x(value) + 6, top + 16, f"{compact(value)} {words}", "start"))
    return _figure(frame, title, marks, x_label=unit)


def curve(title: str, points: Sequence[tuple[float, float, str]], x_label: str) -> Markup:
    """Return values over an axis as dots joined by a line, each with its words.

    The axis runs from the first point's place to the last one's, up or down; the other begins at 0.
    """
    ticks = nice_ticks(max(value for _, value, _ in points) or 1.0)
    sign = 1 if points[0][0] <= points[-1][0] else -1
    start, end = sign * points[0][0], sign * points[-1][0]
    across = WIDE.across(start, end if end > start else start + 1)
    y = WIDE.up(0, ticks[-1])

    def x(at: float) -> float:
        return across(sign * at)

    places = [(x(at), y(value)) for at, value, _ in points]
    path = " ".join(f"{at_x:.1f},{at_y:.1f}" for at_x, at_y in places)
    marks = [_y_axis(WIDE, [(tick, compact(tick)) for tick in ticks], y)]
    marks.append(_x_axis(WIDE, [(at, compact(at)) for at, _, _ in points[::2]], x))
    marks.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    for (_, _, words), (at_x, at_y) in zip(points, places, strict=True):
        marks.append(_mark("circle", words, cx=at_x, cy=at_y, r=3.2, class_="dot"))
    return _figure(WIDE, title, marks, x_label=x_label, y_label=title)


def trend(
    title: str, points: Sequence[tuple[str, float, str]], *, top: float | None = None
) -> Markup:
    """Return one dot for each run, joined by a line: its words, its value, its page's address.

    The axis begins at 0, and reaches at least `top`.
    """
    ticks = nice_ticks(max([value for _, value, _ in points] + [top or 0.0]) or 1.0)
    y = SMALL.up(0, ticks[-1])
    x = linear(0, max(len(points) - 1, 1), LEFT + 8, SMALL.width - RIGHT - 8)
    places = [(x(index), y(value)) for index, (_, value, _) in enumerate(points)]
    path = " ".join(f"{at_x:.1f},{at_y:.1f}" for at_x, at_y in places)
    marks = [_y_axis(SMALL, [(tick, compact(tick)) for tick in ticks], y)]
    marks.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    for (words, _, address), (at_x, at_y) in zip(points, places, strict=True):
        dot = _mark("circle", words, cx=at_x, cy=at_y, r=4, class_="dot")
        marks.append(Markup('<a href="{}">{}</a>').format(address, dot) if address else dot)
    marks.append(_text(LEFT, SMALL.height - BOTTOM + 20, "older", "start"))
    marks.append(_text(SMALL.width - RIGHT, SMALL.height - BOTTOM + 20, "newest", "end"))
    return _figure(SMALL, title, marks, y_label=title)


# -- scales --------------------------------------------------------------------------------


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return a map of [low, high] onto [start, end]; values outside are clipped."""
    return lambda v: start + (min(max(v, low), high) - low) / (high - low) * (end - start)


def logarithmic(exponents: Scale) -> Scale:
    """Return the logarithmic scale over a linear one of powers of ten; 0 is the lower end."""
    return lambda v: exponents(math.log10(v) if v > 0 else -math.inf)


def nice_ticks(top: float) -> list[float]:
    """Return three to six round numbers from 0 to at least `top`, or to a billionth."""
    top = max(top, _SMALLEST_TOP)
    rough = top / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * index for index in range(math.ceil(top / step - 1e-9) + 1)]


def compact(value: float) -> str:
    """Return a number for an axis: 250k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


# -- marks ---------------------------------------------------------------------------------


def _figure(
    frame: Frame, title: str, marks: list[Markup], *, x_label: str = "", y_label: str = ""
) -> Markup:
    words = [_text(0, 13, y_label, "start", "axis-title")]
    if x_label:
        words.append(_text(frame.width - RIGHT, frame.height - 6, x_label, "end", "axis-title"))
    drawn = Markup("").join([*marks, *words])
    role = "group" if "<a " in drawn else "img"  # a picture with links is read link by link
    return Markup('<svg viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
        frame.width, frame.height, role, title, drawn
    )


def _mark(tag: str, words: str, *, class_: str, **numbers: float) -> Markup:
    attributes = Markup(" ").join(
        Markup('{}="{:.1f}"').format(name, value) for name, value in numbers.items()
    )
    # The title is what a pointer shows and a screen reader reads.
    return Markup("<{0} {1} class='{2}'><title>{3}</title></{0}>").format(
        tag, attributes, class_, words
    )


def _text(x: float, y: float, words: Any, anchor: str, class_: str = "") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, class_, escape(words)
    )


def _segment(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return Markup(
        '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>'
    ).format(x1, y1, x2, y2, class_)  # fmt: skip


def _diagonal(x: Scale, y: Scale, low: float, high: float) -> Markup:
    """Return the line on which both axes agree."""
    return _segment(x(low), y(low), x(high), y(high), "diagonal")


def _y_axis(frame: Frame, ticks: Sequence[tuple[float, str]], y: Scale) -> Markup:
    marks = []
    for value, words in ticks:
        marks.append(_segment(LEFT, y(value), frame.width - RIGHT, y(value), "grid"))
        marks.append(_text(LEFT - 8, y(value) + 4, words, "end"))
    return Markup("").join(marks)


def _x_axis(frame: Frame, ticks: Sequence[tuple[float, str]], x: Scale) -> Markup:
    return Markup("").join(
        _text(x(value), frame.height - BOTTOM + 20, words, "middle") for value, words in ticks
    )
