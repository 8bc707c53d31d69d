"""Put ticket sales on the stream, as they happen in the data's own world."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from src.errors import UsageError
from src.infrastructure.streaming.stream_producer import Produced
from src.orchestration.command_line import add_setting, console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.reporting.run_report import to_json
from src.reporting.terminal.console import Console
from src.services.generation.sales_stream import LivePlan
from src.settings import Settings
from src.streaming.production import HOTTEST, NONE, Production

REPORT_S = 1.0
MOST_S = 1e7  # of a command: four months
MOST_SHARDS = 10_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    for name in ("target", "stream", "seed"):
        add_setting(parser, name)
    add_plan_options(parser)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON at the end")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the log on stderr")
    parser.add_argument("--no-color", action="store_true", help="never color the output")


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides the events; `run` has these too."""
    pace = parser.add_mutually_exclusive_group()
    numbers = (
        (pace, "--rate", "rate", 200.0, "N", "sales a second, besides those of --on-sale"),
        (pace, "--speed", "speed", 0.0, "X",
         "let the data's own clock run X times faster, at its own rate"),
        (parser, "--for", "seconds", 60.0, "SECONDS", "how long; 0 is until Ctrl-C"),
        (parser, "--broken", "broken_share", 0.01, "SHARE", "late, broken and doubled events"),
    )  # fmt: skip
    for group, option, name, default, unit, text in numbers:
        shown = f"{text} (default: {default:g})"
        group.add_argument(option, dest=name, type=float, default=default, metavar=unit, help=shown)
    opens = f"the concert that goes on sale 15 s in: its key, {HOTTEST} (default) or {NONE}"
    parser.add_argument("--on-sale", default=HOTTEST, metavar="CONCERT", help=opens)
    made = "shards of the stream, where it is made (default: 4)"
    parser.add_argument("--shards", type=int, default=4, metavar="N", help=made)


def plan_options(arguments: argparse.Namespace, settings: Settings) -> LivePlan:
    """Return the options as a plan whose start is not known yet."""
    checked("--rate", arguments.rate, 0.001, 1e6, hint="--rate 200")
    checked("--speed", arguments.speed, 0, 1e6, hint="--speed 60")
    checked("--for", arguments.seconds, 0, MOST_S, hint="--for 60")
    checked("--broken", arguments.broken_share, 0, 0.5, hint="--broken 0.01")
    checked("--shards", arguments.shards, 1, MOST_SHARDS, hint="--shards 4")
    speed, rate = arguments.speed, 0.0 if arguments.speed else arguments.rate
    return LivePlan(settings.seed, 0, rate, speed, arguments.on_sale or NONE,
                    arguments.broken_share)  # fmt: skip


def checked(
    option: str, value: float, least: float, most: float, *, hint: str, cause: str | None = None
) -> float:
    """Return a number that an option was given; raises UsageError where it is out of range."""
    if not least <= value <= most:  # nor is nan
        raise UsageError(f"{option} is {value:,.10g}; it must be {least:,.10g} to {most:,.10g}",
                         cause=cause, hint=hint)  # fmt: skip
    return value


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Produce until the time is over or Ctrl-C; returns the exit code."""
    options, console = plan_options(arguments, settings), console_from(arguments)
    with (
        DemoEnvironment(settings, needs_glue=False, role="visitor") as environment,
        Production(environment, options, shards=arguments.shards) as production,
        stopped_by_ctrl_c() as is_stopped,
    ):
        number = production.ledger.acknowledged
        if number:
            console.line(f"continuing at event {number:,} of {production.ledger.folder}")
        if production.plan.on_sale:
            console.line(f"concert {production.plan.on_sale} goes on sale after 15 s")
        produced = production.producer.run(
            production.sales.events(number),
            for_s=arguments.seconds or float("inf"),
            should_stop=is_stopped.is_set,
            report=_reporter(console),
        )
        is_complete, refused = production.producer.is_complete, production.sales.refused
    console.line(_line(produced))
    if refused:
        console.line(f"{refused:,} orders were refused: their concerts are sold out")
    if production.sales.is_over:
        console.line("no concert to come has tickets left: the sale is over")
    if not is_complete:
        console.line("not all events were taken in time; the next run sends the rest")
    if arguments.json:
        facts = {**vars(produced), "refused_orders": refused, "is_complete": is_complete,
                 "is_over": production.sales.is_over}  # fmt: skip
        print_answer(to_json(facts))
    return 130 if is_stopped.is_set() else 0 if is_complete else 1


@contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C or SIGTERM sets; the second one interrupts."""
    is_stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        if is_stopped.is_set():
            raise KeyboardInterrupt
        is_stopped.set()

    previous = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield is_stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _reporter(console: Console) -> Callable[[Produced], None]:
    last = [time.monotonic()]

    def report(produced: Produced) -> None:
        if time.monotonic() - last[0] >= REPORT_S:
            last[0] = time.monotonic()
            console.line(_line(produced))

    return report


def _line(produced: Produced) -> str:
    parts = [f"{produced.acknowledged:>9,} events acknowledged", f"{produced.calls:,} calls"]
    if produced.throttled:
        parts.append(f"{produced.throttled:,} entries throttled and sent again")
    if produced.sent_again:
        parts.append(f"{produced.sent_again:,} sent again after no answer")
    if produced.behind_s >= 1:
        parts.append(f"{produced.behind_s:.0f} s behind")
    return ", ".join(parts)
