"""Show what the demo made in an AWS account, and with --yes remove it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from src.errors import WarehouseError
from src.orchestration.command_line import Parser, run_script
from src.orchestration.environment import DemoEnvironment
from src.reporting.console import Console
from src.settings import load_settings

_SCHEMA_OURS = (
    "SELECT COUNT(*) FROM information_schema.tables "
    "WHERE table_schema = 'concert_dw' AND table_name = 'load_history'"
)
_DROP = "DROP SCHEMA concert_dw CASCADE"


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = Parser(prog="python -m src.aws_cleanup", description=__doc__, allow_abbrev=False)
    parser.add_argument("--yes", action="store_true", help="remove what is shown")
    parser.add_argument(
        "--keep-warehouse", action="store_true", help="leave the schema concert_dw alone"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show what there is; with --yes remove it. Returns the exit code."""
    arguments = build_parser().parse_args(argv)
    settings = load_settings({"target": "aws"}, may_lack=arguments.keep_warehouse)
    console = Console()
    with DemoEnvironment(settings, needs_glue=False) as environment:
        return clean_up(
            environment, console, yes=arguments.yes, warehouse=not arguments.keep_warehouse
        )


def clean_up(environment: DemoEnvironment, console: Console, *, yes: bool, warehouse: bool) -> int:
    """Show what the demo made, and remove it if told to."""
    from src.infrastructure.aws_inventory import AwsInventory

    inventory = AwsInventory(environment.account, environment.settings)
    found = inventory.find()
    account = environment.account
    console.line(f"The demo's things in account {account.account_id}, region {account.region}:")
    has_schema = warehouse and bool(environment.redshift.query_value(_SCHEMA_OURS))
    if has_schema:
        console.line(f"  {environment.warehouse.address:<44}  {_DROP}")
    for thing in found:
        console.line(f"  {thing.name:<44}  {thing.fate}")
    if not found and not has_schema:
        console.line("  none")
    for stack in sorted(inventory.stacks):
        console.line(
            f"Stack {stack} removes the rest: aws cloudformation delete-stack --stack-name {stack}"
        )
    if not yes:
        if found or has_schema:
            console.line(
                "Nothing was removed. To remove all of this: python -m src.aws_cleanup --yes"
            )
        return 0
    if has_schema:
        with environment.redshift.transaction():
            environment.redshift.execute(_DROP)
        if environment.redshift.query_value(_SCHEMA_OURS):
            raise WarehouseError("the schema concert_dw is still there", hint="run it again")
    for thing in found:
        thing.remove()
        console.line(f"removed  {thing.name}")
    return 0


if __name__ == "__main__":
    sys.exit(run_script(main))
