"""Print where a column comes from and where it goes, from raw file to prediction."""

from __future__ import annotations

import argparse

from src.arguments import did_you_mean
from src.domain.lineage import FILE, as_json, kept_lineage
from src.errors import UsageError
from src.orchestration.command_line import print_answer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "column", nargs="?", metavar="COLUMN", help="for example warehouse.concerts.tickets_sold"
    )
    parser.add_argument(
        "--write", action="store_true", help="compute the lineage of this program's SQL anew"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a column's lineage, or all columns, on stdout; returns the exit code."""
    if arguments.write:
        from src.services.operations.demo_lineage import demo_lineage

        FILE.write_text(as_json(demo_lineage()), encoding="utf-8")
        print_answer(str(FILE))
        return 0
    sources = {f"{d.key}.{c.name}": c.sources for d in kept_lineage() for c in d.columns}
    if arguments.column is None:
        print_answer("\n".join(sources))
        return 0
    if arguments.column not in sources:
        raise UsageError(
            f"there is no column {arguments.column!r}",
            cause=did_you_mean(arguments.column, sources),
            hint="python -m src.operations lineage",
        )
    lines = [arguments.column]
    for words, found in (
        ("from", sources[arguments.column]),
        ("to", [name for name, of in sources.items() if arguments.column in of]),
    ):
        lines += [f"  {words:<5}{name}" for name in found]
    print_answer("\n".join(lines))
    return 0
