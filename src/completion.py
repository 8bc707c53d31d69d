"""Print a script that completes commands and options: completion bash | zsh."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from src.arguments import Parser
from src.commands import PROGRAM

SHELLS = ("bash", "zsh")
_EXAMPLES = f"""\
examples:
  source <({PROGRAM} completion bash)
  {PROGRAM} completion zsh > ~/.zfunc/_{PROGRAM}
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = Parser(
        prog=f"{PROGRAM} completion", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("shell", choices=SHELLS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script for a shell, made from the parsers of all commands."""
    import shtab

    from src.__main__ import COMMANDS
    from src.orchestration.command_line import print_answer

    shell = build_parser().parse_args(argv).shell
    whole = argparse.ArgumentParser(prog=PROGRAM)
    commands = whole.add_subparsers(dest="command")
    for name, (module, text) in COMMANDS.items():
        own = importlib.import_module(module).build_parser()
        commands.add_parser(name, help=text, parents=[own], add_help=False,
                            conflict_handler="resolve")  # fmt: skip
    print_answer(shtab.complete(whole, shell))
    return 0
