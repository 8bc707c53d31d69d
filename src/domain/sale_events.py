"""Ticket sales as events of a stream: what they hold, and which need no cleaning.

An event is a JSON object with the columns of `ticket_sales`, and `sent_at`, the seller's clock.
Nearly all events are written plainly: they are cast as they are. Every other one is judged by the
rules of the batch (src/domain/cleaning.py), which accept each plain one with the same values: a
test holds the two together.

The SQL here is Redshift's. Texts are compared with their length, for Redshift takes no notice of
blanks at their end; no text is cast before its form is known.
"""

from __future__ import annotations

from string import digits

from src.domain.tables import TICKET_SALES, Column

SENT_AT = "sent_at"
FIELDS = (*TICKET_SALES.column_names, SENT_AT)
LATE_MINUTES = 60  # between the sale and the seller's clock: kept, and noted
AHEAD_MINUTES = 5  # of the seller's clock: a sale beyond is rejected
STREAM_RUN = "stream"  # the run_id of rejected events
# What an event may be rejected for, beside the batch's rules.
RULES = ("sold_after_show", "sold_in_future", "conflicting_key", "over_capacity",
         "unreadable:record")  # fmt: skip
_ZEROS = "0" * len(digits)
_AMOUNT = "CAST(quantity AS INTEGER) * CAST(unit_price AS DECIMAL(10,2))"


def is_plain() -> str:
    """Return SQL that is true for events that are cast as they are; never NULL."""
    conditions = [condition for column in TICKET_SALES.columns for condition in _plain(column)]
    conditions += [f"CAST(total_amount AS DECIMAL(14,2)) = {_AMOUNT}"]
    return _all_of(conditions)


def values() -> str:
    """Return SQL for the typed columns of plain events."""
    return ", ".join(f"{_value(column)} AS {column.name}" for column in TICKET_SALES.columns)


def sent_at() -> str:
    """Return SQL for the seller's clock; where it is none, the record's arrival."""
    shaped = _all_of(_time(SENT_AT))
    return f"CASE WHEN {shaped} THEN {_moment(SENT_AT)} ELSE arrived_at END"


def texts(payload: str) -> str:
    """Return SQL for the fields of a SUPER value, as texts."""
    return ", ".join(f"{payload}.{name}::VARCHAR(65535) AS {name}" for name in FIELDS)


def fingerprint(prefix: str) -> str:
    """Return SQL for a text that is the same for sales of the same content."""
    parts = []
    for column in TICKET_SALES.columns[1:]:
        text = f"CAST({prefix}{column.name} AS VARCHAR(64))"
        parts.append(text if column.required else f"COALESCE({text}, '')")
    return " || '|' || ".join(parts)


def _all_of(conditions: list[str]) -> str:
    """Return SQL that looks at each condition only where those before it hold."""
    cases = " ".join(
        f"WHEN NOT COALESCE({condition}, FALSE) THEN FALSE" for condition in conditions
    )
    return f"CASE {cases} ELSE TRUE END"


def _plain(column: Column) -> list[str]:
    name = column.name
    if column.kind == "timestamp":
        return _time(name)
    if column.kind == "integer":
        return [
            f"OCTET_LENGTH({name}) BETWEEN 1 AND 6",
            f"{name} !~ '[^0-9]'",
            f"CAST({name} AS INTEGER) BETWEEN {column.minimum} AND {column.maximum}",
        ]
    if column.kind == "decimal":
        limits = [] if column.maximum is None else [
            f"CAST({name} AS {column.redshift_type}) <= {column.maximum}"
        ]  # fmt: skip
        return [
            f"OCTET_LENGTH({name}) BETWEEN 4 AND {12 if column.maximum is None else 9}",
            f"LPAD(TRANSLATE({name}, '{digits}', '{_ZEROS}'), 12, '0') = '000000000.00'",
            *limits,
        ]
    others = "[^A-Za-z0-9_-]" if column.kind == "key" else "[^a-z_]"
    is_word = f"{name} !~ '{others}'"
    is_short = f"OCTET_LENGTH({name}) BETWEEN 1 AND {column.max_bytes}"
    if column.required:
        return [is_short, is_word]
    return [f"({name} IS NULL OR {is_short} AND {is_word})"]


def _time(name: str) -> list[str]:
    """Return the conditions of YYYY-MM-DDTHH:MM:SS.mmmZ; February 29 is left to the batch."""
    month, day, hour, minute, second = (
        f"SUBSTRING({name}, {start}, 2)" for start in (6, 9, 12, 15, 18)
    )
    return [
        f"OCTET_LENGTH({name}) = 24",
        f"TRANSLATE({name}, '{digits}', '{_ZEROS}') = '0000-00-00T00:00:00.000Z'",
        f"{name} >= '1900' AND {name} < '2199' AND {month} BETWEEN '01' AND '12'",
        f"{day} BETWEEN '01' AND '28' OR {month} <> '02' AND {day} BETWEEN '29' AND '30' "
        f"OR {month} IN ('01', '03', '05', '07', '08', '10', '12') AND {day} = '31'",
        f"{hour} <= '23' AND {minute} <= '59' AND {second} <= '59'",
    ]


def _moment(name: str) -> str:
    text = f"SUBSTRING({name}, 1, 10) || ' ' || SUBSTRING({name}, 12, 12)"
    return f"CAST({text} AS TIMESTAMP)"


def _value(column: Column) -> str:
    if column.kind == "timestamp":
        return _moment(column.name)
    return f"CAST({column.name} AS {column.redshift_type})"
