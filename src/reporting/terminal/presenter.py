"""For a presenter in front of an audience: a card before each stage, its tables after it.

On a terminal these are screens, which keys turn; elsewhere they are printed one below the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from src.json_object import JsonObject, JsonView
from src.reporting.run_report import plain
from src.reporting.terminal.cards import Card, card_of
from src.reporting.terminal.keys import keyboard
from src.reporting.terminal.screens import Painter, Screen, Size, foot
from src.reporting.terminal.stage_tables import stage_tables
from src.reporting.wording import printable, status_word

Keys = Callable[[], AbstractContextManager[Callable[[], str]]]
_CLEARED = "\x1b[H\x1b[J"


class Slide:
    """What belongs to one stage at one time: it is made anew for each size of the terminal."""

    def __init__(self, stage: int, name: str, screens: Callable[[Size], list[Screen]]) -> None:
        self.stage, self.name, self.screens = stage, name, screens


class Presenter:
    """Shows the slides of a run, and waits for keys where one can be pressed.

    `facts` returns what the report will hold besides the stages, as far as it is known;
    `open_page` opens the newest page and returns what to tell about it; `records` returns some
    rejected records.
    """

    def __init__(
        self,
        facts: Callable[[], JsonView],
        *,
        open_page: Callable[[], str] | None = None,
        records: Callable[[], list[JsonObject]] | None = None,
        stream: TextIO | None = None,
        color: bool = True,
        keys: Keys | None = None,
    ) -> None:
        self._facts = facts
        self._open_page = open_page
        self._records_of = records
        self._stream = sys.stderr if stream is None else stream
        self._painter = Painter(color=color and self._stream.isatty())
        is_interactive = sys.stdin is not None and sys.stdin.isatty() and self._stream.isatty()
        self._keys = keys or ((lambda: keyboard(sys.stdin.fileno())) if is_interactive else None)
        self._slides: list[Slide] = []
        self._stage, self._count, self._records = 0, 0, 0
        self._title = ""
        self._is_scrolled = False

    @property
    def can_pause(self) -> bool:
        """Tell whether a user can press a key."""
        return self._keys is not None

    def announce(self, index: int, count: int, title: str, key: str) -> None:
        """Show the card of a stage that is about to run; returns when it may."""
        self._stage, self._count, self._title = index, count, title
        card = card_of(key)
        if card is not None:
            self.show_card(card)

    def show_card(self, card: Card, title: str = "") -> None:
        """Show a card as the next slide, and wait."""
        heading = f"{self._stage}/{self._count}  {title or self._title}"
        self._add(Slide(self._stage, heading, lambda size: self._painter.card(card, heading, size)))

    def begin_card(self, index: int, count: int) -> None:
        """Count the cards of a scene without stages."""
        self._stage, self._count = index, count

    def show(self, key: str, step: JsonView) -> None:
        """Show the tables of a stage that has ended."""
        found = plain(step)
        tables = stage_tables(key, found, plain(self._facts()))
        if not tables:
            return
        heading = f"  {self._stage}/{self._count}  {self._title}".rstrip() if self._count else ""
        words = f"{status_word(found['status'])}: {found.get('summary', '')}".strip(": ")
        seconds = f", {found['seconds']:.1f} s" if "seconds" in found else ""

        def screens(size: Size) -> list[Screen]:
            import textwrap

            told = textwrap.wrap(printable(words, line=True) + seconds, size.width - 4)
            head = [heading, *(f"  {line}" for line in told)] if heading and self._keys else []
            return self._painter.tables(head, tables, size)

        is_over = found["status"] == "interrupted"  # no key is waited for after Ctrl-C
        self._add(Slide(self._stage, heading.strip(), screens), waits=not is_over)

    def pause(self, lines: Sequence[str]) -> None:
        """Show these lines, and wait for the key that continues."""
        if self._keys is None:
            return

        def draw(message: str = "") -> None:
            self._write(f"\r\x1b[2K{foot('the end', self._size(), message)}")

        self._write("\n".join([*lines, ""]))
        with self._keys() as next_key:
            draw("space ends it · o opens the page")
            while (key := next_key()) not in ("next", "stop"):
                if key == "open":
                    draw(self._opened())
        self._write("\n\n")

    # -- slides ------------------------------------------------------------------------------

    def _add(self, slide: Slide, *, waits: bool = True) -> None:
        self._slides.append(slide)
        if self._keys is None or not waits:
            for screen in slide.screens(Size.of(self._stream)):
                self._write("\n".join([*screen, "", ""]))
            return
        with self._keys() as next_key:
            self._turn(next_key)

    def _turn(self, next_key: Callable[[], str]) -> None:
        """Show slides as the keys say, until the newest is left forwards."""
        at, page, message = len(self._slides) - 1, 0, ""
        while True:
            screens = self._slides[at].screens(self._room())
            page = min(page, len(screens) - 1)
            self._draw(screens[page], self._position(at, page, len(screens)), message)
            key, message = next_key(), ""
            if key == "stop":
                self._leave(screens[page])
                raise KeyboardInterrupt
            if key == "next":
                if page + 1 < len(screens):
                    page += 1
                elif at + 1 < len(self._slides):
                    at, page = at + 1, 0
                else:
                    self._leave(screens[page])
                    return
            elif key == "back":
                at, page = (at, page - 1) if page else (max(at - 1, 0), 0)
            elif key.isdigit():
                found = [i for i, slide in enumerate(self._slides) if slide.stage == int(key)]
                at, page = (found[0], 0) if found else (at, page)
                message = "" if found else f"stage {key} has not begun"
            elif key == "open":
                message = self._opened()
            elif key == "record":
                message = self._show_record(next_key)
            elif key == "help":
                self._show_until_key(self._painter.help(self._room()), "keys", next_key)

    def _show_record(self, next_key: Callable[[], str]) -> str:
        """Show one rejected record, another each time; returns what to tell where none is."""
        records = self._records_of() if self._records_of else []
        if not records:
            return "no rejected record is loaded yet: the pipeline's load keeps them"
        index = self._records % len(records)
        self._records += 1
        place = f"{index + 1} of {len(records)}"
        screens = self._painter.record(records[index], place, self._room())
        self._show_until_key(screens, "record", next_key)
        return ""

    def _show_until_key(
        self, screens: list[Screen], name: str, next_key: Callable[[], str]
    ) -> None:
        for number, screen in enumerate(screens, 1):
            place = f"{name} {number}/{len(screens)}" if len(screens) > 1 else name
            self._draw(screen, place, "any key of the help leads on")
            while not (key := next_key()):
                pass
            if key == "stop":
                self._leave(screen)
                raise KeyboardInterrupt

    def _position(self, at: int, page: int, pages: int) -> str:
        slide = self._slides[at]
        words = f"{slide.stage}/{self._count}"
        return words + (f" {page + 1}/{pages}" if pages > 1 else "")

    def _opened(self) -> str:
        return self._open_page() if self._open_page else "there is no page to open"

    # -- the terminal ------------------------------------------------------------------------

    def _size(self) -> Size:
        return Size.of(self._stream)

    def _room(self) -> Size:
        """Return the size without the rows of the foot."""
        size = self._size()
        return Size(size.width, size.height - 2)

    def _draw(self, screen: Screen, position: str, message: str) -> None:
        size = self._size()
        if not self._is_scrolled:  # what stood on the screen stays in the terminal's memory
            self._write("\n" * size.height)
            self._is_scrolled = True
        below = f"\x1b[{size.height};1H{foot(position, size, message)}"
        self._write(_CLEARED + "\n".join(screen) + below)

    def _leave(self, screen: Screen) -> None:
        """Clear what stands below a screen: there the run continues."""
        row = min(len(screen) + 2, self._size().height)
        self._write(f"\x1b[{row};1H\x1b[J")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
