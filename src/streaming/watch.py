"""Show live sales as they come into the warehouse, in the terminal or as a page."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from src.errors import UsageError
from src.orchestration.command_line import add_setting, console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.reporting.run_report import to_json
from src.reporting.wording import printable
from src.settings import Settings
from src.streaming.live_view import SHARD_LIMIT, Figures, LiveView, show_until
from src.streaming.produce import MOST_S, checked, stopped_by_ctrl_c
from src.waiting import real_clock

if TYPE_CHECKING:
    from rich.console import RenderableType

LEAST_EVERY_S = 0.25
_BAR = 24  # characters


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_setting(parser, "target")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--page", action="store_true", help="serve the figures as a page instead")
    form.add_argument("--json", action="store_true", help="print each look as one line of JSON")
    port = "port of the page on 127.0.0.1 (default: a free one)"
    parser.add_argument("--port", type=int, default=0, metavar="N", help=port)
    every = f"between looks at the warehouse, at least {LEAST_EVERY_S} (default: 1)"
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help=every)
    long = "how long; 0 is until Ctrl-C (default: 0)"
    parser.add_argument(
        "--for", dest="seconds", type=float, default=0, metavar="SECONDS", help=long
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the log on stderr")
    parser.add_argument("--no-color", action="store_true", help="never color the output")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show until the time is over or Ctrl-C; returns the exit code."""
    checked("--every", arguments.every, LEAST_EVERY_S, 3600, hint="--every 1")
    checked("--for", arguments.seconds, 0, MOST_S, hint="--for 60")
    if arguments.port and not arguments.page:
        hint = "python -m src.streaming watch --page --port 8090"
        raise UsageError("--port is of the page only", hint=hint)
    console = console_from(arguments)
    with (
        DemoEnvironment(settings, needs_glue=False, role="visitor") as environment,
        stopped_by_ctrl_c() as is_stopped,
    ):
        view = LiveView(environment.redshift)
        end = real_clock() + (arguments.seconds or float("inf"))
        if arguments.page:
            from src.streaming.watch_page import serve

            serve(view, arguments.port, arguments.every, end, is_stopped, console.line)
        else:
            with _shown(arguments, console) as show:
                show_until(view, show, arguments.every, end, is_stopped)
    return 130 if is_stopped.is_set() else 0


@contextlib.contextmanager
def _shown(arguments: argparse.Namespace, console: Any) -> Iterator[Callable[[Figures], None]]:
    """Give what shows a look: a table on a terminal, else lines, with --json lines of JSON."""
    if arguments.json:
        yield lambda figures: print_answer(to_json(figures.as_json()))
    elif arguments.quiet or not sys.stderr.isatty():
        yield lambda figures: console.line("\n".join(lines_of(figures)))
    else:
        from rich.console import Console
        from rich.live import Live

        screen = Console(stderr=True, no_color=arguments.no_color)
        with Live(console=screen, auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda figures: live.update(table_of(figures), refresh=True)


def lines_of(figures: Figures) -> list[str]:
    """Return one look as plain lines."""
    if not figures.at:
        return [figures.note]
    first = (f"{figures.at}  {figures.rate:,.0f}/s  lag p50 {figures.delay_p50_ms:,} ms, "
             f"p99 {figures.delay_p99_ms:,} ms  {figures.balance}")  # fmt: skip
    shows = [f"{show.name}: {sold_text(show.sold, show.capacity)}" for show in figures.shows[:1]]
    return [printable(text) for text in (first, *shows, *filter(None, [figures.note]))]


def sold_text(sold: int, capacity: int | None) -> str:
    """Return how much of a concert is sold."""
    return f"{sold:,} sold" if not capacity else f"{sold:,} of {capacity:,} ({sold / capacity:.0%})"


def table_of(figures: Figures) -> RenderableType:
    """Return one look as a table of the terminal."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Table(box=box.SIMPLE, pad_edge=False)
    cells = {
        "events/s": f"{figures.rate:,.0f}", "in the warehouse": f"{figures.sales:,}",
        "lag p50": f"{figures.delay_p50_ms:,} ms", "lag p99": f"{figures.delay_p99_ms:,} ms",
        "rejected": f"{figures.rejected:,}", "duplicates": f"{figures.duplicates:,}",
        "late": f"{figures.late:,}", "sold out": f"{figures.sold_out:,}",
    }  # fmt: skip
    for name in cells:
        head.add_column(name, justify="right")
    head.add_row(*cells.values())
    shards = Table(box=None, pad_edge=False, show_header=False)
    for shard in figures.shards:
        full = min(int(shard["rate"] / SHARD_LIMIT * _BAR), _BAR)
        bar = Text("#" * full + "." * (_BAR - full), style="red" if shard["is_full"] else "green")
        limit = "  full: refused events are sent again" if shard["is_full"] else ""
        shards.add_row(shard["name"], bar, f"{shard['rate']:,.0f}/s{limit}")
    shows = Table(box=box.SIMPLE, pad_edge=False, title="selling most", title_justify="left")
    for name in ("concert", "sold", "usual by now", "forecast"):
        shows.add_column(name, justify="left" if name == "concert" else "right")
    for show in figures.shows:
        usual = "" if show.usual_share is None else f"{show.usual_share:.0%}"
        forecast = "" if show.forecast is None else f"{show.forecast:,}"
        shows.add_row(Text(printable(show.name)), sold_text(show.sold, show.capacity), usual,
                      forecast)  # fmt: skip
    notes = [figures.balance, *(f"{printable(name)} is sold out" for name in
                                figures.newly_sold_out), figures.note]  # fmt: skip
    return Group(head, shards, shows, *(Text(note) for note in notes if note))
