"""The page over all runs in a report folder, and `latest`, the link to the newest of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from src.json_object import JsonView
from src.reporting.figures import UNKNOWN, count, decimal
from src.reporting.page import charts
from src.reporting.page.html_report import rendered
from src.reporting.run_log import PAGE, append_lost, append_run, known_runs
from src.reporting.run_report import write_atomically
from src.reporting.wording import plural

LATEST = "latest"
_SHOWN = 200  # runs in the table
_TREND = 100  # runs in a chart
_SALES, _VENUES = "ticket_sales_prediction", "venue_popularity"
Run = JsonView


def record_run(reports: Path, report: JsonView) -> None:
    """Add a run to the log of runs, and write the index page and the link `latest` anew.

    Raises CannotRunError where they cannot be written.
    """
    append_run(reports, report)
    append_lost(reports)
    runs = known_runs(reports)
    write_atomically(reports / PAGE, render_index(runs, _alarms(reports)))
    _link_latest(reports, runs)


def refresh_index(reports: Path) -> None:
    """Write the index page anew, where there is one: the alarms have changed."""
    if (reports / PAGE).exists():
        write_atomically(reports / PAGE, render_index(known_runs(reports), _alarms(reports)))


def _link_latest(reports: Path, runs: Iterable[Run]) -> None:
    """Let `latest` lead to the newest run that has a page and was not refused at once."""
    newest = next((run for run in runs if run["did"] and run["page"].endswith(PAGE)), None)
    link = reports / LATEST
    if newest is None or (link.exists() and not link.is_symlink()):
        return
    aside = reports / f".{LATEST}.{os.getpid()}"
    with suppress(OSError):  # a file system without links: the index page still leads there
        aside.unlink(missing_ok=True)
        aside.symlink_to(newest["run_id"])
        aside.replace(link)


def _alarms(reports: Path) -> list[dict[str, str]]:
    """Return the alarms as they are now, those that ring first."""
    try:
        states = json.loads((reports / "alarms.json").read_text(encoding="utf-8"))
        found = [
            {"name": str(name), "state": str(of["state"]), "since": str(of["since"])[:19],
             "why": str(of["why"])}
            for name, of in states.items()
        ]  # fmt: skip
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []
    return sorted(found, key=lambda one: (one["state"] != "ALARM", one["name"]))


def render_index(runs: Sequence[Run], alarms: Sequence[dict[str, str]] = ()) -> str:
    """Return the page over the runs, which come the newest first, and the alarms."""
    tally = {word: sum(run["verdict"] == word for run in runs) for word in ("succeeded", "failed")}
    newest = next((run for run in runs if run["did"]), None)
    again = {
        "Newest that succeeded": _first(runs, "succeeded"),
        "Newest that failed": _first(runs, "failed"),
    }
    good = [run for run in runs if run["verdict"] == "succeeded"]
    left_out = len(runs) - _SHOWN
    page = {
        "counted": f"{plural(len(runs), 'run')}, {tally['succeeded']} succeeded, "
        f"{tally['failed']} failed",
        "newest": _row(newest) if newest else None,
        "found_again": [(words, _row(run)) for words, run in again.items() if run and run["page"]],
        "trends": _trends(good),
        "alarms": alarms,
        "ringing": sum(alarm["state"] == "ALARM" for alarm in alarms),
        "shown_trend": min(_TREND, len(good)),
        "runs": [_row(run) for run in runs[:_SHOWN]],
        "note": f"{plural(left_out, 'older run')} not shown." if left_out > 0 else "",
    }
    return rendered("index.html.j2", page)


def _first(runs: Iterable[Run], verdict: str) -> Run | None:
    return next((run for run in runs if run["verdict"] == verdict and run["did"]), None)


def _row(run: Run) -> dict[str, str]:
    return {
        "when": _when(run),
        "script": run["report"] or "unknown",
        "verdict": run["verdict"],
        "target": run.get("target") or UNKNOWN,
        "page": run["page"],
        "figures": _figures(run),
        "error": f" {run['error']}." if run.get("error") else "",
        "seconds": decimal(run.get("seconds"), 1),
    }


def _when(run: Run) -> str:
    """Return the run's time, which is in its id also when nothing else is known."""
    return (
        f"{datetime.strptime(run['run_id'].split('-')[0], '%Y%m%dT%H%M%SZ'):%Y-%m-%d %H:%M:%S} UTC"
    )


def _figures(run: Run) -> str:
    """Return what a run found, in one sentence."""
    parts = []
    if run.get("rows") is not None:
        parts.append(f"{count(run['rows'])} rows loaded")
        parts.append(f"{count(run.get('rejected'))} rejected")
    if run.get("checks"):
        parts.append(f"{run['passed']} of {plural(run['checks'], 'check')} passed")
    for name, unit in ((_SALES, "tickets"), (_VENUES, "points")):
        found = (run.get("models") or {}).get(name)
        if found and found["mae"] is not None:
            parts.append(f"{name.replace('_', ' ')}: mean error {decimal(found['mae'], 1)} {unit}, "
                         f"R² {decimal(found['r2'], 3)}")  # fmt: skip
    return f"{', '.join(parts)}." if parts else ""


def _trends(good: Sequence[Run]) -> list[tuple[Any, str]]:
    """Return a chart and its caption for each figure that at least two runs have."""
    wanted: list[tuple[str, str, Callable[[Run], float | None], float | None]] = [
        ("Pipeline: seconds", "s", lambda run: _of(run, "pipeline", "seconds"), None),
        ("Pipeline: rejected rows, %", "%", _rejected_percent, None),
        (
            "Sales model: mean error, tickets",
            "tickets",
            lambda run: _metric(run, _SALES, "mae"),
            None,
        ),
        ("Sales model: R²", "R²", lambda run: _metric(run, _SALES, "r2"), 1.0),
        ("Sales model: share of its ceiling", "", lambda run: _metric(run, _SALES, "ceiling"), 1.0),
        (
            "Sales model: outcomes in their interval, 0.9 is wanted",
            "",
            lambda run: _metric(run, _SALES, "coverage"),
            1.0,
        ),
        ("Pipeline: age of the data, days", "days", lambda run: _of(run, "pipeline", "age"), None),
    ]
    found = []
    for title, unit, value_of, top in wanted:
        points = [
            (f"{_when(run)}: {value:,.3g} {unit}", value, run["page"])
            for run in reversed(good[:_TREND])
            if (value := value_of(run)) is not None and value >= 0
        ]
        if len(points) > 1:
            held = [value for _, value, _ in points]
            caption = (f"{held[-1]:,.3g} in the newest run, between {min(held):,.3g} and "
                       f"{max(held):,.3g} over {plural(len(held), 'run')}.")  # fmt: skip
            found.append((charts.trend(title, points, top=top), caption))
    return found


def _of(run: Run, kind: str, field: str) -> float | None:
    found: float | None = run.get(field) if run["report"] == kind else None
    return found


def _rejected_percent(run: Run) -> float | None:
    loaded, rejected = run.get("rows"), run.get("rejected")
    if loaded is None or rejected is None or not loaded + rejected:
        return None
    return float(100 * rejected / (loaded + rejected))


def _metric(run: Run, model: str, name: str) -> float | None:
    found: float | None = ((run.get("models") or {}).get(model) or {}).get(name)
    return found
