"""The third workflow: it checks the installation, the documents and the target."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from src.arguments import did_you_mean
from src.commands import ROOT, as_started
from src.domain.judgement import tally
from src.errors import UsageError, missing_package
from src.json_object import JsonObject
from src.orchestration.validation import (
    aws_target,
    documents,
    interface,
    local_target,
    smoke,
    structure,
)
from src.orchestration.validation.check import Check, Context, Finding, next_run
from src.reporting.run_report import (
    SCHEMA_VERSION,
    environment_facts,
    new_run_id,
    to_json,
    write_atomically,
)
from src.reporting.terminal.console import Console
from src.settings import Settings

SHOWN_DETAILS = 12
NO_CHECKOUT = "it reads files of a checkout; this package is installed without them"
EVERYWHERE = (*structure.CHECKS, *interface.CHECKS, *documents.CHECKS)
BY_TARGET = {"local": local_target.CHECKS, "aws": aws_target.CHECKS}


def all_checks(target: str) -> tuple[Check, ...]:
    """Return every check there is for a target, in the order they run."""
    return (*EVERYWHERE, *BY_TARGET[target], *smoke.CHECKS)


class DemoPipelineValidator:
    """Runs every check, whatever the others find, and writes a JSON report.

    `only` names checks to run instead of all; `run_smoke` adds small test runs; with `strict`, a
    check that was skipped fails the validation.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        only: Sequence[str] = (),
        run_smoke: bool = False,
        strict: bool = False,
        console: Console | None = None,
        root: Path = ROOT,
    ) -> None:
        self.settings = settings
        self.strict = strict
        self.console = console or Console(quiet=True)
        self.checks = _chosen(settings.target, only, run_smoke)
        self.exit_code = 0
        self._context = Context(root, settings)
        self._started_at = datetime.now(UTC)
        self.run_id = new_run_id(self._started_at, Path(settings.report_dir))

    @property
    def report_path(self) -> Path:
        """Return where the JSON report is."""
        return Path(self.settings.report_dir) / self.run_id / "validation_report.json"

    def run_validation(self) -> JsonObject:
        """Run the checks, write the report and return it.

        `exit_code` is then 0, 1 (a check failed) or 2 (a check itself broke: an internal error).
        """
        target = self.settings.target
        self.console.line(f"Concert validation  run {self.run_id}  target {target}")
        clock = time.monotonic()
        entries = [self._run(index, check) for index, check in enumerate(self.checks, 1)]
        counts = tally(entry["verdict"] for entry in entries)
        if counts["failed"] or (self.strict and counts["skipped"]):
            self.exit_code = max(self.exit_code, 1)
        self._summarise(counts, time.monotonic() - clock)
        following = self._next(entries)
        if following:
            self.console.line(f"next:  {following}")
        report = self._report(entries, counts)
        write_atomically(self.report_path, to_json(report) + "\n")
        from src.reporting.page.index_page import record_run

        record_run(self.report_path.parents[1], report)
        return report

    def _run(self, index: int, check: Check) -> JsonObject:
        clock = time.monotonic()
        with self.console.stage(index, len(self.checks), check.name) as progress:
            finding = self._look(check)
            finding = replace(
                finding,
                hint=finding.hint and as_started(finding.hint),
                details=[as_started(detail) for detail in finding.details],
            )
            text = f"{finding.expected}: {finding.found}"
            if finding.verdict != "passed":
                text = check.title
            progress.done(finding.verdict, text)
        if finding.verdict != "passed":
            self._explain(finding)
        return {
            "name": check.name,
            "title": check.title,
            "seconds": round(time.monotonic() - clock, 3),
            **asdict(finding),
        }

    def _look(self, check: Check) -> Finding:
        if check.needs_checkout and not self._context.is_checkout:
            return Finding("skipped", check.title, NO_CHECKOUT)
        try:
            return check.look(self._context)
        except ModuleNotFoundError as error:
            missing = missing_package(error)
            return Finding("failed", check.title, missing.message, missing.hint)
        except FileNotFoundError as error:
            return Finding("failed", check.title, f"{error.filename} is missing")
        except (OSError, ValueError) as error:  # a file is not what it should be
            return Finding("failed", check.title, f"{type(error).__name__}: {error}")
        except Exception as error:
            self.exit_code = 2
            trace = traceback.format_exc().splitlines()
            found = f"the check itself broke: {type(error).__name__}: {error}"
            return Finding("failed", check.title, found, "report this, with -v", trace)

    def _explain(self, finding: Finding) -> None:
        line = self.console.line
        line(f"         expected  {finding.expected}")
        line(f"         found     {(finding.details or [finding.found])[0]}")
        for detail in finding.details[1:SHOWN_DETAILS]:
            line(f"                   {detail}")
        if len(finding.details) > SHOWN_DETAILS:
            line(
                f"                   and {len(finding.details) - SHOWN_DETAILS} more, in the report"
            )
        if finding.hint:
            line(f"         try       {finding.hint}")

    def _summarise(self, counts: dict[str, int], seconds: float) -> None:
        words = ", ".join(f"{count} {word}" for word, count in counts.items())
        is_strict = self.strict and counts["skipped"]
        strict = " (--strict: skipped counts as failed)" if is_strict else ""
        verdict = "All checks passed" if self.exit_code == 0 else "Some checks failed"
        self.console.line()
        self.console.line(f"{verdict}: {words}{strict} in {seconds:.1f}s")

    def _next(self, entries: list[JsonObject]) -> str | None:
        """Return what to type next: the run itself, or what the first bad check advises."""
        if self.exit_code == 0:
            return next_run(self.settings)
        return next((e["hint"] for e in entries if e["verdict"] != "passed" and e["hint"]), None)

    def _report(self, entries: list[JsonObject], counts: dict[str, int]) -> JsonObject:
        ended_at = datetime.now(UTC)
        return {
            "schema_version": SCHEMA_VERSION,
            "report": "validation",
            "run_id": self.run_id,
            "verdict": "failed" if self.exit_code else "succeeded",
            "exit_code": self.exit_code,
            "validation_start": self._started_at,
            "validation_end": ended_at,
            "duration_seconds": round((ended_at - self._started_at).total_seconds(), 3),
            "target": self.settings.target,
            "strict": self.strict,
            "arguments": self.settings.public(),
            "environment": environment_facts(),
            "checks": entries,
            "tally": counts,
        }


def _chosen(target: str, only: Sequence[str], run_smoke: bool) -> list[Check]:
    """Return the checks to run; raises UsageError for a name there is none of."""
    known = {check.name: check for check in all_checks(target)}
    names = [name for given in only for name in given.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"there is no check {unknown[0]!r} for the {target} target",
            cause=did_you_mean(unknown[0], known) or f"the checks are {', '.join(known)}",
            hint="python validate_demo_pipeline.py --list",
        )
    if names:
        return [check for name, check in known.items() if name in names]
    is_smoke = {check.name for check in smoke.CHECKS}
    return [check for name, check in known.items() if run_smoke or name not in is_smoke]
