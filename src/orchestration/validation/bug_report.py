"""One file for a bug report: a validation, the newest run and the end of its log, masked."""

from __future__ import annotations

import json
from pathlib import Path

from src.json_object import JsonObject
from src.reporting.masking import masked
from src.reporting.run_report import to_json, write_atomically

NAME = "bug_report.json"
_LOG_LINES = 200
_RUNS = ("pipeline_report.json", "training_report.json")


def write(report: JsonObject, report_path: Path) -> Path:
    """Write the file beside a validation's report; returns where it is."""
    folder = newest_run(report_path.parent)
    found: JsonObject = {"validation": report, "newest_run": None, "log": []}
    if folder is not None:
        file = next(folder / name for name in _RUNS if (folder / name).is_file())
        found["newest_run"] = json.loads(file.read_text(encoding="utf-8"))
        log = folder / "run.log"
        if log.is_file():
            found["log"] = log.read_text(encoding="utf-8", errors="replace").splitlines()[
                -_LOG_LINES:
            ]
    path = report_path.with_name(NAME)
    write_atomically(path, masked(to_json(found)) + "\n")
    return path


def newest_run(own: Path) -> Path | None:
    """Return the folder of the newest run beside a validation's own, or None."""
    runs = (
        folder
        for folder in sorted(own.parent.iterdir(), reverse=True)
        if folder != own and not folder.is_symlink()
    )
    return next((f for f in runs if any((f / name).is_file() for name in _RUNS)), None)
