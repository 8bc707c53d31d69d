"""Predictions for a concert, for files, and over HTTP."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from src.arguments import Parser
from src.commands import as_started
from src.orchestration.command_line import (
    EXIT_CODES,
    add_common_options,
    run_script,
    settings_from,
)
from src.serving import batch, deploy, rollback, serve, status, undeploy

# One module per command: its docstring is the help, `add_options` and `run` do the rest.
COMMANDS = {
    "serve": serve,
    "deploy": deploy,
    "status": status,
    "rollback": rollback,
    "undeploy": undeploy,
    "batch": batch,
}
EXAMPLES = """\
  python -m src.serving serve
  python -m src.serving deploy
  python -m src.serving batch concerts.jsonl
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog=as_started("python -m src.serving"),
        description=as_started(__doc__ or ""),
        epilog=f"examples:\n{as_started(EXAMPLES)}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        text = module.__doc__
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        module.add_options(command)
        add_common_options(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    code: int = COMMANDS[arguments.command].run(arguments, settings_from(arguments))
    return code


if __name__ == "__main__":
    sys.exit(run_script(main))
