"""`--dry-run`: what a run would do, without a server, a bucket or a file."""

from __future__ import annotations

from pathlib import Path

from src.domain.tables import SCHEMA, TABLES
from src.orchestration.preflight import check_sizes
from src.reporting.console import Console
from src.settings import Settings


def describe(settings: Settings, *, skip_generation: bool, console: Console) -> int:
    """Print the plan on stderr; the input folder and the sizes are really checked."""
    s = settings
    console.line(f"Concert demo  dry run  target {s.target}  seed {s.seed}")
    console.line("  1/5  S3 buckets         would create or verify:")
    console.line(f"         s3://{s.raw_bucket}/  s3://{s.processed_bucket}/")
    console.line(f"  2/5  raw data           {_source(s, skip_generation)}")
    if s.etl == "glue":
        where = f"on {'DuckDB, here' if s.target == 'local' else 'AWS Glue'}"
        console.line(f"  3/5  Glue ETL           would run job {s.glue_job_name} {where}")
    else:
        console.line("  3/5  Glue ETL           would be skipped (--etl direct)")
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in TABLES)
    console.line(f"  4/5  load warehouse     would {s.load_mode} the rows of {tables}")
    console.line("  5/5  verify quality     would run the checks of src/sql/checks")
    console.line(f"Nothing was done. A report would go to {s.report_dir}/")
    return 0


def _source(settings: Settings, skip_generation: bool) -> str:
    s = settings
    if skip_generation:
        return f"would use the newest complete data set below s3://{s.raw_bucket}/raw/"
    if s.input_dir:
        from src.services.input_files import find_input

        files = sum(len(table.files) for table in find_input(Path(s.input_dir)))
        return f"would read {files} files of {s.input_dir} and upload them as {s.raw_format}"
    check_sizes(s)
    counts = f"{s.artists:,} artists, {s.venues:,} venues, {s.concerts:,} concerts"
    return (
        f"would generate {counts}, {s.sales:,} sales and {s.defect_rate:.2%} defects, "
        f"and upload them as {s.raw_format}"
    )
