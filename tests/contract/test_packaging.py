"""What the package's description, CI and the hooks say is true of the other files."""

import re
import tomllib

import pytest
import yaml

from src.commands import DISTRIBUTION, PROGRAM
from src.errors import CannotRunError
from src.orchestration import size_limits
from src.settings import Settings
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOOLS = ("ruff check", "ruff format", "mypy")
CONFIGURATIONS = [ROOT / ".pre-commit-config.yaml", *sorted((ROOT / ".github").rglob("*.yml"))]


def requirements(name):
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return {line for line in lines if line}


def test_the_names_are_those_of_the_program():
    assert PROJECT["name"] == DISTRIBUTION and list(PROJECT["scripts"]) == [PROGRAM]


def test_the_spark_extra_has_the_pins_of_the_tests():
    extra = PROJECT["optional-dependencies"]["spark"]
    assert set(extra) <= requirements("requirements-dev.txt")


def test_the_hint_about_spark_names_the_same_pins(monkeypatch):
    monkeypatch.setattr(size_limits, "find_spec", lambda _: None)
    with pytest.raises(CannotRunError) as caught:
        size_limits.check_engine(Settings(etl_engine="spark"))
    for pin in PROJECT["optional-dependencies"]["spark"]:
        assert f'"{pin}"' in caught.value.hint


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_configurations_are_yaml(path):
    assert yaml.safe_load(path.read_text())


def test_ci_checks_style_and_types_first():
    script = (ROOT / ".ci/run").read_text()
    places = [script.index(tool) for tool in (*TOOLS, "-m pytest", "run_demo_pipeline.py")]
    assert places == sorted(places)
    assert "- run: .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_the_hooks_run_what_ci_runs():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [re.sub(r"^\.venv/bin/| --\S+", "", hook["entry"]) for hook in local["hooks"]]
    assert entries == list(TOOLS)
