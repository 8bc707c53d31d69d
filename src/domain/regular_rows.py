"""Rows that need no cleaning: every value is written in the one usual form of its column.

Such a row is read with one regular expression over all of its texts and plain casts, which
costs a fraction of the steps of src/domain/cleaning.py and gives the same values. Any other row
is not judged here at all: it takes those steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from src.domain import text_values as texts
from src.domain.tables import Column, TableSpec

_DAY = f"(1[89]|2[01])[0-9][0-9]-{texts.DAY_OF_ANY_YEAR}"  # of the years that every column takes
_TIME = f"{_DAY}[ T]{texts.HOURS_MINUTES}:[0-5][0-9]([.][0-9]{{1,6}})?Z?"
_FORMS = {"key": "[0-9A-Za-z_-]+", "integer": "[0-9]+", "timestamp": _TIME}
_LONGEST_INTEGER, _LONGEST_TIME = 9, len("YYYY-MM-DD HH:MM:SS.ffffffZ")
_END = "|"  # of a value in the text of a row; no value in its usual form has one


def is_written_as_usual(spec: TableSpec, absent: Sequence[str]) -> str:
    """Return SQL that is true where each text of the row is in its column's usual form.

    Lengths come first: they cost nothing, and what they let pass is short enough to join.
    """
    fits = " AND ".join(
        f"OCTET_LENGTH({_text(column)}) <= {_longest(column)}" for column in spec.columns
    )
    row = " || ".join(f"COALESCE(raw__{c.name}, '') || '{_END}'" for c in spec.columns)
    form = "".join(_form(column) for column in spec.columns)
    matches = texts.matches(row, f"^{form}$")
    others = [text for text in absent if text not in texts.ABSENT]
    if others:  # a user's texts for no value: any text may be one of them
        excluded = ", ".join(map(texts.literal, others))
        matches += "".join(f" AND {_text(c)} NOT IN ({excluded})" for c in spec.columns)
    return f"CASE WHEN {fits} THEN {matches} ELSE FALSE END"


def is_lawful(spec: TableSpec) -> str:
    """Return SQL that is true where such a row's values are within their limits and its laws."""
    within = ["is_usual"]
    for column in spec.columns:
        if column.kind in ("integer", "decimal"):
            low, high = texts.limits(column)
            law = f"{column.name} >= {low} AND {column.name} <= {high}"
            within.append(law if column.required else f"COALESCE({law}, TRUE)")
    # What has at most two places is exact as it is.
    broken = [f"COALESCE({rule.violated.replace('exact__', '')}, FALSE)" for rule in spec.rules]
    obeyed = f"NOT ({' OR '.join(broken)})" if broken else "TRUE"
    return f"CASE WHEN {' AND '.join(within)} THEN {obeyed} ELSE FALSE END"


def value(column: Column, alias: str = "") -> str:
    """Return SQL for the value of such a row, in its warehouse type."""
    text = f"{alias}raw__{column.name}"
    if not column.required:
        text = f"NULLIF({text}, '')"
    if column.kind in ("key", "text"):
        return text
    return f"CAST({text} AS {column.redshift_type})"


def _text(column: Column) -> str:
    return f"raw__{column.name}" if _must_be_there(column) else f"COALESCE(raw__{column.name}, '')"


def _must_be_there(column: Column) -> bool:
    return column.required or column.fill is not None


def _longest(column: Column) -> int:
    if column.kind in ("key", "text"):
        return column.max_bytes
    if column.kind == "decimal":
        return column.precision + 1
    return _LONGEST_INTEGER if column.kind == "integer" else _LONGEST_TIME


def _form(column: Column) -> str:
    form = _FORMS.get(column.kind)
    if column.kind == "decimal":
        form = f"[0-9]{{1,{column.precision - 2}}}([.][0-9][0-9]?)?"
    elif form is None:
        letters = {"lower": "a-z", "upper": "A-Z", None: "A-Za-z"}[column.case]
        form = f"[0-9{letters}]([0-9{letters} _-]*[0-9{letters}])?"
    return form + f"[{_END}]" if _must_be_there(column) else f"({form})?[{_END}]"
