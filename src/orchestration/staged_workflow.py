"""What both workflows are besides their stages: run, shown, reported, and surely closed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from src.commands import as_started
from src.errors import DemoError, UsageError
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.observers import AfterStage, PresentedStages, StageObserver
from src.orchestration.workflow import Stage, StepOutcome, Workflow
from src.reporting.terminal.console import Console
from src.settings import Settings
from src.signals import uninterrupted

if TYPE_CHECKING:
    from src.reporting.terminal.presenter import Presenter


Owner = TypeVar("Owner", bound="WorkflowOwner")
Given = ParamSpec("Given")
StageMethod = Callable[Concatenate[Owner, Given], StepOutcome]


def stage(key: str) -> Callable[[StageMethod[Owner, Given]], StageMethod[Owner, Given]]:
    """Make a method the stage of this key: also when called alone, the report has it."""

    def of(method: StageMethod[Owner, Given]) -> StageMethod[Owner, Given]:
        @functools.wraps(method)
        def run(self: Owner, /, *given: Given.args, **named: Given.kwargs) -> StepOutcome:
            def work() -> StepOutcome:
                try:
                    self.before_stage()
                    return method(self, *given, **named)
                except DemoError as error:
                    self.explain(error)
                    raise

            return self.workflow.call(key, self.stage_keys, work)

        return run

    return of


class WorkflowOwner:
    """Holds a workflow and the environment its stages use; use it as a context manager.

    With `present`, a table follows each stage, and on a terminal the next waits for a key.
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
        from src.reporting.terminal.presenter import Presenter

        return Presenter(
            self.report_facts,
            open_page=self._open_page,
            records=self._rejected_records,
            color=color,
        )

    def _open_page(self) -> str:
        """Open this run's page, or the newest there is while it has none; returns what was done."""
        from src.orchestration.browser import show_page
        from src.orchestration.open_command import newest_page

        page = self.workflow.page_path or newest_page(self.workflow.folder.parent)
        if page is None:
            return "there is no page yet: a run writes it at its end"
        return show_page(page)

    @property
    def environment(self) -> DemoEnvironment:
        """Return the environment, started at first use; the workflow that started it stops it."""
        if not self._environment.is_entered:
            self._environment.__enter__()
            self._entered = True
        return self._environment

    def _claim(self) -> None:
        if self._environment.is_entered:
            return
        self._claimed = True  # also where it fails half-way: there is something to give back
        self._environment.claim()

    def report_facts(self) -> JsonObject:
        """Return what the report holds besides the stages, as far as it is known."""
        raise NotImplementedError

    def _rejected_records(self) -> list[JsonObject]:
        """Return some rejected records, for an audience; a workflow that loads has some."""
        return []

    def stages(self) -> list[Stage]:
        """Return the stages of a whole run, in order."""
        raise NotImplementedError

    def stage_keys(self) -> list[str]:
        """Return the stages' keys in the report."""
        return [stage.key for stage in self.stages()]

    def before_stage(self) -> None:
        """Raise UsageError where no stage of this workflow can run."""

    def explain(self, error: DemoError) -> None:
        """Add to a stage's error what the workflow can explain."""

    def after_stage(self) -> None:
        """Act on a stage that went well; a workflow that can be resumed writes it down."""

    def observers(self) -> list[StageObserver]:
        """Return all who watch the stages of a run."""
        found: list[StageObserver] = [AfterStage(self.after_stage)]
        if self._presenter is not None:
            found.append(PresentedStages(self._presenter))
        return found

    def report_what_ran(self, whole_run: str) -> JsonObject:
        """Write the report and return it; raises UsageError where no stage has run."""
        if not self.workflow.has_run:
            raise UsageError(
                "no stage has run: there is nothing to report",
                hint=f"call {whole_run}() first, or its stages one by one",
            )
        return self.write_report()

    def write_report(self) -> JsonObject:
        """Write the JSON report of what has run so far and return it."""
        return self.workflow.write_report(self.report_facts())

    def run_stages(self, stages: list[Stage], header: str) -> JsonObject:
        """Run the stages, write the report and stop what was started; returns the report.

        A run that is refused, because another one is going on, leaves no trace.
        """
        try:
            self._claim()
            self.workflow.run(stages, header, self.observers())
            with uninterrupted():
                report = self.write_report()
                self.workflow.console.line(f"page:  {self.workflow.page_path}")
            self._let_look_inside()
            return report
        finally:
            with uninterrupted():
                self.close()

    def _let_look_inside(self) -> None:
        """Keep the local servers up until a key, for a presenter."""
        presenter, cloud = self._presenter, self._environment.local_cloud
        if presenter is None or not presenter.can_pause or cloud is None or self.workflow.error:
            return
        cloud.write_client_files()
        end = (
            "The servers stop when you go on." if cloud.hosts_servers
            else "The servers stay up: `up` in the other terminal keeps them."
        )  # fmt: skip
        lines = ["", "  Look into the warehouse from another terminal:", ""]
        lines += [f"    {as_started('python -m src.local_cloud psql')}", "", f"  {end}"]
        try:
            presenter.pause(lines)
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

    def __exit__(self, *_: object) -> None:
        self.close()
