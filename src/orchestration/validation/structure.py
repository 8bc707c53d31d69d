"""Checks of the checkout itself: files, imports, SQL, schemas, dependencies."""

from __future__ import annotations

import json
import logging
import sys
from importlib import metadata
from pathlib import Path

from src.commands import DISTRIBUTION, install_command
from src.orchestration.validation.check import Check, Context, Finding, judge, next_run
from src.reporting.run_report import run_folders
from src.sql.files import bind, read
from src.sql.quoting import literal

# The names users and CI rely on; inside the packages, `imports` and the tests look further.
REQUIRED_FILES = (
    "run_demo_pipeline.py",
    "train_demo_models.py",
    "validate_demo_pipeline.py",
    "requirements.txt",
    "requirements-dev.txt",
    "pyproject.toml",
    ".env.example",
    "README.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "CHANGELOG.md",
    "docs/ARCHITECTURE.md",
    "docs/guides/DEMO_PIPELINE_GUIDE.md",
    "docs/guides/DATA_ANALYSIS.md",
    "docs/guides/MODEL_MONITORING.md",
    "docs/redshift/REDSHIFT_QUICKSTART.md",
    "docs/reference/cli.md",
    "docs/reference/data_dictionary.md",
    "docs/reference/models.md",
    "docs/reference/python.md",
    "docs/reference/reports.md",
    "docs/reference/settings.md",
    "src/reporting/schemas/pipeline_report.schema.json",
    "src/reporting/schemas/training_report.schema.json",
    "src/reporting/schemas/streaming_report.schema.json",
    "src/reporting/schemas/validation_report.schema.json",
    "src/settings/__init__.py",
    "src/errors.py",
    "src/domain/tables.py",
    "src/services/synthetic_data_generator.py",
    "src/services/venue_popularity_service.py",
    "src/services/ticket_sales_prediction_service.py",
    "src/services/model_evaluation_service.py",
    "src/services/data_quality_service.py",
    "src/infrastructure/storage/s3_storage.py",
    "src/infrastructure/redshift_client.py",
    "src/infrastructure/redshift_data_loader.py",
    "src/infrastructure/glue_job_manager.py",
    "src/glue_jobs/concert_etl_job.py",
    "src/glue_jobs/concert_generation_job.py",
    "src/local_cloud/README.md",
    "src/local_cloud/local_cloud.py",
    "src/orchestration/pipeline/demo_pipeline_orchestrator.py",
    "src/orchestration/training/demo_model_trainer.py",
    "src/orchestration/validation/demo_pipeline_validator.py",
    "src/orchestration/environment.py",
    "tests/conftest.py",
)
REQUIRED_FOLDERS = (
    "src/sql/schema",
    "src/sql/checks",
    "src/sql/features",
    "src/sql/analysis",
    "docs/decisions",
    "tests/unit",
    "tests/contract",
    "tests/integration",
    "tests/benchmarks",
)
KINDS = ("pipeline", "training", "validation", "streaming")
MINIMUM_PYTHON = (3, 11)


def file_structure(context: Context) -> Finding:
    """Every required file exists and is not empty, every required folder holds something."""
    problems = []
    for name in REQUIRED_FILES:
        path = context.root / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size == 0:
            problems.append(f"{name} is empty")
    for name in REQUIRED_FOLDERS:
        folder = context.root / name
        if not folder.is_dir() or not any(folder.iterdir()):
            problems.append(f"{name}/ is missing or empty")
    count = len(REQUIRED_FILES) + len(REQUIRED_FOLDERS)
    return judge(
        f"{count} files and folders", "all of them", problems, "git status, then: git restore FILE"
    )


def imports(context: Context) -> Finding:
    """Every module below src can be imported with what requirements.txt installs."""
    problems = context.probe("imports")
    modules = sum(1 for _ in (context.root / "src").rglob("*.py"))
    hint = install_command()
    return judge(f"{modules} modules of src import", "all of them", problems, hint)


_UNKNOWN_TO_SQLGLOT = ("CREATE EXTERNAL SCHEMA",)


def sql_files(context: Context) -> Finding:
    """Every statement of every .sql file parses as Redshift."""
    import sqlglot
    from sqlglot import exp

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # the check itself reports what it finds

    problems, files = [], sorted((context.root / "src/sql").rglob("*.sql"))
    for path in files:
        name = path.relative_to(context.root)
        text = bind(read(path).text, literal)
        try:
            statements = [s for s in sqlglot.parse(text, read="redshift") if s is not None]
        except sqlglot.errors.SqlglotError as error:
            problems.append(f"{name}: {str(error).splitlines()[0]}")
            continue
        if not statements:
            problems.append(f"{name}: no statement")
        # What sqlglot does not support becomes a Command, or an expression that is no statement.
        problems += [f"{name}: not a statement: {s.sql()[:60]}" for s in statements
                     if not isinstance(s, (exp.Query, exp.DDL, exp.DML, exp.Drop))
                     and not s.sql(comments=False).startswith(_UNKNOWN_TO_SQLGLOT)]  # fmt: skip
    return judge(f"{len(files)} SQL files parse as Redshift", "all of them", problems)


def report_schemas(context: Context) -> Finding:
    """Each report's JSON Schema is valid, and describes the version that is written."""
    import jsonschema

    from src.reporting.run_report import SCHEMA_VERSION

    problems = []
    for kind in KINDS:
        name = f"src/reporting/schemas/{kind}_report.schema.json"
        try:
            schema = json.loads(context.read(name))
            jsonschema.Draft202012Validator.check_schema(schema)
            if schema["properties"]["schema_version"].get("const") != SCHEMA_VERSION:
                problems.append(f"{name}: schema_version is not {SCHEMA_VERSION}")
        except (OSError, ValueError, KeyError, jsonschema.SchemaError) as error:
            problems.append(f"{name}: {str(error).splitlines()[0]}")
    return judge(f"{len(KINDS)} schemas, valid", "all of them", problems)


def newest_reports(context: Context) -> Finding:
    """The newest report of each kind in the report folder matches its schema."""
    folder, expected = Path(context.settings.report_dir), "each newest report matches its schema"
    newest = {}
    for kind in KINDS:
        reports = [run / f"{kind}_report.json" for run in run_folders(folder)]
        if found := [report for report in reports if report.is_file()]:
            newest[kind] = found[-1]
    if not newest:
        return Finding("skipped", expected, f"no report in {folder}", next_run(context.settings))
    problems = [
        f"{path}: {problem}"
        for kind, path in newest.items()
        for problem in schema_problems(context, kind, path.read_text(encoding="utf-8"))
    ]
    return judge(expected, f"{len(newest)} of them", problems, "run the script again")


def schema_problems(context: Context, kind: str, text: str) -> list[str]:
    """Return how a report's text breaks its schema."""
    import jsonschema

    schema = json.loads(context.read(f"src/reporting/schemas/{kind}_report.schema.json"))
    try:
        report = json.loads(text)
    except ValueError as error:
        return [f"not JSON: {error}"]
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(report)]


def python_version(context: Context) -> Finding:
    """This Python is new enough."""
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    found = ".".join(map(str, sys.version_info[:3]))
    problems = [] if sys.version_info >= MINIMUM_PYTHON else [f"Python {found}"]
    return judge(f"Python {wanted} or newer", found, problems, f"install Python {wanted}")


def dependencies(context: Context) -> Finding:
    """Every package of requirements.txt is installed, in the pinned range."""
    from packaging.requirements import InvalidRequirement, Requirement

    wanted_texts, problems = _requirements(context), []
    for text in wanted_texts:
        try:
            wanted = Requirement(text)
            found = metadata.version(wanted.name)
        except InvalidRequirement:
            problems.append(f"{text!r} is not a requirement")
        except metadata.PackageNotFoundError:
            problems.append(f"{wanted.name} is not installed (wanted {wanted.specifier})")
        else:
            if not wanted.specifier:
                problems.append(f"{wanted.name} is not pinned")
            elif not wanted.specifier.contains(found, prereleases=True):
                problems.append(f"{wanted.name} {found} is outside {wanted.specifier}")
    hint = install_command()
    return judge(
        f"{len(wanted_texts)} packages, in the pinned ranges", "all of them", problems, hint
    )


def _requirements(context: Context) -> list[str]:
    """Return requirements.txt without comments; an installed package has it in its metadata."""
    if not context.is_checkout:
        listed = metadata.requires(DISTRIBUTION) or []
        return [text for text in listed if "extra ==" not in text]
    lines = (line.split("#")[0].strip() for line in context.read("requirements.txt").splitlines())
    return [line for line in lines if line]


CHECKS = (
    Check("python", "the Python that runs this", python_version),
    Check("dependencies", "the packages of requirements.txt", dependencies),
    Check("file_structure", "the files that all need", file_structure, needs_checkout=True),
    Check("imports", "the modules below src", imports),
    Check("sql_files", "the SQL, as Redshift reads it", sql_files),
    Check("report_schemas", "the reports' JSON Schemas", report_schemas),
    Check("newest_reports", "the reports of earlier runs", newest_reports),
)
