"""A run's page: one HTML file without scripts or network, rendered from the report alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.json_object import JsonObject, JsonView
from src.reporting.masking import masked
from src.reporting.page.lineage_view import lineage_view
from src.reporting.page.pipeline_view import pipeline_view
from src.reporting.page.streaming_view import streaming_view
from src.reporting.page.training_view import training_view
from src.reporting.run_report import plain
from src.reporting.wording import stage_name, status_word

TEMPLATES = Path(__file__).parent / "templates"
_TONES = {"ok": "good", "passed": "good", "succeeded": "good", "failed": "bad", "skipped": "warn",
          "OK": "good", "ALARM": "bad", "INSUFFICIENT_DATA": "warn",
          "stopped": "warn", "interrupted": "warn", "unfinished": "warn"}  # fmt: skip
_SIGNS = {"good": "✓", "bad": "✗", "warn": "–", "muted": "·"}
_View = Callable[[JsonObject, JsonObject | None], JsonObject]
_SPECIAL: dict[str, tuple[str, _View]] = {
    "pipeline": ("Concert demo", pipeline_view),
    "training": ("Concert models", lambda facts, _: training_view(facts)),
    "streaming": ("Concert demo live", lambda facts, _: streaming_view(facts)),
}


def render_page(
    report: JsonView,
    related: Sequence[Mapping[str, str]] = (),
    previous: JsonView | None = None,
) -> str:
    """Return the page of a pipeline or training report, whatever its verdict.

    `related` are links to other runs: `words`, `name`, `href`. `previous` is the report of an
    earlier run, with which the data is compared.
    Everything a report holds is escaped.
    """
    facts = plain(report)
    title, special = _SPECIAL[facts["report"]]
    before = None if previous is None else plain(previous)
    page = {
        "title": title, "related": list(related), **_common(facts), **special(facts, before)
    }  # fmt: skip
    return rendered(f"{facts['report']}.html.j2", page)


def rendered(template: str, page: JsonView) -> str:
    """Return a template filled with the values of a page, each of them escaped."""
    return masked(_environment().get_template(template).render(page=page))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tone"] = lambda status: _TONES.get(status, "muted")
    environment.filters["sign"] = lambda status: _SIGNS[_TONES.get(status, "muted")]
    return environment


def _common(facts: JsonObject) -> JsonObject:
    """Return what the pages of both kinds of run show."""
    verdict, steps = facts["verdict"], facts["steps"]
    tally = [step["status"] for step in steps.values()]
    stopped = next((k for k, s in steps.items() if s["status"] in ("failed", "interrupted")), None)
    at = f" at {stage_name(stopped)}" if stopped else ""
    words = {"succeeded": "Succeeded", "failed": f"Failed{at}", "interrupted": f"Interrupted{at}"}
    began = datetime.fromisoformat(facts[f"{facts['report']}_start"])
    counted = ", ".join(f"{tally.count(s)} {status_word(s)}" for s in sorted(set(tally)))
    return {
        "run_id": facts["run_id"],
        "target": facts["target"],
        "verdict": verdict,
        "started": f"{began:%Y-%m-%d %H:%M} UTC",
        "headline": f"{words[verdict]} in {_seconds(steps):.1f} s",
        "lead": f"{len(tally)} stages: {counted}.",
        "error": facts["error"],
        "failed_checks": [],
        "stages": _stages(steps),
        "provenance": _provenance(facts),
        "lineage": lineage_view(facts),
    }


def _seconds(steps: dict[str, JsonObject]) -> float:
    """Return the time the stages took: pauses before an audience do not count."""
    return sum(step.get("seconds") or 0.0 for step in steps.values())


def _stages(steps: dict[str, JsonObject]) -> list[JsonObject]:
    total = _seconds(steps) or 1.0
    return [
        {
            "name": stage_name(key),
            "status": status_word(step["status"]),
            "summary": step.get("summary", ""),
            "seconds": f"{step['seconds']:.1f}" if "seconds" in step else "–",
            "share": (step.get("seconds") or 0.0) / total,
        }
        for key, step in steps.items()
    ]


def _provenance(facts: JsonObject) -> list[JsonObject]:
    dataset = facts.get("dataset") or {}
    hashes = facts["steps"].get("data_generation", {}).get("content_sha256", {})
    groups = {
        "arguments": facts["arguments"],
        "environment": facts["environment"],
        "data set": {name: value for name, value in dataset.items() if name != "parameters"}
        | dataset.get("parameters", {}),
        "content hashes (SHA-256) of the raw files": hashes,
    }
    return [
        {"name": name, "rows": [(key, "" if v is None else str(v)) for key, v in rows.items()]}
        for name, rows in groups.items()
    ]
