"""`--dry-run`: what a run would do, without a server, a bucket or a file.

For aws it names every resource, and every statement word for word: the code that would send
them is asked, not described.
"""

from __future__ import annotations

import json
from pathlib import Path

from src.domain.bucket_layout import RAW_PREFIX, folder, job_script
from src.domain.tables import SCHEMA, TABLES
from src.orchestration.pipeline.own_files import describe_input
from src.orchestration.pipeline.resuming import UnfinishedRun
from src.orchestration.size_limits import check_engine, check_sizes
from src.settings import Settings


def describe(
    settings: Settings, *, skip_generation: bool, resumed: UnfinishedRun | None = None
) -> list[str]:
    """Return the plan in lines; the input folder and the sizes are really checked."""
    s, is_aws = settings, settings.target == "aws"
    check_engine(s)
    head = f"Concert demo  dry run  target {s.target}  seed {s.seed}"
    plan = [head if resumed is None else f"{head}  resumes {resumed.run_id}"]
    plan.append("  1/5  S3 buckets         would create or verify:")
    plan.append(f"         s3://{s.raw_bucket}/  s3://{s.processed_bucket}/")
    plan += _indented(_bucket_calls(s) if is_aws else [])
    plan.append(f"  2/5  raw data           {_source(s, skip_generation, resumed)}")
    is_read = bool(s.input_dir) and not skip_generation and not _has_data(resumed)
    plan += _indented(describe_input(s) if is_read else [])
    if s.etl == "direct":
        plan.append("  3/5  Glue ETL           would be skipped (--etl direct)")
    elif resumed is not None and resumed.has("glue_etl"):
        plan.append(f"  3/5  Glue ETL           done by {resumed.run_id}")
    else:
        engine = {"duckdb": "DuckDB", "spark": "Spark"}[s.etl_engine]
        where = "on AWS Glue" if is_aws else f"on {engine}, here"
        plan.append(f"  3/5  Glue ETL           would run job {s.glue_job_name} {where}")
        plan += _indented(_glue_calls(s) if is_aws else [])
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in TABLES)
    plan.append(f"  4/5  load warehouse     would {s.load_mode} the rows of {tables}")
    plan += _indented(_statements(s) if is_aws else [])
    plan.append("  5/5  verify quality     would run the checks of src/sql/checks")
    plan += _indented([f"SELECT of {name}" for name in _check_files()] if is_aws else [])
    return [*plan, f"Nothing was done. A report would go to {s.report_dir}/"]


def _has_data(resumed: UnfinishedRun | None) -> bool:
    return resumed is not None and resumed.has("data_generation")


def _indented(lines: list[str]) -> list[str]:
    return [f"         {line}" for line in lines]


def _bucket_calls(settings: Settings) -> list[str]:
    """Return the S3 calls of both buckets; the second part only for buckets that a run created."""
    from src.infrastructure.aws.bucket_setup import BucketSetup

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
    from src.infrastructure.aws.glue_job import definition
    from src.orchestration.environment import DemoEnvironment

    job = DemoEnvironment(settings).etl_job
    script = f"s3://{settings.processed_bucket}/{job_script(job.script.stem, 'DIGEST')}"
    return [
        f"PutObject {script}",
        f"CreateJob or UpdateJob {job.name} {json.dumps(definition(job, script))}",
        "GetJobRuns, StartJobRun unless a run with these inputs is on its way, GetJobRun to its end"
        f", at most {settings.glue_workers} {settings.glue_worker_type} workers "
        f"for {settings.glue_timeout_minutes} minutes",
    ]


def _statements(settings: Settings) -> list[str]:
    from src.infrastructure.aws.account import AwsAccount
    from src.infrastructure.warehouse.access import WarehouseAccess
    from src.orchestration.pipeline.recorded_load import load_statements

    warehouse = WarehouseAccess(AwsAccount(settings.aws_region), settings)
    way = {"driver": "a connection", "data-api": "the Data API"}[settings.redshift_via]
    return [
        f"through {way} to {warehouse.address}:",
        *load_statements(settings, "concert-demo RUN"),
    ]


def _check_files() -> list[str]:
    folder = Path(__file__).parents[2] / "sql" / "checks"
    return [f"src/sql/checks/{file.name}" for file in sorted(folder.glob("*.sql"))]


def _source(settings: Settings, skip_generation: bool, resumed: UnfinishedRun | None) -> str:
    s = settings
    if resumed is not None and _has_data(resumed):
        return f"done by {resumed.run_id}"
    if skip_generation:
        return (
            f"would use the newest complete data set below s3://{s.raw_bucket}/{folder(RAW_PREFIX)}"
        )
    if s.input_dir:
        from src.services.input.input_folder import find_input

        files = sum(len(table.files) for table in find_input(Path(s.input_dir)).tables)
        return f"would read {files} files of {s.input_dir} and upload them as {s.raw_format}"
    check_sizes(s)
    counts = f"{s.artists:,} artists, {s.venues:,} venues, {s.concerts:,} concerts"
    return (
        f"would generate {counts}, {s.sales:,} sales and {s.defect_rate:.2%} defects, "
        f"and upload them as {s.raw_format}"
    )
