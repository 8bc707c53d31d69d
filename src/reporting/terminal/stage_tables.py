"""The tables `--present` shows after each stage, from the facts the report keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from src.json_object import JsonObject
from src.reporting.figures import count, decimal, interval, percent
from src.reporting.wording import LIMITS, candidate_words, human_bytes

Facts = JsonObject
_VENUES, _SALES = "venue_popularity", "ticket_sales_prediction"


@dataclass(frozen=True)
class SummaryTable:
    """A small table; `numbers` are the indices of the columns aligned right."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[int, ...] = ()


def stage_tables(key: str, step: Facts, facts: Facts) -> list[SummaryTable]:
    """Return the tables of a stage; a failed stage shows its error, and what it found."""
    tables = []
    is_audited = key in ("redshift_load", "data_verification") and "checks" in step
    if step["status"] in _DONE or is_audited:
        make = _TABLES.get("data_verification" if is_audited else key)
        tables += make(step, facts) if make else []
    error = step.get("error")
    if error:
        rows = [(label, error[label]) for label in ("message", "where", "cause") if error[label]]
        tables.append(SummaryTable("What went wrong", ("", ""), rows))
    return tables


def _buckets(step: Facts, _: Facts) -> list[SummaryTable]:
    rows = [(f"s3://{name}", word) for name, word in step["buckets"].items()]
    return [SummaryTable("S3 buckets", ("bucket", ""), rows)]


def _raw(step: Facts, _: Facts) -> list[SummaryTable]:
    rows = [
        (table, count(step["counts"][table]), count(records))
        for table, records in step["records"].items()
    ]
    title = f"Raw data in {step['location']}: {human_bytes(step['bytes'])}"
    if step.get("defects"):
        title += f", {count(step['defects'])} rows defective on purpose"
    columns = ("table", "valid rows", "records in S3")
    return [SummaryTable(title, columns, rows, numbers=(1, 2))]


def _etl(step: Facts, _: Facts) -> list[SummaryTable]:
    rows = []
    for table, counts in step.get("counts", {}).items():
        rules = {rule: n for rule, n in counts.items() if rule != "accepted"}
        worst = ", ".join(
            f"{rule} {n}" for rule, n in sorted(rules.items(), key=lambda i: (-i[1], i[0]))[:3]
        )
        more = ", …" if len(rules) > 3 else ""
        rows.append((table, count(counts["accepted"]), count(sum(rules.values())), worst + more))
    columns = ("table", "accepted", "rejected", "for")
    return [SummaryTable("What the Glue job did", columns, rows, numbers=(1, 2))] if rows else []


def _load(_: Facts, facts: Facts) -> list[SummaryTable]:
    rows = [
        (table, *(count(n[stop]) for stop in ("raw_records", "rejected", "loaded", "warehouse")))
        for table, n in facts["rows"].items()
    ]
    columns = ("concert_dw", "raw records", "rejected", "copied", "in the warehouse")
    return [SummaryTable("Rows at each step", columns, rows, numbers=(1, 2, 3, 4))]


def _checks(step: Facts, _: Facts) -> list[SummaryTable]:
    found = [(check["title"], check) for check in step.get("checks", [])]
    return [_verdicts("Data quality", found)] if found else []


def _verdicts(title: str, checks: Sequence[tuple[str, Facts]]) -> SummaryTable:
    """Return a table of checks; what was expected is shown only where it was not found."""
    rows = [
        (
            check["verdict"],
            words,
            check["found"],
            check["expected"] * (check["verdict"] == "failed"),
        )
        for words, check in checks
    ]
    if not any(row[3] for row in rows):
        return SummaryTable(title, ("", "check", "found"), [row[:3] for row in rows], numbers=(2,))
    return SummaryTable(title, ("", "check", "found", "expected"), rows, numbers=(2, 3))


def _splits(step: Facts, _: Facts) -> list[SummaryTable]:
    rows = [(name, count(n)) for name, n in step["rows"].items()]
    return [SummaryTable("Concerts, oldest to newest", ("for", "concerts"), rows, numbers=(1,))]


def _model(key: str, unit: str) -> Callable[[Facts, Facts], list[SummaryTable]]:
    def tables(_: Facts, facts: Facts) -> list[SummaryTable]:
        model = facts["models"][key]
        test = model["test_metrics"]
        rows = [("this model", decimal(test["mae"], 1), decimal(test["r2"], 3), "")]
        for name, found in model["baselines"].items():
            judged = f"the model is {found['model_is']['verdict']}"
            shown = (name.replace("_", " "), decimal(found["mae"], 1), decimal(found["r2"], 3))
            rows.append((*shown, judged))
        for name, words in LIMITS.items():
            found = model.get("headline", {}).get(name)
            if found:
                shown = (f"limit: {name}", decimal(found["mae"], 1), decimal(found["r2"], 3))
                rows.append((*shown, words))
        held = percent(model["intervals"]["coverage"], 1)
        title = f"{count(test['rows'])} test rows, {held} inside their interval"
        return [SummaryTable(title, ("", f"mean error, {unit}", "R²", ""), rows, numbers=(1, 2))]

    return tables


def _samples(_: Facts, facts: Facts) -> list[SummaryTable]:
    samples = facts["sample_predictions"]
    shows = [
        (s["scenario"], f"{s['genre']}, {s['city']}", count(s["capacity"]),
         count(s["expected_tickets"]), interval(s["interval"]), percent(s["confidence"]))
        for s in samples if "expected_tickets" in s
    ]  # fmt: skip
    venues = [
        (s["name"], s["city"], decimal(s["score"], 1), decimal(s["forecast"], 1),
         interval(s["interval"], 1))
        for s in samples if "forecast" in s
    ]  # fmt: skip
    seats = ("concert", "", "seats", "expected", "interval", "confidence")
    scores = ("venue", "city", "score", "forecast", "interval")
    return [
        SummaryTable(_marked("Tickets", samples, "expected_tickets"), seats, shows,
                     numbers=(2, 3, 4, 5)),
        SummaryTable(_marked("Venues of the next quarter", samples, "forecast"), scores, venues,
                     numbers=(2, 3, 4)),
    ]  # fmt: skip


def _marked(title: str, samples: list[Facts], field: str) -> str:
    by = candidate_words(samples, field)
    return f"{title}, {by}" if by else title


def _saved(_: Facts, facts: Facts) -> list[SummaryTable]:
    found = [
        (f"{key.replace('_', ' ')}: {check['name']}", check)
        for key, model in facts["models"].items()
        for check in model.get("checks", [])
    ]
    return [_verdicts("The saved models", found)]


_DONE = ("success", "skipped")
_TABLES: dict[str, Callable[[Facts, Facts], list[SummaryTable]]] = {
    "s3_buckets": _buckets,
    "data_generation": _raw,
    "glue_etl": _etl,
    "redshift_load": _load,
    "data_verification": _checks,
    "sales_features": _splits,
    "venue_model": _model(_VENUES, "points"),
    "sales_model": _model(_SALES, "tickets"),
    "predictions": _samples,
    "saved_models": _saved,
}
