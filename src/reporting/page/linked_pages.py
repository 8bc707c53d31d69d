"""Writes a run's page, and keeps the pages of runs on the same data linked to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from src.json_object import JsonObject, JsonView
from src.reporting.page.html_report import render_page
from src.reporting.run_report import SCHEMA_VERSION, plain, run_folders, write_atomically

PAGE = "index.html"
_LOOKED_AT = 50  # the newest runs beside this one
_LINKED = 3  # of each kind
_WORDS = {"pipeline": "The data", "training": "The models"}


def write_pages(report: JsonView, folder: Path) -> Path:
    """Write the page of the run in `folder`; the runs it links to get the link back.

    These are the newest runs beside it whose report names the same data set, and the run before.
    Raises CannotRunError where a page cannot be written.
    """
    known = {folder: plain(report)}
    others = [path for path in run_folders(folder.parent) if path != folder]
    for other in others[: -_LOOKED_AT - 1 : -1]:
        facts = _report_of(other)
        if facts is not None:
            known[other] = facts
    shown = sorted(path for path in known if path == folder or (path / PAGE).exists())
    family = [path for path, _ in _relatives(known, folder) if path in shown]
    at = shown.index(folder)
    for member in {folder, *family, *shown[max(at - 1, 0) : at + 2]}:
        links = [_link(_WORDS[facts["report"]], other, facts)
                 for other, facts in _relatives(known, member)]  # fmt: skip
        place = shown.index(member)
        for words, near in (("The run before", place - 1), ("The run after", place + 1)):
            if 0 <= near < len(shown):
                links.append(_link(words, shown[near], known[shown[near]]))
        earlier = [known[path] for path in shown[:place] if _has_profile(known[path])]
        page = render_page(known[member], links, earlier[-1] if earlier else None)
        write_atomically(member / PAGE, page)
    return folder / PAGE


def _has_profile(facts: JsonObject) -> bool:
    return bool((facts.get("data") or {}).get("columns"))


def _relatives(known: Mapping[Path, JsonObject], folder: Path) -> Iterator[tuple[Path, JsonObject]]:
    dataset, left = _dataset_id(known[folder]), dict.fromkeys(_WORDS, _LINKED)
    if dataset is None:
        return
    for other in sorted(known, reverse=True):
        facts = known[other]
        is_kin = other != folder and _dataset_id(facts) == dataset
        if is_kin and left[facts["report"]]:
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


def _link(words: str, folder: Path, facts: JsonView) -> dict[str, str]:
    return {
        "words": words,
        "name": f"run {facts['run_id']}, {facts['verdict']}",
        "href": f"../{folder.name}/{PAGE}",
    }
