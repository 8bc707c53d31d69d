"""Who is shown what a workflow's stages do: one seam for all who watch a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from src.json_object import JsonView

if TYPE_CHECKING:
    from src.reporting.terminal.presenter import Presenter


class StageObserver:
    """Watches the stages of a workflow; each method does nothing unless it is overridden."""

    def completed(self, key: str) -> None:
        """Act on a stage that went well."""

    def ended(self, key: str, step: JsonView) -> None:
        """Act on a stage that has ended, however it did; `step` is its part of the report.

        The time does not count as the run's.
        """

    def before(self, index: int, count: int, title: str, card: str) -> None:
        """Act on a stage that is about to run; the time does not count as the run's."""


class AfterStage(StageObserver):
    """Calls a function after each stage that went well."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def completed(self, key: str) -> None:
        """Call the function."""
        self._act()


class PresentedStages(StageObserver):
    """Shows an audience a card before each stage and its tables after it, and waits for keys."""

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = presenter

    def ended(self, key: str, step: JsonView) -> None:
        """Show the stage's tables."""
        self._presenter.show(key, step)

    def before(self, index: int, count: int, title: str, card: str) -> None:
        """Show the stage's card."""
        self._presenter.announce(index, count, title, card)
