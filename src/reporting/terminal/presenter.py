"""For a presenter in front of an audience: a table after each stage, and a pause until a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from src.json_object import JsonView
from src.reporting.run_report import plain
from src.reporting.terminal.stage_tables import SummaryTable, stage_tables
from src.reporting.wording import printable


def wait_for_key() -> None:
    """Return once any key was pressed on the terminal; Ctrl-C interrupts as usual."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)  # and throws away: a key pressed earlier is no answer
        os.read(descriptor, 1)  # unbuffered: no second key is taken along
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Presenter:
    """Shows what a stage did, in tables, and waits for a key where one can be pressed.

    `facts` returns what the report will hold besides the stages, as far as it is known.
    """

    def __init__(
        self,
        facts: Callable[[], JsonView],
        *,
        stream: TextIO | None = None,
        color: bool = True,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self._facts = facts
        self._stream = sys.stderr if stream is None else stream
        self._color = color and self._stream.isatty()
        is_interactive = sys.stdin is not None and sys.stdin.isatty() and self._stream.isatty()
        self._wait = wait or (wait_for_key if is_interactive else None)

    def show(self, key: str, step: JsonView) -> None:
        """Print the tables of a stage that has ended."""
        for table in stage_tables(key, plain(step), plain(self._facts())):
            self._print(table)

    def pause(self, invitation: str) -> None:
        """Wait for a key, if there is a terminal to press one on."""
        if self._wait is None:
            return
        self._stream.write(f"\n  {invitation} ")
        self._stream.flush()
        self._wait()
        self._stream.write("\n\n")
        self._stream.flush()

    @property
    def can_pause(self) -> bool:
        """Tell whether a user can press a key."""
        return self._wait is not None

    def _print(self, table: SummaryTable) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = Table(box=box.SIMPLE_HEAD)
        for index, name in enumerate(table.columns):
            shown.add_column(Text(name), justify="right" if index in table.numbers else "left")
        for row in table.rows:
            # Text: what a file holds is not markup.
            shown.add_row(*(Text(printable(cell, line=True)) for cell in row))
        width = None if self._stream.isatty() else 100
        console = Console(file=self._stream, no_color=not self._color, width=width, highlight=False)
        console.print(Text(f"\n  {printable(table.title, line=True)}", style="bold"))
        console.print(shown)
