"""Screens for an audience: cards, tables and records as lines, fitted to the terminal."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from src.json_object import JsonObject
from src.reporting.rejection_rules import fields_of, meaning
from src.reporting.terminal.cards import Card
from src.reporting.terminal.stage_tables import SummaryTable
from src.reporting.wording import printable

Screen = list[str]
_STYLES = {"passed": "green", "failed": "red", "skipped": "yellow", "created": "green"}
_SMALLEST = (20, 8)
_HINTS = (
    ("space, →", "the next screen; on a card, run its stage"),
    ("b, ←", "the screen before; nothing runs twice"),
    ("1 to 9", "the card of that stage, and what it did"),
    ("o", "open the page of the run, or of the newest one"),
    ("s", "a rejected record, as it came; again: another"),
    ("q, Ctrl-C", "stop before the next stage"),
    ("?", "these keys"),
)


@dataclass(frozen=True)
class Size:
    """The columns and rows that a screen may have."""

    width: int
    height: int

    @classmethod
    def of(cls, stream: TextIO) -> Size:
        """Return the size of a terminal; of what is none, 100 columns and any height."""
        try:
            found = os.get_terminal_size(stream.fileno())
        except (OSError, ValueError):
            return cls(100, 10_000)
        if not (found.columns and found.lines):
            return cls(80, 24)
        return cls(max(found.columns, _SMALLEST[0]), max(found.lines, _SMALLEST[1]))


class Painter:
    """Makes screens; with `color`, with the terminal's codes for it."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def card(self, card: Card, heading: str, size: Size) -> list[Screen]:
        """Return a card: what happens now, on which service, one thing to say."""
        lines = [self._styled(f"  {heading}", "1"), f"  {'─' * min(size.width - 4, 76)}"]
        parts = (("service", card.service), ("now", card.what), ("say", f"“{card.say}”"))
        for label, text in parts:
            lines += ["", *_labelled(label, text, min(size.width, 90))]
        if card.type:
            lines += ["", *_labelled("type", "", size.width)]
            for command in card.type.splitlines():
                lines += command_lines(command, size.width, "    ")
        return _paged(lines, size.height, head=0)

    def tables(
        self, heading: Sequence[str], tables: Sequence[SummaryTable], size: Size
    ) -> list[Screen]:
        """Return the tables of a stage; one that is higher than the screen continues on others."""
        top = [self._styled(line, "1") if not i else line for i, line in enumerate(heading)]
        pages: list[Screen] = []
        for table in tables:
            pages += self._table_pages(table, Size(size.width, size.height - len(top)))
        joined: list[Screen] = []
        for page in pages:  # small tables share a screen
            if joined and len(top) + len(joined[-1]) + len(page) <= size.height:
                joined[-1] = [*joined[-1], *page]
            else:
                joined.append(page)
        return [[*top, *page] for page in joined] or [list(top)]

    def _table_pages(self, table: SummaryTable, size: Size) -> list[Screen]:
        pages: list[Screen] = []
        rest = list(table.rows)
        while rest or not pages:
            taken = len(rest)
            while (page := self._table(table, rest[:taken], size.width)) and (
                len(page) > size.height and taken > 1
            ):
                taken -= max(1, (len(page) - size.height) // 2)
            pages.append(page[: size.height])
            rest = rest[taken:]
        if len(pages) > 1:
            for number, page in enumerate(pages, 1):
                page[1] += f"  ({number} of {len(pages)})"
        return pages

    def _table(self, table: SummaryTable, rows: Sequence[tuple[str, ...]], width: int) -> Screen:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1 if width > 80 else 0, 0, 1))
        for index, name in enumerate(table.columns):
            side = "right" if index in table.numbers else "left"
            shown.add_column(Text(name), justify=side, overflow="fold")  # type: ignore[arg-type]
        for row in rows:
            # Text: what a file holds is not markup.
            cells = (printable(cell, line=True) for cell in row)
            shown.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
        file = io.StringIO()
        console = Console(file=file, width=width, highlight=False, force_terminal=self._color,
                          no_color=not self._color, legacy_windows=False, _environ={},
                          color_system="standard" if self._color else None)  # fmt: skip
        console.print(shown)
        body = [line.rstrip() for line in file.getvalue().splitlines()]
        body = [line for line in body if line]
        title = textwrap.wrap(printable(table.title, line=True), width - 3)
        return ["", *(self._styled(f"  {line}", "1") for line in title), *body]

    def record(self, record: JsonObject, place: str, size: Size) -> list[Screen]:
        """Return a rejected record, the fields that break its rule marked."""
        rule = record["rule"]
        title = _cut(f"  Rejected record {place}: {rule} in {record['table_name']}", size.width)
        head = [self._styled(title, "1"), *_wrapped(meaning(rule), size.width - 2, "  "), ""]
        fields = fields_of(record)
        room = min(max((len(name) for name, _, _ in fields), default=0), size.width // 3)
        lines = []
        for name, value, is_broken in fields:
            sign = ">" if is_broken else " "
            label = printable(name, line=True)[:room]
            text = printable(value, line=True)[:2000] or "empty"
            for i, part in enumerate(_wrapped(text, size.width - room - 5, "")):
                line = f"{sign} {label if not i else '':<{room}}  {part}"
                lines.append(self._styled(line, "31") if is_broken else line)
        pages = _paged(lines, size.height - len(head), head=0)
        return [[*head, *page] for page in pages]

    def help(self, size: Size) -> list[Screen]:
        """Return what the keys do."""
        lines = [self._styled("  Keys", "1"), ""]
        for key, words in _HINTS:
            lines += _labelled(key, words, size.width)
        return _paged([*lines, "", "  Any other key does nothing."], size.height, head=2)

    def _styled(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def foot(position: str, size: Size, message: str = "") -> str:
    """Return the line below a screen: where we are, and the keys as far as they fit."""
    if message:
        return _cut(f"  {message}", size.width - 1)
    keys = ["space next", "b back", "? help", "q stop", "1-9 stage", "o page", "s record"]
    for number in range(len(keys), 2, -1):
        line = f"  {position}   {' · '.join(keys[:number])}"
        if len(line) < size.width:
            return line
    return _cut(f"  {position}  ? help", size.width - 1)


def command_lines(command: str, width: int, indent: str) -> list[str]:
    """Return a command in lines of at most this width, which a shell still reads as one."""
    lines = textwrap.wrap(command, width - len(indent) - 2, subsequent_indent="  ",
                          break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return [f"{indent}{line} \\" for line in lines[:-1]] + [f"{indent}{lines[-1]}"]


def _labelled(label: str, text: str, width: int) -> Screen:
    start = f"  {label:<9} "
    wrapped = _wrapped(text, width - len(start) - 2, "") or [""]
    return [
        f"{start if not i else ' ' * len(start)}{line}".rstrip() for i, line in enumerate(wrapped)
    ]


def _wrapped(text: str, width: int, indent: str) -> Screen:
    lines = textwrap.wrap(text, max(width - len(indent), 8), break_on_hyphens=False)
    return [indent + line for line in lines]


def _paged(lines: Screen, height: int, *, head: int) -> list[Screen]:
    """Return lines as screens; each begins with the first `head` lines."""
    top, rest, room = lines[:head], lines[head:], max(height - head, 1)
    return [[*top, *rest[i : i + room]] for i in range(0, max(len(rest), 1), room)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
