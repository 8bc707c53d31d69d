"""When a schedule is due: AWS's cron(), rate() and at() expressions, with AWS's daylight saving.

EventBridge Scheduler: a wall time that does not exist in spring is skipped, one that comes twice
in autumn counts once; a rate counts hours of 60 minutes from its start, whatever the zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from src.arguments import nearest
from src.errors import UsageError

_FORM = re.compile(r"(cron|rate|at)\((.*)\)")
_RATE = re.compile(r"([1-9]\d{0,5}) (minute|hour|day)(s?)")
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_FIELDS, _YEARS = 6, re.compile(r"(?:\*|(\d{4}))(?:-(\d{4}))?/(\d{1,3})")
_LAST_YEAR, _MONTHS_AHEAD = 2199, 5  # AWS's; fewer than the library looks ahead
_SECOND = timedelta(seconds=1)
EXAMPLES = '"cron(0 6 * * ? *)", "rate(1 day)" or "at(2026-12-01T06:00:00)"'


@dataclass(frozen=True)
class Schedule:
    """An expression in a time zone, and since when it counts; all times are UTC."""

    expression: str
    zone: tzinfo
    start: datetime

    def after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, None where there is none any more."""
        kind, inner = _split(self.expression)
        if kind == "rate":
            return self._next_of_rate(_interval(self.expression, inner), moment)
        if kind == "at":
            due = self._in_utc(datetime.fromisoformat(inner))
            return due if due is not None and due > moment else None
        return self._next_of_cron(inner, max(moment, self.start - _SECOND))

    def times(self, moment: datetime) -> Iterator[datetime]:
        """Yield all due times after a moment."""
        due = self.after(moment)
        while due is not None:
            yield due
            due = self.after(due)

    def _next_of_rate(self, interval: timedelta, moment: datetime) -> datetime | None:
        if moment < self.start:
            return self.start
        try:
            return self.start + ((moment - self.start) // interval + 1) * interval
        except OverflowError:  # after the year 9999
            return None

    def _next_of_cron(self, fields: str, moment: datetime) -> datetime | None:
        """Walk the clock on the wall; the library takes it as UTC."""
        wall: Any = moment.astimezone(self.zone).replace(tzinfo=UTC)
        cron = _cron(self.expression, fields)
        while (wall := _next(cron, wall)) is not None:
            due = self._in_utc(wall.replace(tzinfo=None))
            if due is not None and due > moment:
                return due
        return None

    def _in_utc(self, wall: datetime) -> datetime | None:
        """Return a wall time in UTC: the first of two, None where the clock was put forward."""
        due = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        return due if due.astimezone(self.zone).replace(tzinfo=None) == wall else None


def read_schedule(expression: str, timezone: str, start: datetime) -> Schedule:
    """Return the schedule of an expression; raises UsageError where AWS would refuse it."""
    kind, inner = _split(expression)
    if kind == "rate":
        _interval(expression, inner)
    elif kind == "at":
        try:
            _AT.fullmatch(inner) and datetime.fromisoformat(inner)
        except ValueError:
            inner = ""
        if not _AT.fullmatch(inner):
            raise _refused(expression, "at() takes one date and time", "at(2026-12-01T06:00:00)")
    else:
        _cron(expression, inner)
    try:
        zone = UTC if timezone == "UTC" else ZoneInfo(timezone)  # UTC needs no file of zones
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(available_timezones())
        near = nearest(timezone, known)
        raise UsageError(
            f"{timezone!r} is not a time zone",
            cause=None if known else "this machine has no files of time zones",
            hint=f"--timezone {near or 'Europe/Berlin'}" if known else "pip install tzdata",
        ) from None
    return Schedule(expression, zone, start)


def _split(expression: str) -> tuple[str, str]:
    found = _FORM.fullmatch(expression)
    if not found:
        raise _refused(expression, f"it is none of {EXAMPLES}", "cron(0 6 * * ? *)")
    return found[1], found[2]


def _interval(expression: str, inner: str) -> timedelta:
    found = _RATE.fullmatch(inner)
    if not found or (found[1] == "1") == bool(found[3]):
        cause = "rate() takes a whole number and minutes, hours or days; 1 goes with the singular"
        raise _refused(expression, cause, "rate(1 day)")
    return timedelta(**{found[2] + "s": int(found[1])})


def _cron(expression: str, fields: str) -> Any:
    from aws_croniter import AwsCroniter

    try:
        cron = AwsCroniter(_spelled_out(fields))
        cron.occurrence(datetime(2000, 1, 1, tzinfo=UTC)).next()  # some faults come only here
    except Exception as error:  # the library has a class for each field
        is_explained = type(error).__module__.startswith("aws_croniter")
        cause = str(error) if is_explained else "this form of a day is not supported locally"
        raise _refused(expression, cause, "cron(0 6 * * ? *)") from error
    return cron


def _next(cron: Any, wall: datetime) -> datetime | None:
    """Return the next time on the wall clock; the library alone looks some months ahead only."""
    found: datetime | None = cron.occurrence(wall).next()
    while found is None and wall.year <= _LAST_YEAR:
        month = (wall.replace(day=1) + timedelta(days=_MONTHS_AHEAD * 31)).replace(day=1)
        wall = month.replace(hour=0, minute=0, second=0, microsecond=0) - _SECOND
        found = cron.occurrence(wall).next()
    return found


def _spelled_out(fields: str) -> str:
    """Return fields in the library's words: it has neither a week's L nor a step of years."""
    parts = fields.split(" ")
    if len(parts) != _FIELDS:
        return fields
    weekday, years = parts[4:]
    if weekday.upper() == "L":  # the last day of the week, which begins on Sunday
        parts[4] = "SAT"
    if found := _YEARS.fullmatch(years):
        first, last, step = (int(text) if text else 0 for text in found.groups())
        first = first or 1970
        if 1970 <= first <= (last or 2199) <= 2199 and step:
            parts[5] = ",".join(map(str, range(first, (last or 2199) + 1, step)))
    return " ".join(parts)


def _refused(expression: str, cause: str, example: str) -> UsageError:
    return UsageError(
        f"{expression!r} is not a schedule",
        cause=cause,
        hint=f'"{example}"',
    )
