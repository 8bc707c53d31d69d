"""Show the state folder, who uses its servers, and the newest runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from src.arguments import Parser
from src.commands import as_started
from src.json_object import JsonObject
from src.local_cloud.looking import servers_of
from src.orchestration.command_line import (
    add_common_options,
    console_from,
    print_answer,
    settings_from,
)
from src.reporting.run_log import known_runs
from src.settings import state_folder

_SHOWN = 5  # runs


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = Parser(prog=as_started("python -m src status"), description=__doc__,
                    allow_abbrev=False)  # fmt: skip
    add_common_options(parser, has_reports=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the status; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    settings = settings_from(arguments, may_lack=True)
    console = console_from(arguments)
    facts = _facts(state_folder(), Path(settings.report_dir))
    if arguments.json:
        print_answer(json.dumps(facts, indent=2))
        return 0
    console.line(f"state folder  {facts['state_folder']}: {_servers(facts['servers'])}")
    console.line(f"reports       {facts['report_folder']}: {facts['runs']} runs")
    for run in facts["newest"]:
        place = f"  {run['page']}" if run["page"] else ""
        console.line(f"  {run['run_id']}  {run['report'] or 'run'}: {run['verdict']}{place}")
    if not facts["newest"]:
        console.line(f"next:  {as_started('python run_demo_pipeline.py')}")
    return 0


def _facts(folder: Path, reports: Path) -> JsonObject:
    runs = known_runs(reports) if reports.is_dir() else []
    return {
        "state_folder": str(folder.resolve()),
        "servers": servers_of(folder),
        "report_folder": str(reports.resolve()),
        "runs": len(runs),
        "newest": [
            {name: run[name] for name in ("run_id", "report", "verdict", "page")}
            for run in runs[:_SHOWN]
        ],
    }


def _servers(found: JsonObject | None) -> str:
    if found is None:
        return "no servers are up"
    return f"process {found['pid']} has servers up (warehouse on port {found['warehouse_port']})"
