"""Expressions mean what AWS means by them, also on the days when the clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import UsageError
from src.services.operations.schedule_expression import Schedule, read_schedule
from tests.unit.operations import cron_reading

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall_times(expression, start, count, zone="Europe/Berlin"):
    schedule = read_schedule(expression, zone, utc(start))
    times = islice(schedule.times(utc(start)), count)
    return [f"{due.astimezone(schedule.zone):%m-%d %H:%M}" for due in times]


def test_a_time_that_does_not_exist_is_skipped_and_one_that_comes_twice_counts_once():
    daily = "cron(30 2 * * ? *)"
    assert wall_times(daily, "2026-03-27T12:00", 3) == ["03-28 02:30", "03-30 02:30", "03-31 02:30"]
    assert wall_times(daily, "2026-10-23T12:00", 3) == ["10-24 02:30", "10-25 02:30", "10-26 02:30"]
    half_hours = wall_times("cron(0/30 1-3 * * ? *)", "2026-10-24T22:00", 6)
    assert half_hours == [f"10-25 {h:02}:{m:02}" for h in (1, 2, 3) for m in (0, 30)]
    assert wall_times("at(2026-10-25T02:30:00)", "2026-10-23T12:00", 3) == ["10-25 02:30"]
    assert wall_times("at(2026-03-29T02:30:00)", "2026-03-23T12:00", 3) == []


def test_a_rate_counts_hours_from_its_start_which_is_the_first_time():
    start = utc("2026-10-24T12:00:00")
    schedule = read_schedule("rate(1 day)", "Europe/Berlin", start)
    assert schedule.after(start - timedelta(seconds=1)) == start
    assert list(islice(schedule.times(start), 2)) == [start + timedelta(days=n) for n in (1, 2)]


@st.composite
def cron_fields(draw):
    minutes = draw(st.sets(st.sampled_from(range(0, 60, 10)), min_size=1, max_size=3))
    hours = draw(st.sets(st.integers(0, 5), min_size=1, max_size=4))
    return sorted(minutes), sorted(hours)


DAYS = ["2026-03-28", "2026-10-24", "2026-06-01", "2026-04-04"]
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]


@given(cron_fields(), st.sampled_from(DAYS), st.sampled_from(ZONES))
@settings(max_examples=40)
def test_due_times_are_the_matching_times_of_the_wall_clock(fields, day, zone):
    """Against a walk over every minute: each wall time that exists, the first of two."""
    minutes, hours = fields
    text = f"cron({','.join(map(str, minutes))} {','.join(map(str, hours))} * * ? *)"
    start, tz = utc(f"{day}T00:00:00"), ZoneInfo(zone)
    seen, expected = set(), []
    for minute in range(1, 2 * 1440):
        due = start + timedelta(minutes=minute)
        wall = due.astimezone(tz)
        key = wall.replace(tzinfo=None)
        is_repeated = wall.fold or key in seen
        seen.add(key)
        if wall.minute in minutes and wall.hour in hours and not is_repeated:
            expected.append(due)
    schedule = read_schedule(text, zone, start)
    found = []
    for due in schedule.times(start):
        if due >= start + timedelta(days=2):
            break
        found.append(due)
    assert found == expected


def field(low, high, names=()):
    value = st.integers(low, high).map(str) | st.sampled_from([*names, str(low)])
    pair = st.tuples(value, value)
    step = st.tuples(st.integers(low, high), st.integers(1, high))
    return st.one_of(
        st.just("*"), value, st.lists(value, min_size=2, max_size=3).map(",".join),
        pair.map("-".join), step.map(lambda p: f"{p[0]}/{p[1]}"),
    )  # fmt: skip


WEEKDAY = st.integers(1, 7).map(str) | st.sampled_from([*cron_reading.WEEKDAYS])
OF_MONTH = st.one_of(
    field(1, 31), st.just("L"), st.integers(1, 30).map(lambda n: f"L-{n}"),
    st.integers(1, 31).map(lambda n: f"{n}W"),
)  # fmt: skip
OF_WEEK = st.one_of(
    st.just("L"), WEEKDAY, WEEKDAY.map(lambda d: f"{d}L"),
    st.tuples(WEEKDAY, WEEKDAY).map("-".join),
    st.tuples(WEEKDAY, st.integers(1, 5)).map(lambda p: f"{p[0]}#{p[1]}"),
)  # fmt: skip
DAYS_OF_BOTH = st.one_of(OF_MONTH.map(lambda m: (m, "?")), OF_WEEK.map(lambda w: ("?", w)))
YEARS = st.sampled_from(["*", "2026-2030", "2027", "2026/2", "*/3"])


@given(field(0, 59), field(0, 23), DAYS_OF_BOTH, field(1, 12, cron_reading.MONTHS), YEARS,
       st.sampled_from([*ZONES, "America/Santiago"]), st.integers(0, 730 * 1440))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_expressions_are_due_as_a_second_reading_of_the_rules_has_them(
    minutes, hours, days, months, years, zone, offset
):
    fields = f"{minutes} {hours} {days[0]} {months} {days[1]} {years}"
    start = utc("2026-01-01T00:00") + timedelta(minutes=offset)
    expected = cron_reading.times(fields, zone, start, 3)
    found = read_schedule(f"cron({fields})", zone, start).times(start)
    assert list(islice(found, len(expected))) == expected


@given(st.integers(0, 10**6), st.integers(0, 10**7), st.sampled_from(["minute", "hour", "day"]))
def test_the_next_time_of_a_rate_is_the_first_after_the_moment(count, seconds, unit):
    start = utc("2026-01-01T00:00:00")
    text = f"rate({count} {unit}{'' if count == 1 else 's'})"
    if not 0 < count < 10**6:
        with pytest.raises(UsageError):
            read_schedule(text, "UTC", start)
        return
    interval = timedelta(**{unit + "s": count})
    moment = start + timedelta(seconds=seconds)
    due = Schedule(text, ZoneInfo("UTC"), start).after(moment)
    assert moment < due <= moment + interval and (due - start) % interval == timedelta(0)


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("cron(0 6 ? * L *)", ["2026-01-03T06:00", "2026-01-10T06:00"]),  # a week ends on Saturday
        ("cron(0 6 1 1 ? 2027/3)", ["2027-01-01T06:00", "2030-01-01T06:00"]),
        ("cron(0 6 1 1 ? 2026-2031/4)", ["2026-01-01T06:00", "2030-01-01T06:00"]),
        ("cron(0 0 ? 2 1#5 *)", ["2032-02-29T00:00", "2060-02-29T00:00"]),  # every 28 years
        ("cron(0 0 1 3 ? 2199)", ["2199-03-01T00:00"]),
        ("cron(0 6 31 2 ? *)", []),
        ("rate(999999 days)", ["4763-11-28T00:00", "7501-10-24T00:00"]),
    ],
)
def test_what_comes_rarely_comes(expression, times):
    start = utc("2026-01-01T00:00")
    found = read_schedule(expression, "UTC", start).times(start)
    assert [f"{due:%Y-%m-%dT%H:%M}" for due in islice(found, 2)] == times


@pytest.mark.parametrize(
    "expression",
    ["rate(1 days)", "rate(0 days)", "rate(2 day)", "rate(1.5 hours)", "rate(1 week)", "every day",
     "cron(0 6 * * * *)", "cron(0 6 ? * ? *)", "cron(61 6 * * ? *)", "cron(0 6 * * ?)",
     "cron(0 6 LW * ? *)", "cron(0 6 ? * 1/1 *)", "at(2026-13-01T00:00:00)", "at(2026-12-01)", "",
     "cron", "0 6 * * ? *", " rate(1 day)"],
)  # fmt: skip
def test_what_aws_would_refuse_is_refused(expression):
    with pytest.raises(UsageError, match="is not a schedule") as caught:
        read_schedule(expression, "UTC", utc("2026-01-01"))
    assert caught.value.cause
    read_schedule(caught.value.hint.strip('"'), "UTC", utc("2026-01-01"))


def test_an_unknown_zone_is_answered_with_one_like_it():
    with pytest.raises(UsageError) as caught:
        read_schedule("rate(1 day)", "Europe/Berln", utc("2026-01-01"))
    assert caught.value.hint == "--timezone Europe/Berlin"
    assert (
        read_schedule("cron(0 6 * * ? *)", "UTC", utc("2026-01-01")).after(utc("2200-01-01"))
        is None
    )
