"""The tables and pauses of --present."""

import io

import pytest

from src.reporting.terminal.presenter import Presenter
from src.reporting.terminal.stage_tables import stage_tables

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
    presenter.pause("never shown")


def test_a_pause_asks_first_and_then_waits():
    stream, seen = io.StringIO(), []
    Presenter(lambda: {}, stream=stream, wait=lambda: seen.append(stream.getvalue())).pause("Key?")
    assert "Key?" in seen[0]
