"""A name that was mistyped is answered with the one that was meant."""

import argparse
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.arguments import Parser, nearest
from src.errors import SettingsError, UsageError
from src.orchestration.pipeline.command import build_parser as pipeline
from src.orchestration.training.command import build_parser as training
from src.orchestration.validation.command import build_parser as validation
from src.orchestration.validation.demo_pipeline_validator import all_checks
from src.settings import load_settings
from src.settings.unknown import unknown_variables

OPTIONS = sorted({name for make in (pipeline, training, validation) for name in make().options()})
SETTINGS = ["DEMO_ARTISTS", "DEMO_SEED", "DEMO_RAW_BUCKET", "DEMO_TARGET", "DEMO_STATE_DIR"]
LETTERS = string.ascii_lowercase


def one_letter_wrong(draw, name, first):
    """Drop, double, change or swap one letter of a name behind its first few."""
    at = draw(st.integers(first, len(name) - 2))
    letter = draw(st.sampled_from(LETTERS))
    return draw(
        st.sampled_from(
            [
                name[:at] + name[at + 1 :],
                name[:at] + name[at] + name[at:],
                name[:at] + letter + name[at + 1 :],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            ]
        )
    )


@given(st.data())
def test_an_option_with_one_wrong_letter_is_recognised(data):
    name = data.draw(st.sampled_from([option for option in OPTIONS if len(option) > 7]))
    typed = one_letter_wrong(data.draw, name, 3)
    if typed not in OPTIONS:
        assert nearest(typed, OPTIONS) == name


@pytest.mark.parametrize(
    ("make", "typed", "meant"),
    [
        (pipeline, "--consert", "--concerts"),
        (pipeline, "--concert", "--concerts"),
        (pipeline, "--Seed=7", "--seed"),
        (pipeline, "--input_dir", "--input-dir"),
        (training, "--coverag", "--coverage"),
        (validation, "--smok", "--smoke"),
    ],
)
def test_the_error_names_the_option_that_was_meant(make, typed, meant):
    with pytest.raises(UsageError, match="unrecognized") as found:
        make().parse_args([typed, "5"])
    assert found.value.cause == f"did you mean {meant}?"


def test_what_is_like_nothing_has_no_suggestion():
    with pytest.raises(UsageError) as found:
        pipeline().parse_args(["--qqqqqqq"])
    assert found.value.cause is None


def test_a_command_and_a_value_have_suggestions():
    parser = Parser(prog="x")
    parser.add_argument("command", choices=("up", "psql", "reset"))
    with pytest.raises(UsageError) as found:
        parser.parse_args(["rest"])
    assert found.value.cause == "did you mean reset?"
    with pytest.raises(SettingsError) as wrong:
        load_settings({"target": "AWS"}, environ={}, env_file=None)
    assert wrong.value.hint == "set --target to aws"


def test_options_of_subcommands_have_suggestions():
    parser = Parser(prog="x")
    parser.add_subparsers().add_parser("cleanup").add_argument("--confirm", action="store_true")
    with pytest.raises(UsageError) as found:
        parser.parse_args(["cleanup", "--confrm"])
    assert found.value.cause == "did you mean --confirm?"
    assert parser.parse_args(["cleanup", "--confirm"]) == argparse.Namespace(confirm=True)


@given(st.sampled_from([check.name for check in all_checks("local")]), st.data())
def test_the_name_of_a_check_is_recognised(name, data):
    known = [check.name for check in all_checks("local")]
    typed = one_letter_wrong(data.draw, name, 1)
    assert typed in known or nearest(typed, known) in known


@pytest.mark.parametrize("name", SETTINGS)
def test_a_variable_that_is_no_setting_is_named_with_the_one_that_was_meant(name, tmp_path):
    file = tmp_path / ".env"
    file.write_text(f"{name}=1\n{name[:-1]}=2\nFOO=3\nREDSHIFT_USERS=4\n")
    (line,) = unknown_variables({}, file)
    assert f"{name[:-1]} in {file}" in line and f"did you mean {name}?" in line
    (line,) = unknown_variables({f"{name}S": "1", "AWS_PROFILE": "x"}, tmp_path / "none")
    assert line.startswith(f"{name}S in the environment") and name in line
