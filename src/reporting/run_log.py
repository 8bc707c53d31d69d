"""The log of runs, one line of JSON for each: what the index page over all runs is made from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from src.errors import CannotRunError
from src.json_object import JsonObject, JsonView
from src.reporting.run_report import RUN_ID, plain, run_folders
from src.reporting.wording import printable

LOG = "runs.ndjson"
PAGE = "index.html"
REPORTS = {
    kind: f"{kind}_report.json" for kind in ("pipeline", "training", "validation", "streaming")
}
_NEEDED = {"run_id", "report", "verdict", "did"}  # of a line; the rest may be absent
_LONGEST = 300  # characters of an error's message


def summary_of(report: JsonView) -> JsonObject:
    """Return what the index shows of a run, at most 2 kB as JSON.

    `did` tells a run that finished a stage or a check from one that was refused.
    """
    facts = plain(report)
    kind = facts["report"]
    error = facts.get("error") or {}
    return {
        "run_id": facts["run_id"],
        "report": kind,
        "verdict": facts["verdict"],
        "exit_code": facts["exit_code"],
        "start": facts[f"{kind}_start"],
        "seconds": facts["duration_seconds"],
        "target": facts["target"],
        "version": facts["environment"]["version"],
        "error": printable(str(error.get("message", "")), line=True)[:_LONGEST],
        **_FIGURES[kind](facts),
    }


def _of_pipeline(facts: JsonView) -> JsonObject:
    steps = facts["steps"]
    load = steps.get("redshift_load", {})
    checks = steps.get("data_verification", {}).get("checks", [])
    dataset = facts.get("dataset") or {}
    return {
        "did": _did(steps),
        "dataset": dataset.get("id"),
        "age": _age_days(dataset.get("as_of"), facts.get("pipeline_end")),
        "rows": load.get("rows"),
        "rejected": load.get("rejected_rows"),
        "passed": sum(check["verdict"] == "passed" for check in checks) if checks else None,
        "checks": len(checks) or None,
    }


def _age_days(as_of: str | None, ended: str | None) -> float | None:
    if not as_of or not ended:
        return None
    first, last = (datetime.fromisoformat(text).replace(tzinfo=None) for text in (as_of, ended))
    return round((last - first).total_seconds() / 86_400, 2)


def _of_training(facts: JsonView) -> JsonObject:
    models = {}
    for name, model in facts.get("models", {}).items():
        test = model.get("test_metrics", {})
        coverage = (model.get("intervals") or {}).get("coverage")
        ceiling = (model.get("ceiling") or {}).get("share_of_columns_ceiling")
        models[name] = {"r2": test.get("r2"), "mae": test.get("mae"), "coverage": coverage,
                        "ceiling": ceiling}  # fmt: skip
    dataset = facts.get("dataset") or {}
    return {
        "did": _did(facts["steps"]),
        "dataset": dataset.get("id") or dataset.get("dataset_id"),
        "models": models,
    }


def _of_validation(facts: JsonView) -> JsonObject:
    tally = facts["tally"]
    return {"did": True, "passed": tally["passed"], "checks": sum(tally.values())}


def _of_streaming(facts: JsonView) -> JsonObject:
    totals = (facts.get("streaming") or {}).get("totals") or {}
    return {"did": _did(facts["steps"]), "rows": totals.get("sales"),
            "rejected": totals.get("rejected")}  # fmt: skip


_FIGURES = {"pipeline": _of_pipeline, "training": _of_training, "validation": _of_validation,
            "streaming": _of_streaming}  # fmt: skip


def _did(steps: Mapping[str, JsonView]) -> bool:
    return any(step.get("status") == "success" for step in steps.values())


def append_run(reports: Path, report: JsonView) -> None:
    """Add a run's line to the log in `reports`; raises CannotRunError."""
    _append(reports / LOG, summary_of(report))


def append_lost(reports: Path) -> None:
    """Add a line for each report that has none: the log was deleted, or is younger than the run."""
    logged = {entry["run_id"] for entry in _logged(reports)}
    for folder in run_folders(reports):
        if folder.name not in logged and (entry := _unlogged(folder))["report"]:
            _append(reports / LOG, entry)


def _append(path: Path, entry: JsonView) -> None:
    """Write one line at the end, in one go: two runs that end together both have theirs.

    A line that an earlier process left torn stays a line of its own.
    """
    line = json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n"
    try:
        with path.open("ab+") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - 1, 0))
            is_torn = log.read(1) not in (b"", b"\n")
            log.write(("\n" * is_torn + line).encode())
    except OSError as error:
        raise CannotRunError(
            "the log of runs cannot be written",
            where=str(path),
            cause=str(error),
            hint="free some space, or name a writable folder with --report-dir",
        ) from error


def known_runs(reports: Path) -> list[JsonObject]:
    """Return all runs in `reports`, the newest first, each with what the index shows of it.

    Lines that cannot be read are passed over; a run that has no line is read from its report; one
    that has a folder and no report was killed, or is running: its verdict is `unfinished`.
    `page` is the address of its page or report relative to `reports`, empty when it was deleted.
    """
    found = {entry["run_id"]: entry for entry in _logged(reports)}
    for folder in run_folders(reports):
        if folder.name not in found:
            found[folder.name] = _unlogged(folder)
    for run_id, entry in found.items():
        entry["page"] = _address(reports / run_id, entry["report"])
    return [found[run_id] for run_id in sorted(found, reverse=True)]


def _logged(reports: Path) -> Iterator[JsonObject]:
    try:
        lines = (reports / LOG).read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        is_entry = isinstance(entry, dict) and entry.keys() >= _NEEDED
        if is_entry and RUN_ID.fullmatch(str(entry["run_id"])):
            yield entry


def _unlogged(folder: Path) -> JsonObject:
    for name in REPORTS.values():
        try:
            return summary_of(json.loads((folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # not of this kind, or of an earlier version
    return {"run_id": folder.name, "report": "", "verdict": "unfinished", "did": False}


def _address(folder: Path, kind: str) -> str:
    names = (PAGE, REPORTS.get(kind, ""), "run.log")
    name = next((name for name in names if name and (folder / name).is_file()), None)
    return f"{folder.name}/{name}" if name else ""
