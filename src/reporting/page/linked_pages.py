"""Writes a run's page, and keeps the pages of runs on the same data linked to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from src.json_object import JsonObject, JsonView
from src.reporting.page.html_report import render_page
from src.reporting.run_report import SCHEMA_VERSION, plain, run_folders, write_atomically

PAGE = "index.html"
_LOOKED_AT = 50  # the newest runs beside this one
_LINKED = 3  # of each kind
_WORDS = {"pipeline": "The data", "training": "The models"}


def write_pages(report: JsonView, folder: Path) -> Path:
    """Write the page of the run in `folder`; relatives that have a page get the link back.

    Relatives are the newest runs beside it whose report names the same data set. Raises
    CannotRunError where a page cannot be written.
    """
    family = {folder: plain(report), **dict(_relatives(report, folder))}
    for member, facts in family.items():
        if member == folder or (member / PAGE).exists():
            links = [_link(other, found) for other, found in family.items() if other != member]
            write_atomically(member / PAGE, render_page(facts, links))
    return folder / PAGE


def _relatives(report: JsonView, folder: Path) -> Iterator[tuple[Path, JsonObject]]:
    dataset, left = _dataset_id(report), dict.fromkeys(_WORDS, _LINKED)
    if dataset is None:
        return
    others = [path for path in run_folders(folder.parent) if path != folder]
    for other in others[: -_LOOKED_AT - 1 : -1]:
        facts = _report_of(other)
        if facts is not None and _dataset_id(facts) == dataset and left[facts["report"]]:
            left[facts["report"]] -= 1
            yield other, facts


def _report_of(folder: Path) -> JsonObject | None:
    """Return the report of a run's folder, or None where there is none of this version."""
    for kind in _WORDS:
        try:
            facts = json.loads((folder / f"{kind}_report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # not a run of this kind, or not a file of this project
        if isinstance(facts, dict) and facts.get("schema_version") == SCHEMA_VERSION:
            return facts
    return None


def _dataset_id(report: JsonView) -> str | None:
    """Return the id of the data set that a run of either kind is about."""
    dataset = plain(report.get("dataset")) or {}
    found: str | None = dataset.get("id") or dataset.get("dataset_id")
    return found


def _link(folder: Path, facts: JsonView) -> dict[str, str]:
    return {
        "words": _WORDS[facts["report"]],
        "name": f"run {facts['run_id']}, {facts['verdict']}",
        "href": f"../{folder.name}/{PAGE}",
    }
