"""Decides whether a new model becomes the champion: by one list of checks, also of saved models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.domain.judgement import Verdict, passed_if
from src.errors import ModelError
from src.json_object import JsonObject

GATED_COVERAGE = 0.9  # the calibration gates are stated for 90 % intervals


@dataclass(frozen=True)
class ModelCheck:
    """One check of a model; `is_warned` marks what does not fail but must be reported."""

    name: str
    expected: str
    found: str
    verdict: Verdict
    is_warned: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of a new version, and why."""

    is_promoted: bool
    reason: str
    failed: tuple[ModelCheck, ...] = ()


def model_checks(facts: JsonObject, coverage: float, *, is_unseen: bool = True) -> list[ModelCheck]:
    """Return the checks of what was measured: gates, baselines, and R2 above 0.

    A new model and a saved one are judged by these alike. On rows that the model has seen
    (`is_unseen` false) nothing is judged.
    """
    gates = [
        ModelCheck(
            f"gate: {name}",
            gate["expected"],
            f"{gate['found']:.3f}",
            gate["verdict"] if coverage == GATED_COVERAGE else "skipped",
        )
        for name, gate in facts.get("gates", {}).items()
    ]
    r2 = facts["test_metrics"]["r2"]
    checks = [
        *gates,
        *(
            _against(name, found["model_is"]["verdict"])
            for name, found in facts["baselines"].items()
        ),
        ModelCheck("R2", "above 0", f"{r2:.3f}", passed_if(r2 > 0)),
    ]
    if is_unseen:
        return checks
    return [ModelCheck(c.name, c.expected, c.found, "skipped") for c in checks]


def _against(name: str, verdict: str) -> ModelCheck:
    return ModelCheck(
        f"against {name}",
        "better",
        verdict,
        passed_if(verdict != "worse"),
        is_warned=verdict == "indistinguishable",
    )


def failed(checks: list[ModelCheck]) -> tuple[ModelCheck, ...]:
    """Return the checks that failed."""
    return tuple(check for check in checks if check.verdict == "failed")


def warnings_of(checks: list[ModelCheck]) -> list[str]:
    """Return what a reader needs to see although nothing failed."""
    return [
        f"{check.name}: expected {check.expected}, found {check.found}"
        for check in checks
        if check.is_warned and check.verdict != "skipped"
    ]


def decide(checks: list[ModelCheck], compared: JsonObject | None) -> Decision:
    """Decide about a new version: its own checks first, then the champion.

    `compared` is the paired comparison with the champion, None where there is no champion. A
    model that is no better, of the data that the champion learned from, is not promoted: its
    difference is chance.
    """
    wrong = failed(checks)
    if wrong:
        first = wrong[0]
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        reason = f"{first.name}: expected {first.expected}, found {first.found}{more}"
        return Decision(False, reason, wrong)
    if compared is None:
        return Decision(True, "there was no champion to compare it with")
    verdict, version = compared["verdict"], compared["version"]
    if verdict == "worse":
        rows = compared["rows"]
        return Decision(False, f"worse than version {version} on {rows:,} rows new to both")
    if verdict != "better" and compared.get("is_same_data"):
        return Decision(False, f"no better than version {version}, which is of the same data")
    if verdict == "not compared":
        return Decision(True, f"no rows that are new to it and to version {version}")
    word = "than" if verdict == "better" else "from"
    return Decision(True, f"{verdict} {word} version {version}")


def raise_failed(checks: Mapping[str, list[ModelCheck]], what: str, hint: str) -> None:
    """Raise ModelError naming every check of the `what` models that failed, if one did."""
    wrong = [(key, check) for key, found in checks.items() for check in failed(found)]
    if not wrong:
        return
    key, first = wrong[0]
    count = sum(len(found) for found in checks.values())
    is_new = what == "new models"
    raise ModelError(
        f"{len(wrong)} of {count} checks of the {what} failed"
        + ("; a model that fails is saved as a candidate, not as the champion" if is_new else ""),
        where=", ".join(f"{key}: {check.name}" for key, check in wrong),
        cause=f"{key}: {first.name}: expected {first.expected}, found {first.found}",
        hint=hint,
    )
