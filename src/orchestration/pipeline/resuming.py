"""What a pipeline run has finished, written after each stage, for another run to resume from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from src.errors import UsageError
from src.json_object import JsonView
from src.reporting.run_report import run_folders, to_json, write_atomically
from src.settings import Settings

PROGRESS = "progress.json"
# What decides a run's data; where and as whom it runs is set by the resuming command.
_DATA = ("artists", "venues", "concerts", "sales", "seed", "as_of", "since", "defect_rate",
         "raw_format", "etl", "load_mode", "input_dir", "raw_bucket",
         "processed_bucket")  # fmt: skip


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that did not succeed: its settings, and its finished stages with their facts."""

    run_id: str
    settings: Settings
    steps: Mapping[str, JsonView]
    skip_generation: bool = False

    def has(self, stage: str) -> bool:
        """Tell whether the run finished a stage."""
        return self.steps.get(stage, {}).get("status") in ("success", "skipped")

    def summary(self, stage: str) -> str:
        """Return the stage's summary, and that it was an earlier run's."""
        return f"by {self.run_id}: {self.steps[stage]['summary']}"


def save_progress(
    folder: Path,
    run_id: str,
    settings: Settings,
    steps: Mapping[str, JsonView],
    *,
    skip_generation: bool = False,
) -> None:
    """Write the finished stages of a run, whole or not at all."""
    done = {
        name: step for name, step in steps.items() if step.get("status") in ("success", "skipped")
    }
    content = {"run_id": run_id, "arguments": settings.public(), "steps": done,
               "skip_generation": skip_generation}  # fmt: skip
    write_atomically(folder / PROGRESS, to_json(content) + "\n")


def forget_progress(folder: Path) -> None:
    """Record that the run cannot be resumed: it succeeded."""
    (folder / PROGRESS).unlink(missing_ok=True)


def unfinished_run(settings: Settings) -> UnfinishedRun:
    """Return the newest run below the report folder, if it is an unfinished one of this target.

    A run that finished no stage changed nothing, and is looked past. Raises UsageError where
    there is none to resume.
    """
    hint = "run the same command without --resume"
    where = Path(settings.report_dir)
    runs = [folder for folder in run_folders(where) if _is_pipeline(folder)]
    newest = max((run for run in runs if _did_something(run)), default=runs[-1] if runs else None)
    if newest is None or not (newest / PROGRESS).is_file() or not _did_something(newest):
        cause = "there is no run" if newest is None else f"the newest run, {_end_of(newest)}"
        raise UsageError(
            "--resume found no run to resume", where=str(where), cause=cause, hint=hint
        )
    try:
        raw = json.loads((newest / PROGRESS).read_text(encoding="utf-8"))
        arguments = raw["arguments"]
        known = {spec.name for spec in fields(Settings)}
        given = {name: arguments[name] for name in _DATA if name in known}
        found = UnfinishedRun(
            str(raw["run_id"]),
            replace(settings, **given),
            raw["steps"],
            raw.get("skip_generation") is True,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "the newest run cannot be resumed",
            where=str(newest / PROGRESS),
            cause=f"{type(error).__name__}: {error}",
            hint=hint,
        ) from error
    if arguments.get("target") != settings.target:
        raise UsageError(
            f"the newest run was for --target {arguments.get('target')}",
            where=str(newest),
            hint=f"python run_demo_pipeline.py --resume --target {arguments.get('target')}",
        )
    return found


def _end_of(folder: Path) -> str:
    """Record how a run ended that cannot be resumed."""
    try:
        verdict = json.loads((folder / "pipeline_report.json").read_text(encoding="utf-8"))[
            "verdict"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{folder.name}, has a report that cannot be read"
    return f"{folder.name}, {'succeeded' if verdict == 'succeeded' else 'finished no stage'}"


def _did_something(folder: Path) -> bool:
    """Tell a run that finished a stage, or has a report that cannot be read, from a refused one.

    One that was to load an existing data set, and found none, cannot be resumed.
    """
    try:
        raw = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        return not raw.get("skip_generation") or "data_generation" in raw["steps"]
    except FileNotFoundError:
        return "finished no stage" not in _end_of(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True  # its own error is raised when it is read


def _is_pipeline(folder: Path) -> bool:
    """Tell a pipeline's run from a training's or a validation's."""
    return (folder / PROGRESS).is_file() or (folder / "pipeline_report.json").is_file()
