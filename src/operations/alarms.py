"""Evaluate the alarms now, and print their states; exit code 1 while one is in ALARM."""

from __future__ import annotations

import argparse
from pathlib import Path

from src.operations.schedule import add_common
from src.orchestration.command_line import print_answer, settings_from
from src.orchestration.operations.monitoring import update_alarms
from src.reporting.run_metrics import logged_events
from src.reporting.terminal.console import Console


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print each alarm's state on stdout; a change is an alert. Returns the exit code."""
    settings = settings_from(arguments, may_lack=True)
    events = logged_events(Path(settings.report_dir))
    found = update_alarms(settings, Console(), events)
    print_answer("\n".join(f"{state:<6} {name:<16} {why}" for name, (state, why) in found.items()))
    return int(any(state == "ALARM" for state, _ in found.values()))
