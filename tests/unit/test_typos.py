"""40 ways to mistype a name, each answered with the one that was meant."""

import importlib

import pytest

from src.errors import DemoError
from src.orchestration.validation.demo_pipeline_validator import DemoPipelineValidator
from src.settings import Settings, load_settings
from src.settings.unknown import unknown_variables

RUN, TRAIN, VALIDATE = (
    f"src.orchestration.{name}.command" for name in ("pipeline", "training", "validation")
)
PARSED = [
    # options
    (RUN, "--consert 500", "--concerts"),
    (RUN, "--concert 500", "--concerts"),
    (RUN, "--artits 5", "--artists"),
    (RUN, "--venue 5", "--venues"),
    (RUN, "--sale 5", "--sales"),
    (RUN, "--sead 7", "--seed"),
    (RUN, "--skip_generation", "--skip-generation"),
    (RUN, "--skip-generatoin", "--skip-generation"),
    (RUN, "--inputdir x", "--input-dir"),
    (RUN, "--defects-rate 0.1", "--defect-rate"),
    (RUN, "--loadmode merge", "--load-mode"),
    (RUN, "--dryrun", "--dry-run"),
    (RUN, "--resum", "--resume"),
    (RUN, "--Target local", "--target"),
    (TRAIN, "--validate", "--validate-only"),
    (TRAIN, "--with-challenger", "--with-challengers"),
    (TRAIN, "--coverge 0.8", "--coverage"),
    (TRAIN, "--random-sate 3", "--random-state"),
    (VALIDATE, "--smoek", "--smoke"),
    (VALIDATE, "--stict", "--strict"),
    # commands
    ("src.__main__", "tran", "train"),
    ("src.__main__", "statu", "status"),
    ("src.__main__", "validat", "validate"),
    ("src.local_cloud.__main__", "rest", "reset"),
    ("src.local_cloud.__main__", "psq", "psql"),
    ("src.operations.__main__", "alarm", "alarms"),
    ("src.serving.__main__", "predit", "predict"),
    ("src.streaming.__main__", "wach", "watch"),
    # values of an option of its own
    (TRAIN, "--promote nver", "never"),
]
CHECKS = [("lnks", "links"), ("comands", "commands"), ("smok", "smoke"), ("sqlfiles", "sql_files")]
VALUES = [("target", "AWS", "aws"), ("target", "lokal", "local"), ("etl", "glu", "glue"),
          ("raw_format", "parqet", "parquet"), ("load_mode", "mrege", "merge")]  # fmt: skip
SETTINGS = [("DEMO_ARTIST", "DEMO_ARTISTS"), ("DEMO_STATEDIR", "DEMO_STATE_DIR"),
            ("DEMO_TARGE", "DEMO_TARGET")]  # fmt: skip


def test_there_are_40():
    assert len(PARSED) + len(CHECKS) + len(VALUES) + len(SETTINGS) > 40


@pytest.mark.parametrize(("module", "typed", "meant"), PARSED, ids=lambda value: value)
def test_of_an_option_or_a_command(module, typed, meant):
    parser = importlib.import_module(module).build_parser()
    with pytest.raises(DemoError) as found:
        parser.parse_args(typed.split())
    assert found.value.cause == f"did you mean {meant}?"


@pytest.mark.parametrize(("typed", "meant"), CHECKS)
def test_of_a_check(typed, meant):
    with pytest.raises(DemoError) as found:
        DemoPipelineValidator(Settings(), only=[typed])
    assert found.value.cause == f"did you mean {meant}?"


@pytest.mark.parametrize(("name", "typed", "meant"), VALUES)
def test_of_a_value(name, typed, meant):
    for overrides, environ in (({name: typed}, {}), ({}, {f"DEMO_{name.upper()}": typed})):
        with pytest.raises(DemoError) as found:
            load_settings(overrides, environ=environ, env_file=None)
        assert found.value.hint.endswith(f" to {meant}")


@pytest.mark.parametrize(("typed", "meant"), SETTINGS)
def test_of_a_setting(typed, meant, tmp_path):
    (line,) = unknown_variables({typed: "1"}, tmp_path / "none")
    assert line.endswith(f"did you mean {meant}?")
