"""What each rejection rule means, and which fields of a rejected record break it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MEANINGS = {
    "missing": "a required value is absent or blank",
    "too_long": "a required text has more bytes than its column holds",
    "invalid_integer": "a required value is no whole number",
    "invalid_decimal": "a required value is no amount",
    "invalid_timestamp": "a required value is no time",
    "out_of_range": "a required value is outside of its column's limits",
    "on_sale_after_start": "the sale begins after the show",
    "amount_mismatch": "the total is not quantity times price",
    "duplicate_key": "an earlier record has the same key",
    "orphan": "the record refers to a row that was not accepted",
    "unreadable": "COPY could not read the record, even as text; of a stream: it is no JSON",
    "sold_after_show": "an event of the stream is of a concert that was over",
    "sold_in_future": "an event of the stream is later than the seller's clock",
    "conflicting_key": "an earlier event of the stream has the same key and other values",
    "over_capacity": "an event of the stream orders more tickets than are left",
}
_FIELDS = {
    "on_sale_after_start": ("on_sale_at", "starts_at"),
    "amount_mismatch": ("quantity", "unit_price", "total_amount"),
    "sold_after_show": ("purchased_at",),
    "sold_in_future": ("purchased_at", "sent_at"),
    "conflicting_key": ("sale_id",),
    "over_capacity": ("quantity",),
}


def meaning(rule: str) -> str:
    """Return what a rule, such as `missing:name`, means."""
    return MEANINGS.get(rule.split(":", maxsplit=1)[0], "")


def fields_of(record: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return (name, value, whether it breaks the rule) of a rejected record's fields.

    A record that is no JSON object, or was cut, is one field without a name.
    """
    raw = record.get("raw_record") or ""
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return [("", raw, False)]
    kind, _, column = record["rule"].partition(":")
    broken = _FIELDS.get(kind, (column,))
    if kind == "duplicate_key":
        broken = tuple(name for name, value in found.items() if value == record["record_key"])[:1]
    return [
        (name, "absent" if value is None else str(value), name in broken)
        for name, value in found.items()
    ]
