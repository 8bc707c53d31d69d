"""What both workflows are besides their stages: an environment, started late, closed surely."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from src.orchestration.environment import DemoEnvironment
from src.orchestration.workflow import Workflow
from src.reporting.console import Console
from src.settings import Settings


class WorkflowOwner:
    """Holds a workflow and the environment its stages use; use it as a context manager."""

    def __init__(
        self,
        report: str,
        settings: Settings,
        console: Console | None,
        environment: DemoEnvironment,
    ) -> None:
        self.settings = settings
        self.workflow = Workflow(report, settings, console=console)
        self._environment = environment
        self._entered = False

    @property
    def environment(self) -> DemoEnvironment:
        """Return the environment, started at first use."""
        if not self._entered:
            self._environment.__enter__()
            self._entered = True
        return self._environment

    def close(self) -> None:
        """Stop what was started."""
        if self._entered:
            self._entered = False
            self._environment.__exit__(None, None, None)
        self.workflow.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
