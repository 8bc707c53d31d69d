"""Open the page of a run: the newest by default, or that of a run id; `index` is all runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.arguments import Parser, did_you_mean
from src.commands import as_started
from src.errors import UsageError
from src.orchestration.browser import open_in_browser
from src.orchestration.command_line import (
    add_common_options,
    console_from,
    print_answer,
    settings_from,
)
from src.reporting.run_log import PAGE, known_runs

_ALL = "index"


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = Parser(prog=as_started("python -m src open"), description=__doc__,
                    allow_abbrev=False)  # fmt: skip
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, or index")
    add_common_options(parser, has_reports=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the page's address, and open it where there is a desktop; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    settings = settings_from(arguments, may_lack=True)
    console = console_from(arguments)
    page = _page(Path(settings.report_dir), arguments.run)
    print_answer(page.resolve().as_uri())
    if arguments.json or arguments.quiet:
        return 0
    opener = open_in_browser(page)
    if opener:
        console.line(f"opened with {opener}")
    return 0


def newest_page(reports: Path) -> Path | None:
    """Return the page of the newest run that did something."""
    runs = known_runs(reports) if reports.is_dir() else []
    return next((reports / run["page"] for run in runs
                 if run["did"] and run["page"].endswith(PAGE)), None)  # fmt: skip


def _page(reports: Path, wanted: str | None) -> Path:
    runs = known_runs(reports) if reports.is_dir() else []
    pages = {run["run_id"]: run["page"] for run in runs if run["page"].endswith(PAGE)}
    if wanted == _ALL and (reports / PAGE).is_file():
        return reports / PAGE
    if wanted is None:
        wanted = next((run["run_id"] for run in runs if run["did"] and run["run_id"] in pages), "")
    if wanted in pages:
        return reports / str(pages[wanted])
    if not pages:
        raise UsageError("no run has a page yet", where=str(reports.resolve()),
                         hint="python run_demo_pipeline.py")  # fmt: skip
    raise UsageError(
        f"no run {wanted} has a page",
        where=str(reports.resolve()),
        hint=did_you_mean(wanted, [*pages, _ALL]) or "python -m src status",
    )
