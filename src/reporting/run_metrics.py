"""A run's report as metrics: CloudWatch's embedded format, and OpenMetrics text for Prometheus."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from src.domain.metrics import METRIC_BY_NAME, METRICS, NAMESPACE
from src.errors import CannotRunError
from src.json_object import JsonObject, JsonView
from src.reporting.run_report import plain, write_atomically

LOG, EXPOSITION = "metrics.ndjson", "metrics.prom"


@dataclass(frozen=True)
class Measurement:
    """One value of a metric, with all its dimensions."""

    name: str
    value: float
    dimensions: Mapping[str, str]


Add = Callable[[str, object, str], None]


def measured(report: JsonView) -> list[Measurement]:
    """Return what a report of any kind measures; values that are not known are left out."""
    facts = plain(report)
    common = {"Script": facts["report"], "Target": facts["target"]}
    found: list[Measurement] = []

    def add(name: str, value: object, of: str = "") -> None:
        if isinstance(value, (int, float)) and math.isfinite(value):
            more = {METRIC_BY_NAME[name].dimension: of} if of else {}
            found.append(Measurement(name, float(value), {**common, **more}))

    add("RunSucceeded", int(facts["verdict"] == "succeeded"))
    add("RunFailed", int(facts["verdict"] == "failed"))
    add("DurationSeconds", facts["duration_seconds"])
    steps = facts.get("steps") or {}
    for stage, step in steps.items():
        add("StageSeconds", step.get("seconds"), stage)
    tables = facts.get("rows") or {} if facts["report"] == "pipeline" else {}
    for table, rows in tables.items():
        add("RowsLoaded", rows.get("loaded"), table)
        if rows.get("raw_records") and rows.get("rejected") is not None:
            add("RejectedShare", rows["rejected"] / rows["raw_records"], table)
    add("ChecksFailed", (steps.get("data_verification") or {}).get("tally", {}).get("failed"))
    as_of = (facts.get("dataset") or {}).get("as_of")
    if as_of:
        add("DataAgeHours", _hours_between(as_of, facts[f"{facts['report']}_end"]))
    if facts["report"] == "training":
        _of_models(facts, steps, add)
    return found


def _of_models(facts: JsonView, steps: JsonView, add: Add) -> None:
    models = facts.get("models") or {}
    for name, model in models.items():
        test = model.get("test_metrics") or {}
        add("ModelR2", test.get("r2"), name)
        add("ModelMae", test.get("mae"), name)
        add("IntervalCoverage", (model.get("intervals") or {}).get("coverage"), name)
        add("ShareOfCeiling", (model.get("ceiling") or {}).get("share_of_columns_ceiling"), name)
    drifted = (steps.get("retraining_need") or {}).get("drifted")
    moved = (models.get("ticket_sales_prediction") or {}).get("drift")
    if moved is not None:
        drifted = [row for row in moved["features"] if row["has_drifted"]]
    add("DriftedFeatures", len(drifted or []), "")
    is_new = facts.get("mode") == "train" and any("decision" in model for model in models.values())
    roles = [model.get("role") for model in models.values()]
    add("Promoted", int(is_new and "champion" in roles), "")


def _hours_between(first: str, last: str) -> float:
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=None) for text in (first, last))
    return max((end - begin).total_seconds() / 3_600, 0.0)


def embedded(report: JsonView, measurements: Iterable[Measurement]) -> list[JsonObject]:
    """Return the metrics as CloudWatch's embedded format: an event for each set of dimensions.

    The run's id is a property: it can be searched for, and makes no metric of its own.
    """
    ended = datetime.fromisoformat(str(plain(report[f"{report['report']}_end"])))
    events = []
    for dimensions, group in groupby(measurements, key=lambda one: dict(one.dimensions)):
        values = {one.name: one.value for one in group}
        listed = [{"Name": name, "Unit": METRIC_BY_NAME[name].unit} for name in values]
        directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": listed}
        events.append(
            {
                "_aws": {
                    "Timestamp": int(ended.timestamp() * 1000),
                    "CloudWatchMetrics": [directive],
                },
                "RunId": report["run_id"],
                **dimensions,
                **values,
            }
        )
    return events


def append_events(reports: Path, events: Iterable[JsonView]) -> None:
    """Add the events of a run to the log of metrics; raises CannotRunError."""
    path = reports / LOG
    lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(lines)
    except OSError as error:
        raise CannotRunError(
            "the log of metrics cannot be written", where=str(path), cause=str(error),
            hint="free some space, or name a writable folder with --report-dir",
        ) from error  # fmt: skip


def logged_events(reports: Path) -> list[JsonObject]:
    """Return all events of the log that can be read, the oldest first."""
    try:
        lines = (reports / LOG).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            event = json.loads(line)
            event["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]
            found.append(event)
        except (ValueError, LookupError, TypeError):
            continue  # torn by a killed process
    return found


def values_of(events: Iterable[JsonView]) -> Iterator[tuple[float, Measurement]]:
    """Yield (seconds since 1970, measurement) of events."""
    for event in events:
        (directive,) = event["_aws"]["CloudWatchMetrics"]
        dimensions = {name: str(event[name]) for name in directive["Dimensions"][0]}
        for metric in directive["Metrics"]:
            value = float(event[metric["Name"]])
            yield event["_aws"]["Timestamp"] / 1000, Measurement(metric["Name"], value, dimensions)


def open_metrics(events: Iterable[JsonView]) -> str:
    """Return the newest value of every metric as OpenMetrics text."""
    newest: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, float]] = {}
    for time, one in values_of(events):
        newest[one.name, tuple(one.dimensions.items())] = (one.value, time)
    lines = []
    for metric in METRICS:
        name = prometheus_name(metric.name)
        found = {key[1]: value for key, value in newest.items() if key[0] == metric.name}
        if not found:
            continue
        lines += [f"# TYPE {name} gauge", f"# HELP {name} {metric.meaning}"]
        for dimensions, (value, time) in found.items():
            labels = ",".join(f'{label.lower()}="{_escaped(text)}"' for label, text in dimensions)
            lines.append(f"{name}{{{labels}}} {value!r} {time:.3f}")
    return "\n".join([*lines, "# EOF\n"])


def write_exposition(reports: Path, events: Iterable[JsonView]) -> None:
    """Write the file for node_exporter's textfile collector; whole or not at all."""
    write_atomically(reports / EXPOSITION, open_metrics(events))


def prometheus_name(name: str) -> str:
    """Return a metric's name as Prometheus spells it: concert_demo_run_failed."""
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return f"concert_demo{words}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
