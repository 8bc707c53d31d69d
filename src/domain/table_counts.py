"""What cleaning did to a table, added up from the counts of its SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from src.json_object import JsonObject, JsonView


@dataclass(frozen=True)
class TableCounts:
    """What cleaning did to one table.

    `rules` has rows by rule, "accepted" among them; `warnings` has accepted rows by what was
    changed in them ("nullified:genre", "rounded:unit_price"), each with the key of one.
    """

    rules: dict[str, int]
    warnings: dict[str, JsonObject]
    repaired: int

    @property
    def rejected(self) -> int:
        """Return the rows that broke a rule."""
        return sum(n for rule, n in self.rules.items() if rule != "accepted")


def table_counts(rows: Iterable[JsonView]) -> TableCounts:
    """Add up the rows of `Cleaning.counts()`."""
    counts = TableCounts({"accepted": 0}, {}, 0)
    repaired = 0
    for row in rows:
        rule, n = row["rule"], int(row["n"])
        counts.rules[rule] = counts.rules.get(rule, 0) + n
        if rule != "accepted":
            continue
        repaired += int(row["untidy"])
        for warning in (row["warnings"] or "").split():
            found = counts.warnings.setdefault(warning, {"rows": 0, "example": row["example"]})
            found["rows"] += n
            found["example"] = min(found["example"], row["example"])
    return replace(counts, repaired=repaired, warnings=dict(sorted(counts.warnings.items())))
