"""Evaluates an alarm as CloudWatch does: M of the newest N periods, and what missing data means.

As documented by AWS, more periods are read than are evaluated: where enough of them have data,
missing ones do not count; where not, the missing ones are taken as the alarm states.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from src.domain.metrics import Alarm

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
EXTRA_PERIODS = 2  # read beyond those evaluated
_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Sum": math.fsum,
    "Average": lambda values: math.fsum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
}


def periods_of(
    alarm: Alarm, points: Iterable[tuple[float, float]], now: float
) -> list[float | None]:
    """Return the statistic of each period up to now, the oldest first; None is missing.

    Points are (seconds since 1970, value). The newest period is the one that now is in.
    """
    by_period: defaultdict[int, list[float]] = defaultdict(list)
    for time, value in points:
        if time <= now:
            by_period[int(time // alarm.period_s)].append(value)
    newest = int(now // alarm.period_s)
    span = range(newest - alarm.periods - EXTRA_PERIODS + 1, newest + 1)
    statistic = _STATISTICS[alarm.statistic]
    return [statistic(by_period[n]) if n in by_period else None for n in span]


def evaluate(alarm: Alarm, periods: Sequence[float | None], before: State) -> State:
    """Return the alarm's state by its periods, the oldest first; `before` is its state so far."""
    real = [alarm.breaks(value) for value in periods if value is not None][-alarm.periods :]
    filled = alarm.periods - len(real)
    breaking = sum(real)
    if filled and alarm.missing == "breaching":
        return "ALARM" if breaking + filled >= alarm.to_alarm else "OK"
    if breaking >= alarm.to_alarm:
        return "ALARM"
    if not filled or alarm.missing == "notBreaching":
        return "OK"
    if not real:
        return before if alarm.missing == "ignore" else "INSUFFICIENT_DATA"
    # Fewer points than periods, and all of them on the wrong side.
    if breaking >= min(alarm.to_alarm, len(real)):
        return before if alarm.missing == "ignore" else "ALARM"
    return "OK"
