"""Concert Data Platform demo: synthetic data, a verified warehouse, and two trained models."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from src import __version__
from src.arguments import Parser
from src.commands import PROGRAM, mark_start
from src.errors import UsageError
from src.orchestration.command_line import EXIT_CODES, run_script

# Each command: the module that has its `main`, and what it does.
COMMANDS = {
    "run": ("src.orchestration.pipeline.command", "take data from nothing to the warehouse"),
    "train": ("src.orchestration.training.command", "train, evaluate and save both models"),
    "validate": ("src.orchestration.validation.command", "check the set-up"),
    "cloud": ("src.local_cloud.__main__", "start, query or delete the local cloud"),
    "operations": ("src.operations.__main__", "run it daily: schedules, alarms, lineage, cleanup"),
    "serving": ("src.serving.__main__", "predict for concerts, and answer over HTTP"),
    "streaming": ("src.streaming.__main__", "sell tickets live, through a stream"),
    "status": ("src.orchestration.status_command", "show the servers and the newest runs"),
    "open": ("src.orchestration.open_command", "open the page of a run"),
    "cards": ("src.orchestration.cards_command", "show the cards of the talk"),
    "completion": ("src.completion", "print a completion script for a shell"),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser that lists the commands; each command has a parser of its own."""
    parser = Parser(
        prog=PROGRAM,
        description=__doc__,
        epilog=f"Options of a command: {PROGRAM} COMMAND --help\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, (_, text) in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _without_command(argv: Sequence[str] | None) -> int:
    build_parser().parse_args(argv)  # --help, --version, or an error
    raise UsageError("the command must be the first argument", hint=f"{PROGRAM} --help")


def main() -> int:
    """Run the command that `sys.argv` names; returns its exit code."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    if chosen not in COMMANDS:
        return run_script(_without_command)
    mark_start(chosen)
    # Imported inside of run_script: a package that is missing is then an error with a hint.
    return run_script(lambda argv: int(importlib.import_module(COMMANDS[chosen][0]).main(argv)))


if __name__ == "__main__":
    sys.exit(main())
