"""The values that cleaning changed in accepted rows, as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from src.json_object import JsonObject, JsonView

_NAMED = 3  # in a line; what is beyond is counted


def changed_values(warnings: Mapping[str, JsonView]) -> list[JsonObject]:
    """Return table, column, change, rows and one row's key, the most rows first.

    `warnings` has, of each table, {"rounded:unit_price": {"rows": 3, "example": "s17"}}.
    """
    found = [
        {"table": table, "column": column, "change": change, **counted}
        for table, own in warnings.items()
        for warning, counted in own.items()
        for change, column in [warning.split(":")]
    ]
    return sorted(found, key=lambda row: -row["rows"])


def in_words(warnings: Mapping[str, JsonView]) -> str:
    """Return ", 3 rounded unit_price, 2 nullified genre" for the end of a stage's line."""
    found = changed_values(warnings)
    parts = [f", {row['rows']:,} {row['change']} {row['column']}" for row in found[:_NAMED]]
    if len(found) > _NAMED:
        parts.append(f", {sum(row['rows'] for row in found[_NAMED:]):,} more changed")
    return "".join(parts)
