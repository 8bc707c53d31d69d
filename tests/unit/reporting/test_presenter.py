"""The tables and pauses of --present."""

import io
import os
from contextlib import nullcontext

import pytest

from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.reporting.terminal.cards import card_of, scenes
from src.reporting.terminal.keys import key_name, read_sequence
from src.reporting.terminal.presenter import Presenter
from src.reporting.terminal.screens import Painter, Size
from src.reporting.terminal.stage_tables import SummaryTable, stage_tables
from src.settings import Settings
from tests.conftest import ROOT

ROWS = {"artists": {"raw_records": 1010, "rejected": 10, "loaded": 1000, "warehouse": 1000}}
MODEL = {
    "test_metrics": {"mae": 9.04, "r2": 0.861, "rows": 1404},
    "baselines": {"last_value": {"mae": 28.7, "r2": -0.3, "model_is": {"verdict": "better"}}},
    "intervals": {"coverage": 0.917},
    "headline": {"knowable": {"mae": 8.8, "r2": 0.95}},
    "checks": [{"name": "golden", "verdict": "failed", "expected": "1", "found": "2"}],
}
CONCERT = {
    "scenario": "coming", "genre": "rock", "city": "Oslo", "capacity": 800, "confidence": 0.5,
    "expected_tickets": 612.4, "interval": [400.0, 790.0],
}  # fmt: skip
VENUE = {"name": "Hall", "city": "Bonn", "score": 70.0, "forecast": 80.0, "interval": [60.0, 95.0]}
FACTS = {
    "rows": ROWS,
    "models": {"venue_popularity": MODEL, "ticket_sales_prediction": MODEL},
    "sample_predictions": [CONCERT, VENUE],
}
STEPS = {
    "s3_buckets": ({"buckets": {"raw": "created"}}, ["s3://raw", "created"]),
    "data_generation": (
        {"counts": {"artists": 1000}, "records": {"artists": 1010}, "location": "s3://raw/x/",
         "bytes": 2_100_000, "defects": 10},
        ["1,000", "1,010", "s3://raw/x/", "2.1 MB", "10 rows defective"],
    ),
    "glue_etl": (
        {"counts": {"artists": {"accepted": 5, "orphan:a": 3, "missing:b": 2, "c": 1, "d": 1}}},
        ["orphan:a 3, missing:b 2, c 1, …", "7"],
    ),
    "redshift_load": ({}, ["1,010", "in the warehouse"]),
    "data_verification": (
        {"checks": [{"title": "no orphan", "verdict": "passed", "expected": "0", "found": "0"}]},
        ["no orphan", "passed"],
    ),
    "sales_features": ({"rows": {"train": 5980}}, ["train", "5,980"]),
    "venue_model": ({}, ["9.0", "0.861", "last value", "better", "91.7 %"]),
    "sales_model": ({}, ["limit: knowable", "8.8", "0.950"]),
    "predictions": ({}, ["612", "400 – 790", "Hall", "80.0"]),
    "saved_models": ({}, ["golden", "failed", "expected"]),
}  # fmt: skip


def shown(key, step, facts=FACTS):
    stream = io.StringIO()
    Presenter(lambda: facts, stream=stream).show(key, step)
    return stream.getvalue()


@pytest.mark.parametrize("key", STEPS)
def test_each_stage_shows_what_it_did(key):
    step, words = STEPS[key]
    text = shown(key, {"status": "success", **step})
    for word in words:
        assert word in text


@pytest.mark.parametrize("key", STEPS)
def test_a_stage_that_failed_at_once_shows_its_error_only(key):
    error = {"message": "it broke", "where": "there", "cause": None, "hint": None}
    tables = stage_tables(key, {"status": "failed", "error": error}, {})
    assert [table.title for table in tables] == ["What went wrong"]
    assert ("where", "there") in tables[0].rows


def test_an_etl_that_was_skipped_shows_nothing():
    assert stage_tables("glue_etl", {"status": "skipped"}, FACTS) == []


def test_words_from_files_are_not_markup():
    venue = {**VENUE, "name": "[bold red]Hall[/]"}
    facts = {**FACTS, "sample_predictions": [venue]}
    assert "[bold red]Hall[/]" in shown("predictions", {"status": "success"}, facts)


def test_without_a_terminal_nothing_waits():
    presenter = Presenter(lambda: {}, stream=io.StringIO())
    assert not presenter.can_pause
    presenter.pause(["never shown"])


def pressed(*keys):
    """Return keys to give a presenter, and what was on the stream at each of them."""
    stream, seen, left = io.StringIO(), [], list(keys)

    def press():
        seen.append(stream.getvalue())
        return left.pop(0)

    return stream, seen, lambda: nullcontext(press)


def test_a_pause_shows_its_lines_and_waits_for_a_key_that_goes_on():
    stream, seen, keys = pressed("", "back", "open", "next")
    Presenter(lambda: {}, stream=stream, keys=keys, open_page=lambda: "it is open").pause(["Key?"])
    assert "Key?" in seen[0] and "it is open" in seen[3] and len(seen) == 4


def test_a_card_comes_before_its_stage_and_is_seen_again():
    stream, seen, keys = pressed("", "2", "next", "back", "1", "next", "next")
    presenter = Presenter(lambda: {"rows": ROWS}, stream=stream, keys=keys)
    presenter.announce(1, 5, "Redshift load", "redshift_load")
    assert "One transaction for four tables" in seen[0]
    assert "stage 2 has not begun" in seen[2] and len(seen) == 3
    presenter.show("redshift_load", {"status": "success", "summary": "4 tables", "seconds": 1.0})
    assert "Rows at each step" in seen[3] and "ok: 4 tables, 1.0 s" in seen[3]
    assert seen[4].count("One transaction") > seen[3].count("One transaction")
    assert len(seen) == 7


def test_stop_at_a_card_ends_the_run():
    stream, _, keys = pressed("stop")
    presenter = Presenter(lambda: {}, stream=stream, keys=keys)
    with pytest.raises(KeyboardInterrupt):
        presenter.announce(1, 5, "Glue ETL", "glue_etl")


def test_a_rejected_record_has_its_wrong_fields_marked_and_the_next_is_another():
    records = [
        {"table_name": "artists", "rule": "missing:name", "record_key": str(key),
         "raw_record": f'{{"artist_id": "{key}", "name": ""}}'}
        for key in (7, 8)
    ]  # fmt: skip
    stream, seen, keys = pressed("record", "next", "record", "next", "next")
    presenter = Presenter(lambda: {}, stream=stream, keys=keys, records=lambda: records)
    presenter.announce(1, 5, "Glue ETL", "glue_etl")
    assert "> name       empty" in seen[1] and "record 1 of 2" in seen[1]
    assert "record 2 of 2" in seen[3] and "a required value is absent" in seen[1]


def test_every_stage_of_both_scripts_has_a_card():
    scripts = ((DemoPipelineOrchestrator, {}), (DemoModelTrainer, {}),
               (DemoModelTrainer, {"validate_only": True}))  # fmt: skip
    for workflow, options in scripts:
        with workflow(Settings(), **options) as made:
            for stage in made.stages():
                assert card_of(stage.card or stage.key), stage.key


@pytest.mark.parametrize(
    ("pressed", "name"),
    [(b"\x1b[C", "next"), (b"\x1bOC", "next"), (b"\x1b[6~", "next"), (b"\x1b[D", "back"),
     (b"\x1b[A", ""), (b"\x1b[1;5C", ""), (b"\x1b[3~", ""), (b"\x1b", ""), (b"\xc3\xa9", ""),
     (b"q", "stop"), (b"7", "7"), (b"\r", "next"), (b"\x1bq", "")],
)  # fmt: skip
def test_a_key_is_read_whole(pressed, name):
    reading, writing = os.pipe()
    try:
        os.write(writing, pressed + b"o")
        found = read_sequence(reading)
        if pressed != b"\x1b":  # of a bare Escape the next byte could be a part
            assert key_name(found) == name
            assert key_name(read_sequence(reading)) == "open"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(("width", "height"), [(100, 28), (80, 22), (60, 18)])
def test_a_long_table_goes_on_on_other_screens_and_loses_no_row(width, height):
    rows = [("passed", f"check number {n} of a rather long name, in words", str(n))
            for n in range(40)]  # fmt: skip
    table = SummaryTable("Data quality", ("", "check", "found"), rows, numbers=(2,))
    screens = Painter(color=False).tables(["head"], [table], Size(width, height))
    assert len(screens) > 1
    for screen in screens:
        assert len(screen) <= height and max(map(len, screen)) <= width
    told = " ".join(" ".join(line.split()) for screen in screens for line in screen)
    assert all(f"check number {n} " in told for n in range(40))


def test_the_guide_names_each_card_of_the_live_scene():
    guide = (ROOT / "docs/guides/DEMO_PIPELINE_GUIDE.md").read_text()
    for card in scenes()["live"].cards:
        assert f"**{card.key}.**" in guide
