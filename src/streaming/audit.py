"""Compares what a producer put on the stream with what the warehouse has: event by event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from src.domain.judgement import passed_if
from src.domain.live_sales import ID_PREFIX, LiveSale
from src.domain.tables import TICKET_SALES
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.streamed_sales import VIEW, StreamedTotals
from src.json_object import JsonObject
from src.services.data_quality_service import CheckResult
from src.sql.quoting import literal

# What each event that is broken on purpose must be rejected for; the others are sales or copies.
_REJECTED_FOR = {
    "malformed": {"unreadable:record"}, "no_tickets": {"out_of_range:quantity"},
    "future": {"sold_in_future", "sold_after_show"}, "unknown_concert": {"orphan:concert_id"},
    "wrong_amount": {"amount_mismatch"},
    "conflict": {"conflicting_key", "over_capacity", "sold_after_show"},
}  # fmt: skip
# A sale that is right may be refused for what only the warehouse holds.
_REFUSED_FOR = {"over_capacity", "sold_after_show", "orphan:concert_id"}
_SHOWN = 3


@dataclass
class Produced:
    """The events that were acknowledged, by what must become of them."""

    sales: dict[str, JsonObject] = field(default_factory=dict)
    broken: list[tuple[str, str, set[str]]] = field(default_factory=list)  # key, text, rules
    duplicates: int = 0
    events: int = 0

    @classmethod
    def of(cls, events: Iterable[LiveSale]) -> Produced:
        """Sort events by their defects."""
        found = cls()
        for event in events:
            found.events += 1
            if event.defect == "duplicate":
                found.duplicates += 1
            elif event.defect in _REJECTED_FOR:
                text = event.data.decode()
                key = "" if event.defect == "malformed" else str(json.loads(text)["sale_id"])
                found.broken.append((key, text, _REJECTED_FOR[event.defect]))
            else:
                sale = json.loads(event.data, parse_float=Decimal, parse_int=Decimal)
                found.sales[sale["sale_id"]] = sale
        return found


class Auditor:
    """Looks at the streamed rows of one seed's producer."""

    def __init__(self, client: RedshiftClient, seed: int) -> None:
        self._client = client
        self._prefix = f"{ID_PREFIX}{seed}-"

    def audit(self, produced: Produced, moved: StreamedTotals) -> list[CheckResult]:
        """Return the checks: `moved` is what the ingestion counted of these events."""
        names = ", ".join(TICKET_SALES.column_names)
        rows = self._client.query(
            f"SELECT {names} FROM concert_dw.ticket_sales WHERE streamed_at IS NOT NULL "
            f"AND sale_id LIKE {literal(self._prefix + '%')}"
        )
        rejected = self._client.query(
            "SELECT record_key, rule, raw_record FROM concert_dw.rejected_records "
            "WHERE run_id = 'stream'"
        )
        sold = {row["sale_id"]: row for row in rows}
        refused = {r["record_key"] for r in rejected if r["rule"] in _REFUSED_FOR}
        return [
            _none("nothing is lost", "every acknowledged sale is in the warehouse or refused",
                  produced.sales.keys() - sold.keys() - refused),
            _none("each sale once", "no sale is in the table twice",
                  [key for key, n in Counter(r["sale_id"] for r in rows).items() if n > 1]),
            _none("to the cent", "every sale has the values that were produced",
                  [key for key in produced.sales.keys() & sold.keys()
                   if not _is_same(produced.sales[key], sold[key])]),
            _none("each defect found", "every broken event is in the quarantine, for its reason",
                  _not_found(produced, rejected)),
            self._in_order(),
            CheckResult(
                "it_balances", "records = sales + rejected + duplicates",
                passed_if(moved.is_balanced and moved.records >= produced.events),
                f"{produced.events:,} or more",
                f"{moved.sales + moved.rejected + moved.duplicates:,} of {moved.records:,}",
            ),
        ]  # fmt: skip

    def _in_order(self) -> CheckResult:
        """Of a concert, the view has the sales in the order of their numbers."""
        sale_id = "payload.sale_id::VARCHAR(64)"
        number = f"CAST(SUBSTRING({sale_id}, {len(self._prefix) + 1}) AS BIGINT)"
        found = self._client.query_value(
            "SELECT COUNT(*) FROM (SELECT n, LAG(n) OVER (PARTITION BY partition_key "
            "ORDER BY shard_id, position) AS before FROM (SELECT partition_key, shard_id, position,"
            f" CASE WHEN {sale_id} LIKE {literal(self._prefix + '%')} THEN {number} END AS n, "
            f"ROW_NUMBER() OVER (PARTITION BY {sale_id} ORDER BY shard_id, position) AS nth "
            f"FROM {VIEW} WHERE payload IS NOT NULL) AS numbered WHERE nth = 1 AND n IS NOT NULL) "
            "AS ordered WHERE n < before"
        )
        return CheckResult("in_order", "the sales of a concert are in the order they were made",
                           passed_if(not found), "0", f"{int(found):,}")  # fmt: skip


def _none(name: str, title: str, wrong: Iterable[str]) -> CheckResult:
    found = sorted(wrong)
    examples = f": {', '.join(found[:_SHOWN])}" if found else ""
    return CheckResult(name.replace(" ", "_"), title, passed_if(not found), "0",
                       f"{len(found):,}{examples}")  # fmt: skip


def _is_same(made: JsonObject, row: JsonObject) -> bool:
    for column in TICKET_SALES.columns:
        value, found = made[column.name], row[column.name]
        if column.kind == "timestamp":
            is_same = str(value) == found.isoformat(timespec="milliseconds") + "Z"
        else:
            is_same = value == found
        if not is_same:
            return False
    return True


def _not_found(produced: Produced, rejected: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the broken events without a rejected record of a reason that is theirs."""
    by_key: dict[str, set[str]] = {}
    texts = set()
    for row in rejected:
        if row["rule"] == "unreadable:record":
            texts.add(row["raw_record"])
        else:
            by_key.setdefault(row["record_key"], set()).add(row["rule"])
    return [
        key or text[:60]
        for key, text, rules in produced.broken
        if not (by_key.get(key, set()) & rules if key else text in texts)
    ]
