"""Move ticket sales from the stream into the warehouse's tables, each once."""

from __future__ import annotations

import argparse
import time

from src.infrastructure.warehouse.streamed_sales import StreamedTotals
from src.orchestration.command_line import add_setting, console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.reporting.run_report import to_json
from src.settings import Settings
from src.streaming.ingestion import Ingestion
from src.streaming.produce import MOST_S, checked, stopped_by_ctrl_c

LEAST_REFRESH_S = 0.25  # a shard answers five reads a second, of all its readers together
_REPORT_S = 1.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    for name in ("target", "stream", "iam_role"):
        add_setting(parser, name)
    add_refresh_option(parser)
    parser.add_argument("--for", dest="seconds", type=float, default=0.0, metavar="SECONDS",
                        help="how long; 0 (default) is until Ctrl-C")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the figures as JSON at the end")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the log on stderr")
    parser.add_argument("--no-color", action="store_true", help="never color the output")


def add_refresh_option(parser: argparse.ArgumentParser) -> None:
    """Add the option of the pace; `run` has it too."""
    text = f"seconds between two refreshes, at least {LEAST_REFRESH_S} (default: 1)"
    parser.add_argument("--refresh", type=float, default=1.0, metavar="SECONDS", help=text)


def checked_refresh(seconds: float) -> float:
    """Return the seconds between two refreshes; raises UsageError."""
    why = "Kinesis answers five reads a second of a shard"
    return checked("--refresh", seconds, LEAST_REFRESH_S, 3600, hint="--refresh 1", cause=why)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Ingest until the time is over or Ctrl-C; returns the exit code."""
    refresh_s, console = checked_refresh(arguments.refresh), console_from(arguments)
    checked("--for", arguments.seconds, 0, MOST_S, hint="--for 60")
    with (
        DemoEnvironment(settings, needs_glue=False, role="visitor") as environment,
        stopped_by_ctrl_c() as is_stopped,
    ):
        ingestion = Ingestion(environment, refresh_s)
        ingestion.set_up()
        console.line(f"ingesting {settings.stream} every {refresh_s:g} s; Ctrl-C ends it")
        sums, last = StreamedTotals(), time.monotonic()

        def report(done: StreamedTotals) -> None:
            nonlocal sums, last
            sums += done
            if done.records and time.monotonic() - last >= _REPORT_S:
                last = time.monotonic()
                console.line(line_of(sums))

        total = ingestion.run(
            for_s=arguments.seconds or float("inf"), should_stop=is_stopped.is_set,
            report=report, note=console.line,
        )  # fmt: skip
    console.line(line_of(total))
    if arguments.json:
        print_answer(to_json(total))
    return 130 if is_stopped.is_set() else 0


def line_of(totals: StreamedTotals) -> str:
    """Return what became of the records, in one line."""
    return (
        f"{totals.records:>9,} records = {totals.sales:,} sales + {totals.rejected:,} rejected "
        f"+ {totals.duplicates:,} duplicates"
    )
