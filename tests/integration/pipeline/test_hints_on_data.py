"""A hint names a command that replaces the warehouse only if everything in it was generated."""

from dataclasses import replace

import pytest

from src.errors import ModelError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.orchestration.training.extraction import hint_after_failure, hint_for_more, newest_load
from src.orchestration.validation.check import next_run
from src.settings import Settings

GENERATE = "python run_demo_pipeline.py"
OWN = {
    "artists": "artist_id,name,genre,popularity,country\na1,Own Artist,rock,50,DE\n",
    "venues": "venue_id,name,city,country,venue_type,capacity\nv1,Own Venue,Bonn,DE,club,100\n",
    "concerts": "concert_id,artist_id,venue_id,starts_at,base_price\n"
    "c1,a1,v1,2025-01-02 20:00:00,20\n",
    "ticket_sales": "sale_id,concert_id,quantity,unit_price,purchased_at,channel\n"
    "s1,c1,2,20,2025-01-01 10:00:00,web\n",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hints")
    return Settings(
        state_dir=str(folder / ".demo"), report_dir=str(folder / "r"), etl="direct",
        artists=20, venues=10, concerts=40, sales=200, max_rejected_share=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def environment(settings):
    assert next_run(settings) == GENERATE
    with DemoEnvironment(settings) as environment:
        yield environment


@pytest.fixture
def own(tmp_path):
    for name, text in OWN.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return str(tmp_path)


def load(settings, environment, **changes):
    orchestrator = DemoPipelineOrchestrator(replace(settings, **changes), environment=environment)
    for stage in orchestrator.stages():
        stage.run(None)


def hints(settings, environment):
    """What a training on this warehouse advises, where it fails and where a gate does."""
    trainer = DemoModelTrainer(settings, environment=environment)
    with pytest.raises(ModelError) as caught:
        for stage in trainer.stages():
            stage.run(None)
    load = newest_load(environment)
    return caught.value.hint, hint_for_more(load), hint_after_failure(load)


def replaces(hint):
    return GENERATE in hint and "--load-mode merge" not in hint


def test_an_empty_warehouse_is_filled(settings, environment):
    environment.redshift.create_tables()
    with environment.redshift.transaction():  # whatever other tests have loaded
        for table in ("ticket_sales", "concerts", "venues", "artists", "load_history"):
            environment.redshift.execute(f"DELETE FROM concert_dw.{table}")
    trainer = DemoModelTrainer(settings, environment=environment)
    with pytest.raises(ModelError, match="no concert") as caught:
        trainer.extract_venue_training_data()
    assert caught.value.hint == GENERATE


def test_generated_data_is_replaced(settings, environment):
    load(settings, environment)
    load(settings, environment, seed=2, load_mode="merge")
    assert all(map(replaces, hints(settings, environment)))
    assert next_run(settings) == f"{GENERATE} --dry-run"


def test_own_data_is_not_replaced_also_where_generated_data_was_merged(settings, environment, own):
    load(settings, environment, input_dir=own)
    assert not any(map(replaces, hints(settings, environment)))
    load(settings, environment, load_mode="merge")
    assert newest_load(environment).is_generated is False
    assert not any(map(replaces, hints(settings, environment)))
    load(settings, environment)
    assert all(map(replaces, hints(settings, environment)))
    load(settings, environment, load_mode="merge", input_dir=own)
    assert not any(map(replaces, hints(settings, environment)))


def test_a_row_of_the_user_beside_generated_data_is_not_replaced(settings, environment):
    load(settings, environment)
    insert = "INSERT INTO concert_dw.artists (artist_id, name) VALUES ('mine', 'Mine')"
    with environment.redshift.transaction():
        environment.redshift.execute(insert)
    assert not any(map(replaces, hints(settings, environment)))


def test_own_files_without_concerts_are_not_replaced(settings, environment, own, tmp_path):
    for name in ("concerts", "ticket_sales"):
        (tmp_path / f"{name}.csv").write_text(OWN[name].splitlines()[0] + "\n")
    load(settings, environment, input_dir=own)
    first, *others = hints(settings, environment)
    assert "--input-dir DIR --load-mode merge" in first
    assert not any(map(replaces, others))


def test_rows_without_a_load_are_the_users(settings, environment):
    with environment.redshift.transaction():
        environment.redshift.execute("DELETE FROM concert_dw.load_history")
    assert newest_load(environment) is None
    assert not any(map(replaces, hints(settings, environment)))
