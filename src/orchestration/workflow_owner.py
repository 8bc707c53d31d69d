"""What both workflows are besides their stages: run, shown, reported, and surely closed."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from src.orchestration.environment import DemoEnvironment
from src.orchestration.workflow import Stage, Workflow
from src.reporting.console import Console
from src.settings import Settings
from src.signals import uninterrupted

if TYPE_CHECKING:
    from src.reporting.presenter import Presenter


class WorkflowOwner:
    """Holds a workflow and the environment its stages use; use it as a context manager.

    With `present`, a table follows each stage, and on a terminal a key starts the next.
    """

    def __init__(
        self,
        report: str,
        settings: Settings,
        console: Console | None,
        environment: DemoEnvironment,
        *,
        present: bool = False,
    ) -> None:
        self.settings = settings
        self.workflow = Workflow(report, settings, console=console)
        self._environment = environment
        environment.query_group = f"concert-demo {self.workflow.run_id}"
        self._entered = self._claimed = False
        color = self.workflow.console.is_colored
        self._presenter = self._new_presenter(color) if present else None

    def _new_presenter(self, color: bool) -> Presenter:
        from src.reporting.presenter import Presenter

        return Presenter(self.report_facts, color=color)

    @property
    def environment(self) -> DemoEnvironment:
        """Return the environment, started at first use; whoever started it stops it."""
        if not self._environment.is_entered:
            self._environment.__enter__()
            self._entered = True
        return self._environment

    def _claim(self) -> None:
        if self._environment.is_entered:
            return
        self._claimed = True  # also where it fails half-way: there is something to give back
        self._environment.claim()

    def report_facts(self) -> dict[str, Any]:
        """Return what the report holds besides the stages, as far as it is known."""
        raise NotImplementedError

    def after_stage(self) -> None:
        """Hear that a stage went well; a workflow that can be resumed writes it down."""

    def write_report(self) -> dict[str, Any]:
        """Write the JSON report of what has run so far and return it."""
        return self.workflow.write_report(self.report_facts())

    def run_stages(self, stages: list[Stage], header: str) -> dict[str, Any]:
        """Run the stages, write the report and stop what was started; returns the report.

        A run that is refused, because another one is going on, leaves no trace.
        """
        try:
            self._claim()
            self.workflow.run(stages, header, self._presenter, self.after_stage)
            with uninterrupted():
                report = self.write_report()
                self.workflow.console.line(f"page:  {self.workflow.page_path}")
            self._let_look_inside()
            return report
        finally:
            with uninterrupted():
                self.close()

    def _let_look_inside(self) -> None:
        """Keep the local servers up until a key, for whoever presents."""
        presenter, cloud = self._presenter, self._environment.local_cloud
        if presenter is None or not presenter.can_pause or cloud is None or self.workflow.error:
            return
        lines = cloud.write_client_files()
        console = self.workflow.console
        console.line("\nThe servers are still up. Look inside, from another shell:\n")
        console.line("  python -m src.local_cloud psql")
        console.line(f"  {lines['psql']}")
        console.line(f"  {lines['aws']}")
        try:
            presenter.pause("Any key stops the servers.")
        except KeyboardInterrupt:
            return  # the run is over and reported: Ctrl-C is a key like any other

    def close(self) -> None:
        """Stop what was started."""
        if self._entered or self._claimed:
            self._entered = self._claimed = False
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
