"""Checks of what users call: the scripts, their options, the classes and their methods."""

from __future__ import annotations

import ast
import os
import re
import time
from pathlib import Path

from src import commands
from src.orchestration.validation.check import Check, Context, Finding, judge

SCRIPTS = tuple(commands.SCRIPTS.values())
HELP_WITHIN_S = 1.0
HELP_ATTEMPTS = 3  # the best counts: a busy machine is no fault of the script

# The classes the scripts and their users build on, and methods that must be among theirs.
REQUIRED_CLASSES: dict[str, tuple[str, ...]] = {
    "src/orchestration/pipeline/demo_pipeline_orchestrator.py:DemoPipelineOrchestrator": (
        "ensure_s3_buckets", "generate_and_upload_data", "run_glue_etl_jobs",
        "load_data_to_redshift", "verify_data_quality", "generate_summary_report", "run_pipeline",
    ),
    "src/orchestration/training/demo_model_trainer.py:DemoModelTrainer": (
        "extract_venue_training_data", "prepare_venue_features", "train_venue_popularity_model",
        "extract_ticket_sales_training_data", "prepare_ticket_sales_features",
        "train_ticket_sales_model", "generate_sample_predictions", "generate_training_report",
        "run_training_pipeline",
    ),
    "src/orchestration/validation/demo_pipeline_validator.py:DemoPipelineValidator": (
        "run_validation",
    ),
    "src/services/synthetic_data_generator.py:SyntheticDataGenerator": ("export",),
    "src/services/venue_popularity_service.py:VenuePopularityService": ("fit", "calibrate", "rank"),
    "src/services/ticket_sales_prediction_service.py:TicketSalesPredictionService": (
        "fit", "calibrate", "predict",
    ),
    "src/services/model_evaluation_service.py:ModelEvaluationService": ("evaluate", "compare"),
    "src/services/data_quality_service.py:DataQualityService": ("run",),
    "src/infrastructure/redshift_client.py:RedshiftClient": (
        "execute", "query", "query_dataframe", "transaction", "create_tables",
    ),
    "src/infrastructure/redshift_data_loader.py:RedshiftDataLoader": ("load",),
    "src/infrastructure/glue_job_manager.py:GlueJobManager": (),
}  # fmt: skip


def scripts(context: Context) -> Finding:
    """Each script is executable and answers --help within a second."""
    problems = []
    for name in SCRIPTS:
        path = context.root / name
        if not path.is_file():
            problems.append(f"{name} is missing")
            continue
        if not os.access(path, os.X_OK):
            problems.append(f"{name} is not executable")
        if not path.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n"):
            problems.append(f"{name} does not start with #!/usr/bin/env python3")
        problems += _help_problems(context, name)
    expected = f"executable, --help in under {HELP_WITHIN_S:.0f} s"
    return judge(expected, f"{len(SCRIPTS)} of {len(SCRIPTS)}", problems, "chmod +x *_demo_*.py")


def _help_problems(context: Context, name: str) -> list[str]:
    best = HELP_WITHIN_S
    for _ in range(HELP_ATTEMPTS):
        started = time.monotonic()
        done = context.python(str(context.root / name), "--help")
        took = time.monotonic() - started
        if done.returncode != 0 or "usage:" not in done.stdout:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return [f"{name} --help ends with {done.returncode}: {last}"]
        if took < HELP_WITHIN_S:
            return []
        best = took
    return [f"{name} --help takes {best:.1f} s"]


def options(context: Context) -> Finding:
    """The options of each script are exactly those of docs/reference/cli.md."""
    page = context.read("docs/reference/cli.md")
    problems, count = [], 0
    for name in SCRIPTS:
        documented = set(documented_options(page, name))
        found = set(context.probe("options", name))
        count += len(found)
        problems += [f"{name} {o} is not documented" for o in sorted(found - documented)]
        problems += [f"{name} has no {o}" for o in sorted(documented - found)]
    hint = "python -m tests.contract.reference_pages"
    return judge("exactly the options of docs/reference/cli.md", f"{count} options", problems, hint)


def documented_options(page: str, script: str) -> list[str]:
    """Return the long options of a script's section of the page."""
    return re.findall(r"^\| `(--[\w-]+)", section(page, f"## `{script}`"), re.MULTILINE)


def section(page: str, heading: str) -> str:
    """Return the text below a heading, down to the next of its level; "" where it is not."""
    level = heading.split(" ", maxsplit=1)[0]
    found = re.search(
        rf"^{re.escape(heading)}\s*$(.*?)(?=^{level} |\Z)", page, re.MULTILINE | re.DOTALL
    )
    return found[1] if found else ""


def interfaces(context: Context) -> Finding:
    """Each required class has the signatures that docs/reference/python.md shows."""
    page = context.read("docs/reference/python.md")
    problems, count = [], 0
    for place, required in REQUIRED_CLASSES.items():
        file, name = place.split(":")
        found = signatures(context.root / file, name)
        if not found:
            problems.append(f"{file} has no class {name}")
            continue
        problems += [f"{name}.{m} is missing" for m in required if not _has(found, m)]
        block = re.search(r"```text\n(.*?)```", section(page, f"## `{name}`"), re.DOTALL)
        documented = block[1].splitlines() if block else []
        problems += [f"{name}: not documented: {s}" for s in found if s not in documented]
        problems += [f"{name}: documented, but not so: {s}" for s in documented if s not in found]
        count += len(found)
    expected = f"{len(REQUIRED_CLASSES)} classes as in docs/reference/python.md"
    hint = "python -m tests.contract.reference_pages"
    return judge(expected, f"{count} signatures", problems, hint)


def _has(found: list[str], method: str) -> bool:
    return any(signature.startswith(f"{method}(") for signature in found)


def signatures(file: Path, class_name: str) -> list[str]:
    """Return the signatures of a class: how to make one, then its public methods, in order."""
    if not file.is_file():
        return []
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            made = [_signature(m, class_name) for m in methods if m.name == "__init__"]
            if not made:  # a dataclass: its fields are its arguments
                declared = [ast.unparse(n).replace(" = ", "=") for n in node.body
                            if isinstance(n, ast.AnnAssign)]  # fmt: skip
                made = [f"{class_name}({', '.join(declared)})"]
            called = [m for m in methods if not m.name.startswith("_") and not _is_property(m)]
            return made + [_signature(m, m.name) for m in called]
    return []


def _is_property(method: ast.FunctionDef) -> bool:
    names = {ast.unparse(decorator) for decorator in method.decorator_list}
    return bool(names & {"property", "cached_property"})


def _signature(method: ast.FunctionDef, name: str) -> str:
    arguments = method.args
    is_static = any(ast.unparse(d) == "staticmethod" for d in method.decorator_list)
    listed = ast.unparse(arguments)
    if not is_static:
        listed = re.sub(r"^(self|cls)(, )?", "", listed)
    returns = f" -> {ast.unparse(method.returns)}" if method.returns and name == method.name else ""
    return f"{name}({listed}){returns}"


CHECKS = (
    Check("scripts", "the three scripts", scripts, needs_checkout=True),
    Check("options", "the scripts' options", options, needs_checkout=True),
    Check("interfaces", "the classes and methods to build on", interfaces, needs_checkout=True),
)
