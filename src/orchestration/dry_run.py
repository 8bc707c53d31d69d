"""`--dry-run`: what a run would do, without a server, a bucket or a file.

For aws it names every resource, and every statement word for word: the code that would send
them is asked, not described.
"""

from __future__ import annotations

import json
from pathlib import Path

from src.domain.tables import SCHEMA, TABLES
from src.orchestration.own_files import describe_input
from src.orchestration.preflight import check_sizes
from src.reporting.console import Console
from src.settings import Settings


def describe(settings: Settings, *, skip_generation: bool, console: Console) -> int:
    """Print the plan on stderr; the input folder and the sizes are really checked."""
    s = settings
    console.line(f"Concert demo  dry run  target {s.target}  seed {s.seed}")
    console.line("  1/5  S3 buckets         would create or verify:")
    console.line(f"         s3://{s.raw_bucket}/  s3://{s.processed_bucket}/")
    is_aws = s.target == "aws"
    _lines(console, _bucket_calls(s) if is_aws else [])
    console.line(f"  2/5  raw data           {_source(s, skip_generation)}")
    _lines(console, describe_input(s) if s.input_dir and not skip_generation else [])
    if s.etl == "glue":
        engine = {"duckdb": "DuckDB", "spark": "Spark"}[s.etl_engine]
        where = f"on {engine}, here" if s.target == "local" else "on AWS Glue"
        console.line(f"  3/5  Glue ETL           would run job {s.glue_job_name} {where}")
        _lines(console, _glue_calls(s) if is_aws else [])
    else:
        console.line("  3/5  Glue ETL           would be skipped (--etl direct)")
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in TABLES)
    console.line(f"  4/5  load warehouse     would {s.load_mode} the rows of {tables}")
    _lines(console, _statements(s) if is_aws else [])
    console.line("  5/5  verify quality     would run the checks of src/sql/checks")
    _lines(console, [f"SELECT of {name}" for name in _check_files()] if is_aws else [])
    console.line(f"Nothing was done. A report would go to {s.report_dir}/")
    return 0


def _lines(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.line(f"         {line}")


def _bucket_calls(settings: Settings) -> list[str]:
    """Return the S3 calls of both buckets; the second part only for buckets that a run created."""
    from src.infrastructure.bucket_setup import BucketSetup

    setup = BucketSetup(settings.aws_region, "ACCOUNT", settings.expire_days)
    lines = []
    for bucket in (settings.raw_bucket, settings.processed_bucket):
        lines.append(f"HeadBucket {bucket}, owner: the caller's account")
        lines.append(f"CreateBucket {bucket} {json.dumps(setup.creation())}, unless it is there")
        calls = [("put_bucket_tagging", setup.tagging()), *setup.calls(bucket)]
        for operation, arguments in calls:
            name = "".join(word.capitalize() for word in operation.split("_"))
            lines.append(f"{name} {bucket} {json.dumps(arguments)}")
    return lines


def _glue_calls(settings: Settings) -> list[str]:
    from src.infrastructure.glue_job import definition
    from src.orchestration.environment import DemoEnvironment

    job = DemoEnvironment(settings).etl_job
    script = f"s3://{settings.processed_bucket}/scripts/{job.script.stem}-DIGEST.py"
    return [
        f"PutObject {script}",
        f"CreateJob or UpdateJob {job.name} {json.dumps(definition(job, script))}",
        "GetJobRuns, StartJobRun unless a run with these inputs is on its way, GetJobRun to its end"
        f", at most {settings.glue_workers} {settings.glue_worker_type} workers "
        f"for {settings.glue_timeout_minutes} minutes",
    ]


def _statements(settings: Settings) -> list[str]:
    from src.infrastructure.aws_account import AwsAccount
    from src.infrastructure.warehouse_access import WarehouseAccess
    from src.orchestration.rehearsal import load_statements

    warehouse = WarehouseAccess(AwsAccount(settings.aws_region), settings)
    way = {"driver": "a connection", "data-api": "the Data API"}[settings.redshift_via]
    return [
        f"through {way} to {warehouse.address}:",
        *load_statements(settings, "concert-demo RUN"),
    ]


def _check_files() -> list[str]:
    folder = Path(__file__).parents[1] / "sql" / "checks"
    return [f"src/sql/checks/{file.name}" for file in sorted(folder.glob("*.sql"))]


def _source(settings: Settings, skip_generation: bool) -> str:
    s = settings
    if skip_generation:
        return f"would use the newest complete data set below s3://{s.raw_bucket}/raw/"
    if s.input_dir:
        from src.services.input_folder import find_input

        files = sum(len(table.files) for table in find_input(Path(s.input_dir)).tables)
        return f"would read {files} files of {s.input_dir} and upload them as {s.raw_format}"
    check_sizes(s)
    counts = f"{s.artists:,} artists, {s.venues:,} venues, {s.concerts:,} concerts"
    return (
        f"would generate {counts}, {s.sales:,} sales and {s.defect_rate:.2%} defects, "
        f"and upload them as {s.raw_format}"
    )
