"""What is done around the runs: the daily cycle and its schedule, and cleaning up on AWS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from src.arguments import Parser
from src.commands import as_started
from src.operations import (
    alarms,
    cleanup,
    dashboards,
    lake,
    lineage,
    listing,
    next_times,
    once,
    remove,
    schedule,
)
from src.orchestration.command_line import run_script

# One module per command: its docstring is the help, `add_options` and `run` do the rest.
COMMANDS = {
    "schedule": schedule,
    "next": next_times,
    "once": once,
    "list": listing,
    "remove": remove,
    "alarms": alarms,
    "dashboards": dashboards,
    "lineage": lineage,
    "lake": lake,
    "cleanup": cleanup,
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog=as_started("python -m src.operations"),
        description=as_started(__doc__ or ""),
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        text = module.__doc__
        module.add_options(
            commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    code: int = COMMANDS[arguments.command].run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(run_script(main))
