"""Runs stages in order, shows them, and writes the report, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.errors import CannotRunError, DemoError, missing_package
from src.json_object import JsonObject
from src.orchestration.observers import StageObserver
from src.reporting.run_report import (
    SCHEMA_VERSION,
    environment_facts,
    error_facts,
    new_run_id,
    to_json,
    write_atomically,
)
from src.reporting.terminal.console import Console, StageProgress, log_formatter
from src.reporting.wording import stage_name
from src.settings import Settings
from src.signals import uninterrupted

EXIT_INTERRUPTED = 130


@dataclass
class StepOutcome:
    """How a stage ended: its status in the report, one line for people, facts for the report.

    `rows` and `bytes` are what it worked through, where that is what takes its time.
    """

    status: str
    summary: str
    facts: JsonObject = field(default_factory=dict)
    rows: int | None = None
    bytes: int | None = None

    def rates(self, seconds: float) -> dict[str, float]:
        """Return rows and megabytes a second."""
        found: dict[str, float] = {}
        if self.rows is not None:
            found["rows_per_s"] = round(self.rows / max(seconds, 1e-3))
        if self.bytes is not None:
            found["mb_per_s"] = round(self.bytes / max(seconds, 1e-3) / 1e6, 2)
        return found


@dataclass(frozen=True)
class Stage:
    """One stage: its key in the report, what it does, and its card in the talk if not the key's.

    Its name is the same on the terminal and on the page: that of its key.
    """

    key: str
    run: Callable[[StageProgress], StepOutcome]
    card: str = ""

    @property
    def title(self) -> str:
        """Return the stage's name for people."""
        return stage_name(self.key)


class Workflow:
    """One run of a list of stages.

    `report` names the kind of report and the prefix of its start and end fields.
    """

    def __init__(
        self,
        report: str,
        settings: Settings,
        *,
        console: Console | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.console = console or Console(quiet=True)
        self._now = now
        self._report = report
        self.started_at = now()
        self.run_id = new_run_id(self.started_at, Path(settings.report_dir))
        self.folder = Path(settings.report_dir) / self.run_id
        self.steps: dict[str, JsonObject] = {}
        self.error: DemoError | None = None
        self.exit_code = 0
        self.page_path: Path | None = None
        self.resume_hint = ""  # what continues a run that was interrupted
        self._at = ""  # where the run is, in words
        self._is_running = False
        self._errors: dict[str, DemoError] = {}  # of stages that were called one by one

    @property
    def report_path(self) -> Path:
        """Return where the JSON report is."""
        return self.folder / f"{self._report}_report.json"

    def run(
        self,
        stages: list[Stage],
        header: str,
        observers: Sequence[StageObserver] = (),
    ) -> None:
        """Run the stages until one fails; nothing raised here is lost, and Ctrl-C is an end."""
        self.error, self.exit_code, self._is_running = None, 0, True
        self._errors.clear()
        with uninterrupted():
            self._prepare_folder()
            self.steps.update({stage.key: {"status": "not_run"} for stage in stages})
            self.console.line(header)
            self._start_log()
        try:
            for index, stage in enumerate(stages, 1):
                self._at = f"before {stage.title}"
                for observer in observers:
                    observer.before(index, len(stages), stage.title, stage.card or stage.key)
                self._at = f"during {stage.title}"
                if not self._run_stage(index, len(stages), stage, observers):
                    break
        except KeyboardInterrupt:  # between a stage's work and its last word, or at a pause
            if not all(s["status"] in ("success", "skipped") for s in self.steps.values()):
                self._interrupt()
        finally:
            self._is_running = False
        self._summarise(sum(step.get("seconds", 0.0) for step in self.steps.values()))

    def _run_stage(
        self, index: int, count: int, stage: Stage, observers: Sequence[StageObserver]
    ) -> bool:
        started_at, clock = self._now(), time.monotonic()
        step: JsonObject = {"started_at": started_at}
        self.steps[stage.key] = step
        with self.console.stage(index, count, stage.title) as progress:
            try:
                outcome = stage.run(progress)
            except KeyboardInterrupt:
                self._interrupt()
                outcome = StepOutcome("interrupted", "stopped by Ctrl-C")
            except DemoError as error:
                _logger().debug("stage %s failed", stage.key, exc_info=error)
                self.error, self.exit_code = error, error.exit_code
                outcome = StepOutcome("failed", error.message, error.facts)
            except ModuleNotFoundError as error:
                self.error = missing_package(error)
                self.exit_code = self.error.exit_code
                outcome = StepOutcome("failed", self.error.message)
            except Exception as error:  # an internal error: named, logged, exit code 2
                self.error = internal_error(error, self.folder / "run.log")
                self.exit_code = self.error.exit_code
                outcome = StepOutcome("failed", self.error.message)
            self._finish(step, outcome, time.monotonic() - clock)
            progress.done(outcome.status, outcome.summary)
        goes_on = outcome.status not in ("failed", "interrupted")
        for observer in observers:
            if goes_on:
                observer.completed(stage.key)
        self._at = f"after {stage.title}"
        for observer in observers:
            observer.ended(stage.key, step)
        return goes_on

    def _finish(self, step: JsonObject, outcome: StepOutcome, seconds: float) -> None:
        step.update(outcome.facts)
        step.update(status=outcome.status, summary=outcome.summary, seconds=round(seconds, 3))
        step.update(outcome.rates(seconds))
        if outcome.status in ("failed", "interrupted"):
            step["error"] = error_facts(self.error)

    @property
    def has_run(self) -> bool:
        """Tell whether a stage has run, however it ended."""
        return any(step["status"] != "not_run" for step in self.steps.values())

    def call(
        self, key: str, keys: Callable[[], list[str]], run: Callable[[], StepOutcome]
    ) -> StepOutcome:
        """Run one stage; also when it is called alone, the report keeps how it ended.

        `keys` are those of all stages. An error is forgotten when its stage has succeeded.
        """
        if self._is_running:
            return run()
        for each in keys():
            self.steps.setdefault(each, {"status": "not_run"})
        step: JsonObject = {"started_at": self._now()}
        self.steps[key], clock = step, time.monotonic()
        try:
            outcome = run()
        except BaseException as error:
            self._errors[key] = self.error = _as_demo_error(error)
            self.exit_code = self.error.exit_code
            ended = StepOutcome("failed", self.error.message, self.error.facts)
            self._finish(step, ended, time.monotonic() - clock)
            raise
        self._errors.pop(key, None)
        self.error = next(reversed(self._errors.values()), None)
        self.exit_code = self.error.exit_code if self.error else 0
        self._finish(step, outcome, time.monotonic() - clock)
        return outcome

    def _interrupt(self) -> None:
        self.exit_code = EXIT_INTERRUPTED
        is_begun = any(step.get("status") == "success" for step in self.steps.values())
        hint = self.resume_hint if is_begun else ""
        self.error = DemoError(
            f"interrupted {self._at}",
            hint=hint or "run the same command again; no partial results are kept",
        )
        for step in self.steps.values():
            step.setdefault("status", "interrupted")

    def _summarise(self, seconds: float) -> None:
        tally = [step["status"] for step in self.steps.values()]
        ok, skipped, failed = (tally.count(word) for word in ("success", "skipped", "failed"))
        word = "Completed successfully" if self.error is None else "Failed"
        if self.exit_code == EXIT_INTERRUPTED:
            word = "Interrupted"
        not_run = f", {tally.count('not_run')} not run" if self.error else ""
        self.console.line()
        self.console.line(
            f"{word}: {ok} ok, {failed} failed, {skipped} skipped{not_run} in {seconds:.1f}s"
        )

    def write_report(self, extra: JsonObject) -> JsonObject:
        """Write and return the report."""
        ended_at = self._now()
        verdict = "succeeded" if self.error is None else "failed"
        report = {
            "schema_version": SCHEMA_VERSION,
            "report": self._report,
            "run_id": self.run_id,
            "verdict": "interrupted" if self.exit_code == EXIT_INTERRUPTED else verdict,
            "exit_code": self.exit_code,
            f"{self._report}_start": self.started_at,
            f"{self._report}_end": ended_at,
            "duration_seconds": round((ended_at - self.started_at).total_seconds(), 3),
            "target": self.settings.target,
            "arguments": self.settings.public(),
            "environment": environment_facts(),
            "steps": self.steps,
            "error": error_facts(self.error),
            **extra,
        }
        write_atomically(self.report_path, to_json(report) + "\n")
        self._record_for_watchers(report)
        self._write_pages(report)
        return report

    def _record_for_watchers(self, report: JsonObject) -> None:
        from src.orchestration.operations.lineage_log import record_lineage
        from src.orchestration.operations.monitoring import record_metrics

        record_metrics(report, self.settings, self.console)
        record_lineage(report, self.folder, self.settings, self.console)

    def _write_pages(self, report: JsonObject) -> None:
        from src.reporting.page.index_page import record_run
        from src.reporting.page.linked_pages import write_pages

        try:
            self.page_path = write_pages(report, self.folder)
            record_run(self.folder.parent, report)
        except DemoError as error:
            if self.error is None:
                raise
            self.console.error(error)  # the run's own error stays its last word

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "run.log").touch()
        except OSError as error:
            raise CannotRunError(
                "the report folder cannot be written",
                where=str(self.folder),
                cause=str(error),
                hint="name a writable folder with --report-dir",
            ) from error

    def _start_log(self) -> None:
        import logging  # it takes its time: not before the run's first line

        handler = logging.FileHandler(self.folder / "run.log", encoding="utf-8")
        handler.setFormatter(log_formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        ours = logging.getLogger("src")
        ours.setLevel(logging.DEBUG)
        ours.addHandler(handler)
        self._log_handler = handler

    def close(self) -> None:
        """Close the run's log."""
        handler = getattr(self, "_log_handler", None)
        if handler is not None:
            import logging

            logging.getLogger("src").removeHandler(handler)
            handler.close()


def _as_demo_error(error: BaseException) -> DemoError:
    if isinstance(error, DemoError):
        return error
    return CannotRunError(f"{type(error).__name__}: {str(error)[:300]}")


def internal_error(error: BaseException, log: Path) -> CannotRunError:
    """Return the error block for an unexpected exception; the trace goes to the log."""
    _logger().error("internal error", exc_info=error)
    return CannotRunError(
        f"internal error: {type(error).__name__}: {str(error)[:300]}",
        where=str(log),
        hint="run the same command with -v, and report it with run.log",
    )


def _logger() -> Any:
    import logging

    return logging.getLogger(__name__)
