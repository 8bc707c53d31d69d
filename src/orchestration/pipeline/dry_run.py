"""`--dry-run`: what a run would do, without a server, a bucket or a file.

For aws it names every resource, and every statement word for word: the code that would send
them is called, not described.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from src.domain.bucket_layout import RAW_PREFIX, folder, job_library, job_script
from src.domain.tables import SCHEMA, TABLES
from src.orchestration.pipeline.own_files import describe_input
from src.orchestration.pipeline.resuming import UnfinishedRun
from src.orchestration.size_limits import check_engine, check_sizes
from src.orchestration.workflow import Stage
from src.settings import Settings
from src.sql.files import read_all

if TYPE_CHECKING:
    from src.infrastructure.aws.glue_job import GlueJob


def describe(
    stages: list[Stage],
    settings: Settings,
    *,
    skip_generation: bool,
    resumed: UnfinishedRun | None = None,
) -> list[str]:
    """Return what the stages of a run would do; the input folder and the sizes are checked."""
    check_engine(settings)
    plans = {
        "s3_buckets": _buckets(settings),
        "data_generation": _raw_data(settings, skip_generation, resumed),
        "glue_etl": _etl(settings, resumed),
        "redshift_load": _load(settings),
        "data_verification": _checks(settings),
    }
    head = f"Concert demo  dry run  target {settings.target}  seed {settings.seed}"
    plan = [head if resumed is None else f"{head}  resumes {resumed.run_id}"]
    for number, stage in enumerate(stages, 1):
        first, *more = plans[stage.key]
        plan.append(f"  {number}/{len(stages)}  {stage.title:<18} {first}")
        plan += [f"         {line}" for line in more]
    return [*plan, f"Nothing was done. A report would go to {settings.report_dir}/"]


def _buckets(settings: Settings) -> list[str]:
    names = f"s3://{settings.raw_bucket}/  s3://{settings.processed_bucket}/"
    calls = _bucket_calls(settings) if settings.target == "aws" else []
    return ["would create or verify:", names, *calls]


def _raw_data(
    settings: Settings, skip_generation: bool, resumed: UnfinishedRun | None
) -> list[str]:
    source = _source(settings, skip_generation, resumed)
    is_read = bool(settings.input_dir) and not skip_generation and not _has_data(resumed)
    is_made = not (settings.input_dir or skip_generation or _has_data(resumed))
    return [
        source,
        *(describe_input(settings) if is_read else []),
        *(_generation(settings) if is_made and settings.generate_on == "glue" else []),
    ]


def _generation(settings: Settings) -> list[str]:
    from src.infrastructure.aws.glue_job import generation_job_of

    name = generation_job_of(settings.glue_job_name)
    if settings.target == "local":
        return [f"by job {name} on Spark, here"]
    from src.orchestration.environment import DemoEnvironment
    from src.orchestration.pipeline.generation_stage import recipe_of

    return [
        f"by job {name} on AWS Glue, with --recipe {recipe_of(settings).as_text()}",
        *_glue_calls(settings, DemoEnvironment(settings).generation_job),
    ]


def _etl(settings: Settings, resumed: UnfinishedRun | None) -> list[str]:
    if settings.etl == "direct":
        return ["would be skipped (--etl direct)"]
    if resumed is not None and resumed.has("glue_etl"):
        return [f"done by {resumed.run_id}"]
    if settings.target == "aws":
        from src.orchestration.environment import DemoEnvironment

        calls = _glue_calls(settings, DemoEnvironment(settings).etl_job)
        return [f"would run job {settings.glue_job_name} on AWS Glue", *calls]
    engine = {"duckdb": "DuckDB", "spark": "Spark"}[settings.etl_engine]
    return [f"would run job {settings.glue_job_name} on {engine}, here"]


def _load(settings: Settings) -> list[str]:
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in TABLES)
    statements = _statements(settings) if settings.target == "aws" else []
    return [f"would {settings.load_mode} the rows of {tables}", *statements]


def _checks(settings: Settings) -> list[str]:
    checks = read_all("checks") if settings.target == "aws" else []
    return [
        "would run the checks of src/sql/checks",
        *(f"SELECT of {file.shown}" for file in checks),
    ]


def _has_data(resumed: UnfinishedRun | None) -> bool:
    return resumed is not None and resumed.has("data_generation")


def _bucket_calls(settings: Settings) -> list[str]:
    """Return the S3 calls of both buckets; the second part only for buckets that a run created."""
    from src.infrastructure.aws.bucket_setup import BucketSetup

    setup = BucketSetup(settings.aws_region, "ACCOUNT", settings.expire_days)
    lines = []
    for bucket in (settings.raw_bucket, settings.processed_bucket):
        lines.append(f"HeadBucket {bucket}, owner: the caller's account")
        lines.append(f"CreateBucket {bucket} {json.dumps(setup.creation())}, unless it exists")
        calls = [("put_bucket_tagging", setup.tagging()), *setup.calls(bucket)]
        for operation, arguments in calls:
            name = "".join(word.capitalize() for word in operation.split("_"))
            lines.append(f"{name} {bucket} {json.dumps(arguments)}")
    return lines


def _glue_calls(settings: Settings, job: GlueJob) -> list[str]:
    from src.infrastructure.aws.glue_job import LOG_DAYS, definition, log_groups

    groups = " and ".join(log_groups(job.name))
    script = f"s3://{settings.processed_bucket}/{job_script(job.script.stem, 'DIGEST')}"
    library = f"s3://{settings.processed_bucket}/{job_library('DIGEST')}" if job.library else ""
    return [
        f"CreateLogGroup {groups} for {LOG_DAYS} days, unless they exist",
        *(f"PutObject {uri}" for uri in (script, library) if uri),
        f"CreateJob or UpdateJob {job.name} {json.dumps(definition(job, script, library))}",
        "GetJobRuns, StartJobRun unless a run with these inputs is running, GetJobRun to its end"
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
    day = f" as of {s.as_of}" if s.as_of else ""
    day += f" without the sales up to {s.since}" if s.since else ""
    return (
        f"would generate {counts}, {s.sales:,} sales and {s.defect_rate:.2%} defects{day}, "
        f"and upload them as {s.raw_format}"
    )
