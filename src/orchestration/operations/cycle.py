"""The daily cycle run here: its steps one after the other, until one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from src.domain.cycle import CYCLE, Outcome, Step
from src.json_object import JsonObject, JsonView
from src.reporting.terminal.console import Console

INTERRUPTED = 130


Execute = Callable[[Step], tuple[int, JsonObject]]


@dataclass(frozen=True)
class StepResult:
    """How a step ended: its exit code and the run it left."""

    name: str
    exit_code: int
    seconds: float
    run_id: str = ""


@dataclass
class CycleResult:
    """How a cycle ended; `why` is one sentence."""

    started_at: datetime
    outcome: Outcome = "done"
    why: str = ""
    due: datetime | None = None
    seconds: float = 0.0
    steps: list[StepResult] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return the code of the step that ended the cycle, else 0."""
        return next((step.exit_code for step in self.steps if step.exit_code), 0)


def run_cycle(
    execute: Execute,
    console: Console,
    *,
    steps: Sequence[Step] = CYCLE,
    is_stopping: Callable[[], bool] = lambda: False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> CycleResult:
    """Run the steps until one fails, or a step ends while the program is to stop."""
    result, clock = CycleResult(now()), time.monotonic()
    for number, step in enumerate(steps, 1):
        if step.after is not None and step.after != result.outcome:
            console.line(f"cycle {number}/{len(steps)}  {step.name}: left out: {result.outcome}")
            continue
        if is_stopping():
            result.outcome, result.why = "interrupted", f"stopped before {step.name}"
            result.steps.append(StepResult(step.name, INTERRUPTED, 0.0))
            break
        console.line(f"cycle {number}/{len(steps)}  {step.name}: {step.title}")
        if not _succeeds(step, execute, result):
            break
    result.seconds = round(time.monotonic() - clock, 3)
    console.line(f"cycle {result.outcome}{': ' + result.why if result.why else ''}")
    return result


def _succeeds(step: Step, execute: Execute, result: CycleResult) -> bool:
    """Run a step, again where it may be; its outcome becomes the cycle's."""
    for left in reversed(range(step.attempts)):
        clock = time.monotonic()
        code, report = execute(step)
        seconds = round(time.monotonic() - clock, 3)
        is_last = not left or code in (0, INTERRUPTED)
        if is_last:
            break
    result.steps.append(StepResult(step.name, code, seconds, str(report.get("run_id", ""))))
    if code:
        result.outcome = "interrupted" if code == INTERRUPTED else "failed"
        message = (report.get("error") or {}).get("message") or f"exit code {code}"
        result.why = f"{step.name}: {message}"
        return False
    if report.get("report") == "training":
        result.outcome, result.why = outcome_of(report)
    return True


def outcome_in(report: JsonView) -> str:
    """Return the outcome after a step whose report this is: a training decides, others are done."""
    return outcome_of(report)[0] if report.get("report") == "training" else "done"


def outcome_of(report: JsonView) -> tuple[Outcome, str]:
    """Return what a training decided about the sales model, and why."""
    need = report["steps"].get("retraining_need", {})
    if need.get("is_needed") is False:
        return "not needed", str(need["reason"])
    model = report["models"].get("ticket_sales_prediction", {})
    outcome: Outcome = "promoted" if model.get("role") == "champion" else "kept"
    return outcome, str(model.get("decision", ""))
