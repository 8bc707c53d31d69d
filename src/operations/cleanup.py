"""Show what the demo made in an AWS account, and with --yes remove it."""

from __future__ import annotations

import argparse

from src.commands import as_started
from src.orchestration.environment import DemoEnvironment
from src.reporting.terminal.console import Console
from src.settings import load_settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--yes", action="store_true", help="remove what is shown")
    parser.add_argument(
        "--keep-warehouse", action="store_true", help="leave the warehouse's schemas alone"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show what there is; with --yes remove it. Returns the exit code."""
    settings = load_settings({"target": "aws"}, may_lack=arguments.keep_warehouse)
    with DemoEnvironment(settings, needs_glue=False) as environment:
        return clean_up(
            environment, Console(), yes=arguments.yes, warehouse=not arguments.keep_warehouse
        )


def clean_up(environment: DemoEnvironment, console: Console, *, yes: bool, warehouse: bool) -> int:
    """Show what the demo made, and remove it with `yes`."""
    from src.infrastructure.aws.inventory import AwsInventory

    inventory = AwsInventory(environment.account, environment.settings)
    found = inventory.find()
    account = environment.account
    console.line(
        f"Resources created by the demo in account {account.account_id}, region {account.region}:"
    )
    schemas = environment.own_schemas
    dropped = schemas.find() if warehouse else {}
    for statement in dropped.values():
        console.line(f"  {environment.warehouse.address:<44}  {statement}")
    for view in schemas.readers() if dropped else ():
        console.line(f"warning: the view {view} reads these tables; drop it first")
    for thing in found:
        console.line(f"  {thing.name:<44}  {thing.fate}")
    if not found and not dropped:
        console.line("  none")
    for note in inventory.not_looked_at:
        console.line(f"not looked at: {note}")
    for stack in sorted(inventory.stacks):
        console.line(
            f"Stack {stack} removes the rest: aws cloudformation delete-stack --stack-name {stack}"
        )
    if not yes:
        if found or dropped:
            command = as_started("python -m src.operations cleanup --yes")
            console.line(f"Nothing was removed. To remove all of this: {command}")
        return 0
    schemas.drop(dropped)
    for thing in found:
        thing.remove()
        console.line(f"removed  {thing.name}")
    return 0
