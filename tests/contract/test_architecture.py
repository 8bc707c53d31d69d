"""The arrows between the packages, and the sizes that keep files readable."""

import ast
from pathlib import Path

import pytest

from src.orchestration.validation.interface import SCRIPTS
from tests.conftest import ROOT

# Who may import whom; `src` itself holds settings and errors, open to all.
ALLOWED = {
    "domain": set(),
    "services": {"domain"},
    "infrastructure": {"domain"},
    "local_cloud": {"reporting"},
    "reporting": set(),
    "orchestration": {"domain", "services", "infrastructure", "local_cloud", "reporting"},
    "glue_jobs": set(),
    "aws_cleanup": {"orchestration", "infrastructure", "reporting"},
}
FILES = sorted((ROOT / "src").rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package(path):
    return path.relative_to(ROOT / "src").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows(path):
    own = package(path)
    if own.endswith(".py"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "src" and len(parts) > 1 and parts[1] in ALLOWED and parts[1] != own:
            assert parts[1] in ALLOWED[own], f"{own} must not import {name}"


def test_only_the_environment_builds_the_local_cloud():
    users = {
        p.name
        for p in FILES
        if package(p) != "local_cloud" and any("local_cloud" in n for n in imports(p))
    }
    assert users == {"environment.py"}


def test_the_glue_job_imports_nothing_of_ours():
    assert not [n for n in imports(ROOT / "src/glue_jobs/concert_etl_job.py") if "src" in n]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_environment_variable_below_settings(path):
    may_read = {"settings.py", "command_line.py", "__main__.py"}
    reads = ("os.environ[", "os.environ.get", "os.getenv")
    if path.name not in may_read and package(path) != "local_cloud":
        assert not any(read in path.read_text() for read in reads)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 330
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno <= 60, node.name


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_short_and_executable(name):
    path = Path(ROOT / name)
    assert len(path.read_text().splitlines()) < 110
    assert path.stat().st_mode & 0o111
