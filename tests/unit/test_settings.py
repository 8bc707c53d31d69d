"""Settings name the variable, the value and what is allowed."""

import pytest

from src.errors import SettingsError
from src.settings import Settings, load_settings


def load(overrides=None, **environ):
    return load_settings(overrides, environ=environ, env_file=None)


def test_defaults_are_the_documented_ones():
    s = load()
    assert (s.artists, s.venues, s.concerts, s.sales, s.seed) == (1000, 500, 10_000, 50_000, 42)
    assert (s.target, s.raw_format, s.etl, s.load_mode) == ("local", "json", "glue", "replace")


def test_options_win_over_environment_which_wins_over_env_file(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("DEMO_SEED=1\nDEMO_ARTISTS=11\nDEMO_VENUES=12\n")
    s = load_settings(
        {"artists": "33", "seed": None},
        environ={"DEMO_ARTISTS": "22", "DEMO_VENUES": "23"},
        env_file=env_file,
    )
    assert (s.artists, s.venues, s.seed) == (33, 23, 1)


def test_an_empty_variable_is_no_value():
    assert load(DEMO_SEED="").seed == 42


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"DEMO_TARGET": "prod"}, ["DEMO_TARGET", "'prod'", "local, aws"]),
        ({"DEMO_SALES": "many"}, ["DEMO_SALES", "'many'", "whole number"]),
        ({"DEMO_SALES": "-1"}, ["DEMO_SALES", "-1", "at least 1"]),
        ({"DEMO_DEFECT_RATE": "nan"}, ["DEMO_DEFECT_RATE", "between 0 and 0.5"]),
        ({"DEMO_DEFECT_RATE": "0.9"}, ["DEMO_DEFECT_RATE", "0.9"]),
        ({"DEMO_RAW_FORMAT": "xml"}, ["DEMO_RAW_FORMAT", "json, csv, parquet"]),
        ({"DEMO_RAW_BUCKET": "Nope"}, ["--raw-bucket", "'Nope'"]),
        ({"DEMO_RAW_BUCKET": "a..b"}, ["--raw-bucket"]),
        ({"DEMO_RAW_BUCKET": "10.0.0.1"}, ["--raw-bucket"]),
        ({"DEMO_IAM_ROLE": "me"}, ["--iam-role", "'me'"]),
        ({"DEMO_RAW_BUCKET": "same", "DEMO_PROCESSED_BUCKET": "same"}, ["both", "'same'"]),
        ({"DEMO_SEED": "1.5"}, ["DEMO_SEED", "whole number"]),
    ],
)
def test_a_bad_value_is_named(environ, words):
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    for word in words:
        assert word in caught.value.message
    assert caught.value.hint and caught.value.exit_code == 2


def test_aws_needs_its_settings():
    with pytest.raises(SettingsError, match="REDSHIFT_WORKGROUP"):
        load(DEMO_TARGET="aws")


def test_secrets_are_in_no_text():
    s = Settings(redshift_password="hunter2")
    assert "hunter2" not in repr(s) and "hunter2" not in str(s.public())


def test_an_unreadable_env_file_is_named(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"DEMO_SEED=\xff\xfe1\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({}, environ={}, env_file=env_file)
