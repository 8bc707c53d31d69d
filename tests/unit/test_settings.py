"""Settings name the variable, the value and what is allowed."""

import re
from dataclasses import fields

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.errors import SettingsError
from src.settings import Settings, load_settings, state_folder

TEXTS = [spec for spec in fields(Settings) if isinstance(spec.default, str)]


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
        ({"DEMO_RAW_BUCKET": "b" * 300}, ["DEMO_RAW_BUCKET", "300 bytes", "255"]),
        ({"DEMO_INPUT_DIR": "x/" + "a" * 300}, ["DEMO_INPUT_DIR", "name of 300 bytes", "255"]),
        ({"DEMO_REPORT_DIR": "ab/" * 2000}, ["DEMO_REPORT_DIR", "bytes", "3,500"]),
        ({"DEMO_STATE_DIR": "a\x1b[31mb"}, ["DEMO_STATE_DIR", r"\x1b[31m", "no text"]),
        ({"DEMO_OUTPUT_DIR": "a\udcff"}, ["DEMO_OUTPUT_DIR", "no text"]),
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


@settings(deadline=None, max_examples=200)
@given(spec=st.sampled_from(TEXTS), text=st.text(min_size=1) | st.text("ab/", min_size=250))
@example(spec=TEXTS[-1], text="a" * 255)
@example(spec=TEXTS[-1], text="\u00e9" * 128)
def test_any_text_is_a_setting_or_one_line_about_it(spec, text):
    environ = {"DEMO_TARGET": "aws", spec.metadata["env"]: text}
    try:
        value = getattr(load_settings(environ=environ, env_file=None, may_lack=True), spec.name)
    except SettingsError as error:
        shown = f"{error.message}{error.where}{error.cause}{error.hint}"
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", shown) and len(shown) < 700
        assert error.hint
    else:
        assert value == (text.strip() or spec.default)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", value)
        assert all(len(name.encode()) <= 255 for name in value.split("/"))


def test_a_secret_that_is_no_text_is_not_shown():
    with pytest.raises(SettingsError) as caught:
        load(DEMO_TARGET="aws", REDSHIFT_PASSWORD="hunter2\x1b")
    assert "REDSHIFT_PASSWORD" in caught.value.message
    assert "hunter2" not in str(caught.value.as_dict())
    with pytest.raises(SettingsError) as caught:
        load(DEMO_TARGET="aws", REDSHIFT_PASSWORD="hunter2" * 100)
    assert "hunter2" not in str(caught.value.as_dict())


def test_the_local_target_takes_no_variable_of_another_program():
    foreign = [spec.metadata["env"] for spec in fields(Settings)]
    taken = ("DEMO_", "OPENLINEAGE_")  # decision 0055: a user's tools of lineage share theirs
    foreign = {name: "\x1b nonsense" for name in foreign if not name.startswith(taken)}
    assert load(**foreign) == load()
    with pytest.raises(SettingsError):
        load(DEMO_TARGET="aws", **foreign)


def test_the_local_clouds_folder_is_the_scripts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEMO_STATE_DIR", raising=False)
    assert state_folder() == tmp_path / ".demo"
    (tmp_path / ".env").write_text("DEMO_STATE_DIR=there\n")
    assert state_folder() == tmp_path / "there"
    monkeypatch.setenv("DEMO_STATE_DIR", "here")
    assert state_folder() == tmp_path / "here"


@pytest.mark.parametrize(("service", "own"), [("glue", "glue_role"), ("redshift", "redshift_role")])
@pytest.mark.parametrize("common", ["", "arn:aws:iam::123456789012:role/common"])
@pytest.mark.parametrize("specific", ["", "arn:aws:iam::123456789012:role/own"])
def test_a_service_has_its_own_role_or_the_common_one(service, own, common, specific):
    settings = Settings(iam_role=common, **{own: specific})
    assert settings.role_of(service) == (specific or common)


AWS = {"DEMO_TARGET": "aws", "DEMO_IAM_ROLE": "arn:aws:iam::123456789012:role/r"}


@pytest.fixture
def no_region(monkeypatch, tmp_path):
    """An environment of which AWS's tools learn no region; returns its configuration file."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


def test_the_region_is_the_one_that_aws_tools_find(no_region):
    given = {**AWS, "REDSHIFT_WORKGROUP": "w"}
    with pytest.raises(SettingsError, match="needs a region") as caught:
        load(**given)
    assert "AWS_REGION" in caught.value.hint
    no_region.write_text("[default]\nregion = eu-west-1\n[profile other]\nregion = eu-west-2\n")
    assert load(**given).aws_region == "eu-west-1"
    assert load(**given, AWS_PROFILE="other").aws_region == "eu-west-2"
    assert load(**given, AWS_DEFAULT_REGION="eu-west-3").aws_region == "eu-west-3"
    both = {"AWS_DEFAULT_REGION": "eu-west-3", "AWS_REGION": "eu-north-1"}
    assert load(**given, **both).aws_region == "eu-north-1"
    with pytest.raises(SettingsError, match="AWS_PROFILE none"):
        load(**given, AWS_PROFILE="none")


USERS = {"REDSHIFT_USER": "demo", "REDSHIFT_PASSWORD": "hush", "REDSHIFT_SECRET": "of-mine"}


@given(
    st.sampled_from(["REDSHIFT_WORKGROUP", "REDSHIFT_CLUSTER"]),
    st.sampled_from(["driver", "data-api"]),
    st.sets(st.sampled_from(sorted(USERS))),
)
def test_a_user_or_password_that_nothing_would_use_is_refused(warehouse, via, named):
    environ = {**AWS, warehouse: "w", "REDSHIFT_VIA": via, "AWS_REGION": "us-east-1"}
    environ |= {name: USERS[name] for name in named}
    is_secret = "REDSHIFT_SECRET" in named
    used = {"REDSHIFT_SECRET"} if is_secret else set()
    if not is_secret and via == "driver" and "REDSHIFT_PASSWORD" in named:
        used = {"REDSHIFT_USER", "REDSHIFT_PASSWORD"}
    if not is_secret and via == "data-api" and warehouse == "REDSHIFT_CLUSTER":
        used = {"REDSHIFT_USER"}
    if named <= used:
        assert load(**environ).redshift_via == via
        return
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    assert any(f"{name} is set" in caught.value.message for name in named - used)
