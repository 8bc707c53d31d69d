"""The commands of the program, named as they were started."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src import commands
from src.errors import UsageError

PAIRS = {
    "python run_demo_pipeline.py": "run",
    "run_demo_pipeline.py": "run",
    "python train_demo_models.py": "train",
    "python3 validate_demo_pipeline.py": "validate",
    "python -m src.local_cloud": "cloud",
    "python -m src.operations": "operations",
}
WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "Z"]), max_size=20)


@pytest.fixture(params=["concert-demo", "python -m src"])
def program(request, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"{request.param} validate", "--strict"])
    return request.param


@given(before=WORDS, after=WORDS, command=st.sampled_from(sorted(PAIRS)))
def test_a_command_in_any_text_is_the_one_to_type(program, before, after, command):
    text = f"{before} {command} {after}"
    assert commands.as_started(text) == f"{before} {program} {PAIRS[command]} {after}"


@given(WORDS)
def test_a_text_without_a_command_stays(program, text):
    assert commands.as_started(text) == text


@pytest.mark.parametrize(
    "text",
    ["my_run_demo_pipeline.py", "run_demo_pipeline.pyc", "/x/run_demo_pipeline.py",
     "python -m src.local_clouds"],
)  # fmt: skip
def test_what_only_looks_like_a_command_stays(program, text):
    assert commands.as_started(text) == text


def test_a_checkout_names_its_scripts():
    for text in PAIRS:
        assert commands.as_started(text) == text


def test_a_package_without_scripts_names_the_installed_program(monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "is_checkout", lambda: False)
    for text, name in PAIRS.items():
        assert commands.as_started(text) == f"concert-demo {name}"
    assert "pip check" in commands.install_command()


def test_every_error_has_the_command_to_type(program):
    assert UsageError("x", hint="python run_demo_pipeline.py -n").hint == f"{program} run -n"
    assert UsageError("x").hint is None


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/usr/bin/concert-demo", "concert-demo train"),
        ("/x/src/__main__.py", "python -m src train"),
    ],
)
def test_the_start_is_marked(monkeypatch, started, name):
    monkeypatch.setattr(sys, "argv", [started, "train", "--json"])
    commands.mark_start("train")
    assert sys.argv == [name, "--json"] and commands.started_command() == "train"


def test_a_script_is_a_command_too(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/run_demo_pipeline.py"])
    assert commands.started_command() == "run"
    monkeypatch.setattr(sys, "argv", ["/x/notebook.py"])
    assert commands.started_command() == ""
