"""Produce, ingest, show and verify live ticket sales for a minute, before an audience."""

from __future__ import annotations

import argparse

from src.orchestration.command_line import add_setting, console_from, print_result
from src.settings import Settings
from src.streaming.ingest import add_refresh_option, checked_refresh
from src.streaming.produce import add_plan_options, plan_options, stopped_by_ctrl_c


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    for name in ("target", "report_dir", "stream", "seed", "iam_role"):
        add_setting(parser, name)
    add_plan_options(parser)
    add_refresh_option(parser)
    parser.add_argument("--json", action="store_true", help="print the report itself on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the log on stderr")
    parser.add_argument("--no-color", action="store_true", help="never color the output")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run live until the time is over or Ctrl-C, then verify; returns the exit code."""
    plan_options(arguments, settings)
    checked_refresh(arguments.refresh)
    console = console_from(arguments)
    from src.streaming.live_run import LiveRun

    with stopped_by_ctrl_c() as is_stopped:
        live = LiveRun(settings, arguments, console=console, should_stop=is_stopped.is_set)
        report = live.run()
    print_result(arguments, live.workflow, report, "python train_demo_models.py")
    return live.workflow.exit_code
