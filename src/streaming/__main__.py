"""Ticket sales as they happen: `python -m src.streaming run | produce | ingest | watch`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from src.arguments import Parser
from src.commands import as_started
from src.orchestration.command_line import run_script, settings_from
from src.streaming import ingest, produce, run, watch

# One module per command: its docstring is the help, `add_options` and `run` do the rest.
COMMANDS = {"run": run, "produce": produce, "ingest": ingest, "watch": watch}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog=as_started("python -m src.streaming"),
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
    code: int = COMMANDS[arguments.command].run(arguments, settings_from(arguments))
    return code


if __name__ == "__main__":
    sys.exit(run_script(main))
