"""What a person reads during a run: everything on stderr, one line a stage."""

from __future__ import annotations

import io
import os
import re
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from src.errors import DemoError
from src.reporting.wording import printable, status_word

if TYPE_CHECKING:
    import logging

HEARTBEAT_S = 15.0
_REDRAW_S = 0.1
_SUMMARY = 46  # columns of a stage's summary
_UNLIMITED = 10_000
_HANG = 2
_COLORS = {
    "success": "32", "passed": "32", "failed": "31", "skipped": "33", "error": "31", "dim": "2"
}  # fmt: skip


def log_formatter(form: str) -> logging.Formatter:
    """Return a formatter whose lines a terminal may get: logs are read on one."""
    import logging  # it takes its time: not before the run's first line

    class Printable(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return printable(super().format(record))

    return Printable(form)


def fitted(line: str, width: int, hang: int = _HANG) -> str:
    """Return a line that is broken between words, each part at most `width` long.

    A command continues with a backslash, so that what is copied is still one command. A word
    that is longer than the terminal, such as a path, stays whole.
    """
    if len(line) < width:
        return line
    start = len(line) - len(line.lstrip())
    is_command = re.match(r"\s*(try:\s+|next:\s+)?([A-Z_]+=\S+ )*python3? ", line)
    parts = textwrap.wrap(
        line.lstrip(), width - 3, initial_indent=line[:start], break_long_words=False,
        subsequent_indent=" " * (start + hang if hang == _HANG else hang), break_on_hyphens=False,
    )  # fmt: skip
    return (" \\\n" if is_command else "\n").join(parts)


class Console:
    """Writes the header, the stages and the end of a run to stderr.

    On a terminal the running stage's line is rewritten in place, with a progress bar where the
    stage counts; elsewhere there are plain lines, and a heartbeat in long stages.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        quiet: bool = False,
        color: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Where stderr is closed, Python has none.
        self._stream = stream or sys.stderr or io.StringIO()
        self._quiet = quiet
        self._is_terminal = self._stream.isatty()
        self._color = color and self._is_terminal
        self._clock = clock
        self._lock = threading.Lock()

    def line(self, text: str = "") -> None:
        """Write one line, unless quiet."""
        if not self._quiet:
            self._write(fitted(printable(text), self._width()) + "\n")

    @contextmanager
    def stage(self, index: int, count: int, name: str) -> Iterator[StageProgress]:
        """Show a stage while it runs; the caller ends it with `done`."""
        progress = StageProgress(
            self, f"  {index:>{len(str(count))}}/{count}  {name:<18}", self._clock
        )
        ticker = None
        if not self._quiet:
            ticker = threading.Thread(target=progress.tick, name="progress", daemon=True)
            ticker.start()
        try:
            yield progress
        finally:
            progress.finished.set()
            if ticker:
                ticker.join()

    def error(self, error: DemoError) -> None:
        """Write the error block; shown also when quiet."""
        message = fitted(f"error: {printable(error.message, line=True)}", self._width())
        self._write(f"{self._paint('error', 'error:')}{message.removeprefix('error:')}\n")
        for label, text in (("where:", error.where), ("cause:", error.cause), ("try:", error.hint)):
            if text:
                line = f"  {label:<6} {printable(text, line=True)}"
                self._write(fitted(line, self._width(), hang=9) + "\n")

    def _paint(self, style: str, text: str) -> str:
        code = _COLORS.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and code else text

    def _write(self, text: str) -> None:
        with self._lock:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                # Nothing more can be written there; the run and its report continue.
                self._stream, self._quiet = io.StringIO(), True

    def show(self, prefix: str, text: str) -> None:
        """Rewrite the running stage's line in place (terminals only)."""
        if self._is_terminal and not self._quiet:
            line = f"{prefix} {printable(text, line=True)}"
            self._write(f"\r\x1b[2K{line[: self._width() - 1]}")  # a wrapped rest would stay

    def close_stage(self, prefix: str, status: str, text: str, seconds: float) -> None:
        """Write a stage's final line."""
        if self._quiet:
            return
        start = "\r\x1b[2K" if self._is_terminal else ""
        word = self._paint(status, f"{status_word(status):<8}")
        text, indent = printable(text, line=True), len(prefix) + 10
        room = max(min(_SUMMARY, self._width() - indent - 8), 16) if self._is_terminal else _SUMMARY
        if len(text) > room and self._width() > indent + len(text) + 8:
            room = len(text)  # wide terminals have room for it
        first, *more = (textwrap.wrap(text, room) or [""]) if self._is_terminal else [text]
        self._write(f"{start}{prefix} {word} {first:<{room}} {seconds:>5.1f}s\n")
        for line in more:
            self._write(f"{' ' * indent}{line}\n")

    def _width(self) -> int:
        """Return how many columns a line may have."""
        if not self._is_terminal:
            return _UNLIMITED
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _UNLIMITED
        except (OSError, ValueError):
            return _UNLIMITED

    @property
    def is_colored(self) -> bool:
        """Tell whether words may be colored."""
        return self._color

    @property
    def is_terminal(self) -> bool:
        """Tell whether lines can be rewritten."""
        return self._is_terminal


class StageProgress:
    """One running stage: counts for the bar, and its end."""

    def __init__(self, console: Console, prefix: str, clock: Callable[[], float]) -> None:
        self._console = console
        self._prefix = prefix
        self._clock = clock
        self._started = clock()
        self._note = "running"
        self._done = 0
        self._total = 0
        self.finished = threading.Event()

    def note(self, text: str) -> None:
        """Say what the stage is doing now."""
        self._note = text

    def advance(self, done: int, total: int) -> None:
        """Count `done` of `total` more rows; the bar shows rate and time left."""
        self._done, self._total = self._done + done, total

    def done(self, status: str, text: str) -> None:
        """Write the stage's final line."""
        self.finished.set()
        self._console.close_stage(self._prefix, status, text, self._clock() - self._started)

    def tick(self) -> None:
        """Redraw on a terminal; elsewhere write a heartbeat now and then."""
        pause = _REDRAW_S if self._console.is_terminal else HEARTBEAT_S
        while not self.finished.wait(pause):
            elapsed = self._clock() - self._started
            if self._console.is_terminal:
                self._console.show(self._prefix, f"{self._state(elapsed)}  {elapsed:.1f}s")
            else:
                self._console.line(f"{self._prefix} {self._state(elapsed)}, {elapsed:.0f}s so far")

    def _state(self, elapsed: float) -> str:
        if not self._total:
            return self._note
        share = min(self._done / self._total, 1.0)
        rate = self._done / elapsed if elapsed > 0 else 0.0
        left = max(self._total - self._done, 0) / rate if rate else 0.0
        bar = "#" * int(share * 24)
        return f"[{bar:<24}] {share:4.0%}  {rate:,.0f} rows/s  {left:.0f}s left"


def progress_callback(progress: Any, total: int) -> Callable[[str, int], None]:
    """Return an `on_rows(table, rows)` that advances a stage's bar."""
    return lambda _table, rows: progress.advance(rows, total)
