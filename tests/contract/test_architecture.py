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


def named(path):
    return str(path.relative_to(ROOT))


def test_arrows():
    wrong = []
    for path in FILES:
        own = package(path)
        for name in imports(path) if own in ALLOWED else ():
            parts = name.split(".")
            is_package = parts[0] == "src" and len(parts) > 1 and parts[1] in ALLOWED
            if is_package and parts[1] not in {own, *ALLOWED[own]}:
                wrong.append(f"{named(path)}: {own} must not import {name}")
    assert not wrong


def test_every_package_has_its_arrows():
    assert {own for path in FILES if not (own := package(path)).endswith(".py")} == set(ALLOWED)


def test_only_the_environment_builds_the_local_cloud():
    users = {
        p.name
        for p in FILES
        if package(p) != "local_cloud" and any("local_cloud" in n for n in imports(p))
    }
    assert users == {"environment.py"}


def test_the_glue_job_imports_nothing_of_ours():
    assert not [n for n in imports(ROOT / "src/glue_jobs/concert_etl_job.py") if "src" in n]


def test_no_environment_variable_below_settings():
    may_read = {"settings.py", "command_line.py", "__main__.py"}
    reads = ("os.environ[", "os.environ.get", "os.getenv")
    readers = [
        named(path)
        for path in FILES
        if path.name not in may_read and package(path) != "local_cloud"
        if any(read in path.read_text() for read in reads)
    ]
    assert not readers


def test_files_and_functions_stay_readable():
    too_long = []
    for path in FILES:
        text = path.read_text()
        if len(text.splitlines()) > 330:
            too_long.append(named(path))
        for node in ast.walk(ast.parse(text)):
            is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            if is_function and (node.end_lineno or 0) - node.lineno > 60:
                too_long.append(f"{named(path)}: {node.name}")
    assert not too_long


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_short_and_executable(name):
    path = Path(ROOT / name)
    assert len(path.read_text().splitlines()) < 110
    assert path.stat().st_mode & 0o111
