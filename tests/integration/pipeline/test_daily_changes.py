"""Days loaded one after the other leave the warehouse that a load of the last day makes."""

from dataclasses import replace

import pytest

from src.errors import QualityError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.settings import Settings

TABLES = ("artists", "venues", "concerts", "ticket_sales")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("days")
    return Settings(
        state_dir=str(folder / ".demo"), report_dir=str(folder / "r"), etl="direct",
        artists=20, venues=10, concerts=150, sales=400,
    )  # fmt: skip


@pytest.fixture(scope="module")
def environment(settings):
    with DemoEnvironment(settings) as environment:
        yield environment


def load(settings, environment, **changes):
    orchestrator = DemoPipelineOrchestrator(replace(settings, **changes), environment=environment)
    for stage in orchestrator.stages():
        stage.run(None)
    return {
        table: environment.redshift.query(f"SELECT * FROM concert_dw.{table} ORDER BY 1")
        for table in TABLES
    }


def test_merged_changes_of_three_days_equal_the_third_day(settings, environment):
    load(settings, environment)
    for since, day in (("09-30", "10-01"), ("10-01", "10-05")):
        merged = load(
            settings, environment, load_mode="merge", as_of=f"2025-{day}", since=f"2025-{since}"
        )
    assert merged == load(settings, environment, as_of="2025-10-05")
    assert len(merged["ticket_sales"]) > 400


def test_changes_without_the_day_before_are_not_published(settings, environment):
    """The sales of a day that is missing: tickets_sold and the sales do not agree."""
    query = "SELECT * FROM concert_dw.ticket_sales ORDER BY 1"
    before = environment.redshift.query(query)
    with pytest.raises(QualityError, match="nothing was published"):
        load(settings, environment, load_mode="merge", as_of="2025-10-20", since="2025-10-10")
    assert environment.redshift.query(query) == before
