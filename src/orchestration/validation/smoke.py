"""The smoke check: small runs of the scripts in a temporary folder, with valid reports."""

from __future__ import annotations

import json
from pathlib import Path

from src.commands import SCRIPTS
from src.json_object import JsonObject
from src.orchestration.environment import temporary_state_folder
from src.orchestration.validation.check import Check, Context, Finding, judge
from src.orchestration.validation.structure import schema_problems

# Small, but enough history for both models: 200 completed concerts and several quarters.
DATA = ("--artists", "60", "--venues", "30", "--concerts", "400", "--sales", "2000")
TIMEOUT_S = 300
GOLDEN = ("golden predictions", "golden records as rows")
RUNS: dict[str, tuple[str, ...]] = {
    "run_demo_pipeline.py": DATA,
    "train_demo_models.py": (),
    "train_demo_models.py --validate-only": (),
}


def smoke(context: Context) -> Finding:
    """Run the pipeline, the training and the re-check of the models; judge each report."""
    problems: list[str] = []
    with temporary_state_folder() as folder:
        for run, options in RUNS.items():
            problems += [f"{run}: {problem}" for problem in _run(context, run, options, folder)]
            if problems:  # what follows needs what came before
                break
    hint = "run the same command without the smoke check's small sizes, with -v"
    return judge(
        f"{len(RUNS)} small test runs succeed", f"{len(RUNS)} of {len(RUNS)}", problems, hint
    )


def _run(context: Context, run: str, options: tuple[str, ...], folder: Path) -> list[str]:
    name, *mode = run.split()
    command = next(command for command, script in SCRIPTS.items() if script == name)
    program = (str(context.root / name),) if context.is_checkout else ("-m", "src", command)
    done = context.python(
        *program, *mode, *options, "--target", "local", "--json", "--report-dir",
        f"{folder}/reports", *(("--output-dir", f"{folder}/models") if "train" in name else ()),
        timeout_s=TIMEOUT_S, DEMO_STATE_DIR=str(folder),
    )  # fmt: skip
    if done.returncode != 0:
        last = [line for line in done.stderr.splitlines() if line.strip()]
        error = next((line for line in last if line.startswith("error:")), "no message")
        return [f"ended with {done.returncode}: {error}"]
    kind = "training" if "train" in name else "pipeline"
    problems = schema_problems(context, kind, done.stdout)
    if not problems:
        problems = _report_problems(json.loads(done.stdout), folder / "reports")
    return problems


def _report_problems(report: JsonObject, folder: Path) -> list[str]:
    """Return what is wrong with a report that its schema cannot see."""
    run = folder / report["run_id"]
    problems = _golden_problems(report)
    if report["verdict"] != "succeeded":
        problems.append(f"the verdict is {report['verdict']}")
    if not (run / "index.html").is_file():
        problems.append("there is no page beside the report")
    written = json.loads((run / f"{report['report']}_report.json").read_text(encoding="utf-8"))
    if written != report:
        problems.append("the report on stdout is not the report on disk")
    return problems


def _golden_problems(report: JsonObject) -> list[str]:
    """Return which saved model did not predict, from records and from rows, what it had."""
    if report.get("mode") != "validate":
        return []
    return [
        f"{key}: {name} was not passed"
        for key, model in report["models"].items()
        for name in GOLDEN
        if not any(c["name"] == name and c["verdict"] == "passed" for c in model["checks"])
    ]


CHECKS = (Check("smoke", "small test runs of the scripts, in a temporary folder", smoke),)
