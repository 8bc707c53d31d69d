"""Dates and times in COPY: the default formats, 'auto', epochs, and formats that a user wrote."""

from __future__ import annotations

import re

_DATE = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_STRICT = rf"^\s*{_DATE}( {_TIME}([+-][0-9]{{2}}(:?[0-9]{{2}})?)?)?\s*$"
_OFFSET = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?|[ ](UTC|GMT|[ECMP][SD]T))$"
# 'auto' is what PostgreSQL reads, less its words ("today"), what could be an epoch, and what is
# finer than a microsecond: Redshift refuses that, PostgreSQL rounds it.
_NOT_AUTO = (
    r"^[0-9]{9,13}$|^[0-9]{15,}$|now|today|tomorrow|yesterday|infinity|epoch|allballs"
    r"|:[0-9]{2}\.[0-9]{7}"
)
EPOCHS = {"epochsecs": 1, "epochmillisecs": 1000}

# What a letter group of a format matches, and where it stands in YYYY-MM-DD HH:MI:SS.
_PARTS = {
    "YYYY": ("([0-9]{4})", "year"), "YY": ("([0-9]{2})", "short_year"),
    "MONTH": ("([A-Za-z]{3,9})", "month"), "MON": ("([A-Za-z]{3})", "month"),
    "MM": ("([0-9]{1,2})", "month"), "DD": ("([0-9]{1,2})", "day"),
    "HH24": ("([0-9]{1,2})", "hour"), "HH12": ("([0-9]{1,2})", "hour"),
    "HH": ("([0-9]{1,2})", "hour"), "MI": ("([0-9]{1,2})", "minute"),
    "SS": (r"([0-9]{1,2}(?:\.[0-9]{1,6})?)", "second"),
    "AM": ("([AaPp][Mm])", "half"), "PM": ("([AaPp][Mm])", "half"),
    "OF": ("([+-][0-9]{2}(?::?[0-9]{2})?)", "zone"), "TZ": ("([A-Za-z]{3,4})", "zone"),
}  # fmt: skip
_GROUP = re.compile("|".join(sorted(_PARTS, key=len, reverse=True)), re.IGNORECASE)


def is_known_format(text: str) -> bool:
    """Tell whether a DATEFORMAT or TIMEFORMAT has at least year, month and day."""
    if text in ("", "auto", *EPOCHS):
        return True
    named = {_PARTS[found.upper()][1] for found in _GROUP.findall(text)}
    return {"month", "day"} <= named and bool({"year", "short_year"} & named)


def moment(field: str, chosen: str) -> str:
    """Return SQL for the text PostgreSQL reads as the moment, or NULL where it is none."""
    if chosen in EPOCHS:
        return f"CASE WHEN {field} ~ '^-?[0-9]+(\\.[0-9]+)?$' THEN {_epoch(field, chosen)} END"
    if chosen == "auto":
        return f"CASE WHEN {field} !~* '{_NOT_AUTO}' THEN {_reordered(field)} END"
    if chosen == "":
        # The usual shape is seen without the pattern, which costs several times as much; whether
        # it is a moment is decided by PostgreSQL in any case.
        usual = (
            f"{field} LIKE '____-__-__ __:__:__' AND {field} NOT LIKE '% % %' "
            f"AND right({field}, 2) <= '99'"  # no AM and PM
        )
        return f"CASE WHEN ({usual}) OR {field} ~ '{_STRICT}' THEN {field} END"
    pattern, target = _spelled(chosen)
    return (
        f"CASE WHEN {field} ~ '{pattern}' THEN regexp_replace({field}, '{pattern}', '{target}') END"
    )


def has_offset(text: str) -> str:
    """Return SQL that is true where a moment's text carries an offset or a zone."""
    return f"({text} ~ '{_OFFSET}' AND {text} ~ ':')"


def _epoch(field: str, chosen: str) -> str:
    seconds = f"{field}::numeric / {EPOCHS[chosen]}"
    return (
        f"CASE WHEN abs({seconds}) < 9e11 THEN "
        f"to_char(timestamp 'epoch' + {seconds} * interval '1 second', "
        "'YYYY-MM-DD HH24:MI:SS.US') END"
    )


def _reordered(field: str) -> str:
    """Return SQL that puts MM/DD/YYYY and DD.MM.YYYY into PostgreSQL's order."""
    month_first, day_first = (
        rf"'^([0-9]{{1,2}}){mark}([0-9]{{1,2}}){mark}([0-9]{{4}})'" for mark in ("/", r"\.")
    )
    inner = rf"regexp_replace({field}, {month_first}, '\3-\1-\2')"
    return rf"regexp_replace({inner}, {day_first}, '\3-\2-\1')"


def _spelled(chosen: str) -> tuple[str, str]:
    """Return (pattern, replacement) that turn a spelled format into PostgreSQL's."""
    places: dict[str, int] = {}
    pattern, position = r"^\s*", 0
    for found in _GROUP.finditer(chosen):
        pattern += _quoted(chosen[position : found.start()])
        part, place = _PARTS[found[0].upper()]
        pattern += part
        places[place] = len(places) + 1
        position = found.end()
    pattern += _quoted(chosen[position:]) + r"\s*$"
    year = f"\\{places['year']}" if "year" in places else f"20\\{places.get('short_year', 0)}"
    target = f"{year}-\\{places.get('month', 0)}-\\{places.get('day', 0)}"
    if "hour" in places:
        target += f" \\{places['hour']}"
        target += f":\\{places['minute']}" if "minute" in places else ":00"
        target += f":\\{places['second']}" if "second" in places else ":00"
        target += f" \\{places['half']}" if "half" in places else ""
        target += f" \\{places['zone']}" if "zone" in places else ""
    return pattern, target


def _quoted(text: str) -> str:
    return re.escape(text).replace("'", "''").replace(r"\ ", " ")
