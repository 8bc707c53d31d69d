"""Predict for a file of concerts (CSV, JSON Lines) by a SageMaker transform job."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from src.domain.bucket_layout import UNLOAD_PREFIX, folder
from src.errors import UsageError
from src.orchestration.command_line import console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add input and output."""
    parser.add_argument("file", type=Path, metavar="FILE", help="concerts: .csv, .jsonl, .ndjson")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="file for the predictions "
        "(default: NAME.predictions beside the input)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the job and print where the predictions are; returns the exit code."""
    from src.infrastructure.aws.sagemaker_transform import FORMATS, TransformJob
    from src.reporting.run_report import new_run_id
    from src.serving.endpoint import deployment
    from src.serving.predictor import NAME

    console = console_from(arguments)
    form = FORMATS.get(arguments.file.suffix.lower())
    if form is None:
        raise UsageError(
            f"{arguments.file} is no file that a transform job takes",
            hint=f"name a file that ends in {', '.join(FORMATS)}",
        )
    try:
        body = arguments.file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{arguments.file} cannot be read", cause=error.strerror, hint="name another file"
        ) from error
    target = arguments.output or deployment.rows_file(arguments.file)
    with DemoEnvironment(settings, needs_glue=False) as environment:
        run_id = new_run_id(datetime.now(UTC), Path(settings.report_dir))
        champion = deployment.registry_of(environment).champion(NAME)
        endpoint = deployment.endpoint_of(environment)
        model = endpoint.define(deployment.uploaded(environment, champion))
        job = TransformJob(
            environment.client("sagemaker"), environment.processed_storage,
            folder(UNLOAD_PREFIX, f"transform-{run_id}"), poll_s=deployment.poll_s(environment),
        )  # fmt: skip
        name = f"{endpoint.name}-{run_id}"
        console.line(f"transform job {name}: version {champion.version}")
        found = job.run(name, model, body, form)
    try:
        target.write_bytes(found)
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written", cause=error.strerror, hint="name another --output"
        ) from error
    rows = found.count(b"\n") - (not form.is_lines)
    console.line(f"{rows:,} predictions: {target}")
    facts = {"job": name, "version": champion.version, "rows": rows, "output": str(target)}
    print_answer(deployment.answer_of(arguments, facts, str(target)))
    return 0
