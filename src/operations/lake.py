"""Make the newest processed files tables of AWS's catalog, with Lake Formation's grants."""

from __future__ import annotations

import argparse

from src.domain.bucket_layout import PROCESSED_PREFIX, folder
from src.domain.tables import TABLES
from src.errors import CannotRunError, UsageError
from src.orchestration.environment import DemoEnvironment
from src.reporting.terminal.console import Console
from src.settings import load_settings
from src.settings.rules import is_role


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--reader", action="append", default=[], metavar="ROLE",
        help="role that may query the tables, besides the warehouse's; may be repeated",
    )  # fmt: skip
    parser.add_argument("--remove", action="store_true", help="remove all of it again")


def run(arguments: argparse.Namespace) -> int:
    """Make or remove the tables and grants; returns the exit code."""
    for role in arguments.reader:
        if not is_role(role):
            raise UsageError(
                f"--reader is {role!r}; it must be the ARN of a role",
                hint="--reader arn:aws:iam::123456789012:role/analysts",
            )
    settings = load_settings({"target": "aws"}, may_lack=arguments.remove)
    console = Console()
    with DemoEnvironment(settings, needs_glue=False) as environment:
        from src.infrastructure.aws.data_lake import DataLake

        lake = DataLake(environment.account, settings.processed_bucket)
        if arguments.remove:
            for part in list(lake.parts()):
                part.remove()
                console.line(f"removed  {part.name}")
            return 0
        storage = environment.processed_storage
        runs = sorted(storage.folders(folder(PROCESSED_PREFIX)))
        if not runs:
            raise CannotRunError(
                "no run has written processed files",
                where=storage.uri(PROCESSED_PREFIX),
                hint="python run_demo_pipeline.py --target aws --dry-run",
            )
        newest = {
            table.name: storage.uri(folder(PROCESSED_PREFIX, runs[-1], table.name))
            for table in TABLES
        }
        owner = settings.role_of("redshift")
        readers = dict.fromkeys([*([owner] if is_role(owner) else []), *arguments.reader])
        for name in lake.put(newest, readers=[*readers], writer=settings.role_of("glue")):
            console.line(f"in place  {name}")
    return 0
