"""Predictions for a concert, for files, and over HTTP."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from src.arguments import Parser
from src.commands import as_started
from src.orchestration.command_line import (
    EXIT_CODES,
    add_common_options,
    run_script,
    settings_from,
)

# Each has a module below this folder: its docstring is the help, `add_options` and `run` do the
# rest. The chosen one alone is imported: the container has no more packages than `serve` needs.
_OF_ENDPOINT = ("deploy", "status", "rollback", "undeploy", "batch")
COMMANDS = ("predict", "serve", *_OF_ENDPOINT)
EXAMPLES = """\
  python -m src.serving predict --artist "Juan Reyes" --venue "Foley Dome" \
--date 2026-01-20 --price 60
  python -m src.serving predict --artist "Juan Reyes" --venue "Foley Dome" \
--date 2026-01-20 --price 30:120
  python -m src.serving predict --file concerts.csv
  python -m src.serving serve
  python -m src.serving deploy
  python -m src.serving batch concerts.jsonl
"""


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of commands."""
    parser = Parser(
        prog=as_started("python -m src.serving"),
        description=as_started(__doc__ or ""),
        epilog=f"examples:\n{as_started(EXAMPLES)}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = _module(name)
        text = module.__doc__
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        module.add_options(command)
        add_common_options(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    parser = build_parser(words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS)
    arguments = parser.parse_args(words)
    code: int = _module(arguments.command).run(arguments, settings_from(arguments))
    return code


def _module(name: str) -> Any:
    folder = "src.serving.endpoint" if name in _OF_ENDPOINT else "src.serving"
    return importlib.import_module(f"{folder}.{name}")


if __name__ == "__main__":
    sys.exit(run_script(main))
