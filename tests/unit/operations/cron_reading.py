"""A second reading of AWS's rules for cron(): a walk over days, independent of the program's."""

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = {"JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6,
          "JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12}  # fmt: skip
WEEKDAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(1, 8), strict=True))
ALL = {**MONTHS, **WEEKDAYS}


def number(text):
    return ALL.get(text) or int(text)


def values(field, low, high):
    """Return the values of a field of lists, ranges and steps; a range may pass the end."""
    found = set()
    for each in field.split(","):
        part, _, step = each.partition("/")
        if part == "*":
            first, last = low, high
        elif "-" in part:
            first, last = map(number, part.split("-"))
        else:
            first = number(part)
            last = high if step else first
        span = [*range(first, last + 1)] if first <= last else [
            *range(first, high + 1), *range(low, last + 1)]  # fmt: skip
        found |= {*span[:: int(step or 1)]}
    return found


def weekday(day):
    return day.isoweekday() % 7 + 1


def is_due_on(day, of_month, of_week):
    last = calendar.monthrange(day.year, day.month)[1]
    if of_week == "?":
        if of_month.startswith("L"):
            return day.day == last - int(of_month[2:] or 0)
        if of_month.endswith("W"):
            return day == nearest_working_day(day, int(of_month[:-1]), last)
        return day.day in values(of_month, 1, 31)
    if of_week.endswith("L"):  # alone, the week's last day; after a weekday, the month's last one
        return (weekday(day) == 7 if of_week == "L" else
                weekday(day) == number(of_week[:-1]) and day.day + 7 > last)  # fmt: skip
    if "#" in of_week:
        wanted, nth = of_week.split("#")
        return weekday(day) == number(wanted) and (day.day - 1) // 7 + 1 == int(nth)
    return weekday(day) in values(of_week, 1, 7)


def nearest_working_day(day, wanted, last):
    """Return the working day nearest to a day of the month, within that month."""
    if wanted > last:
        return None
    found = date(day.year, day.month, wanted)
    if weekday(found) == 7:
        return found + timedelta(-1 if wanted > 1 else 2)
    if weekday(found) == 1:
        return found + timedelta(1 if wanted < last else -2)
    return found


def times(fields, zone, start, count, *, years=3):
    """Return the first due times after a start, in UTC, within some years."""
    minutes, hours, of_month, months, of_week, of_year = fields.split()
    known = [sorted(values(hours, 0, 23)), sorted(values(minutes, 0, 59))]
    months, of_year = values(months, 1, 12), values(of_year, 1970, 2199)
    tz, found = ZoneInfo(zone), []
    first = start.astimezone(tz).date() - timedelta(1)
    for day in (first + timedelta(n) for n in range(366 * years)):
        if day.month not in months or day.year not in of_year:
            continue
        if is_due_on(day, of_month, of_week):
            for hour in known[0]:
                for minute in known[1]:
                    wall = datetime(day.year, day.month, day.day, hour, minute)
                    due = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
                    if due > start and due.astimezone(tz).replace(tzinfo=None) == wall:
                        found.append(due)
        if len(found) >= count:
            break
    return sorted(found)[:count]
