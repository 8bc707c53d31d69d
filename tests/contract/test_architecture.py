"""Who may import whom, and the sizes that keep files and folders readable.

The table says for each folder which others it may import; `src` itself holds errors and signals,
which are open to all. Every test reports all offenders at once.
"""

import ast
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from src.orchestration.validation.interface import SCRIPTS
from tests.conftest import ROOT

REDSHIFT = "local_cloud.redshift"
SERVICES = {"services", "services.demand", "services.encoding", "services.features",
            "services.generation", "services.input", "services.modelling",
            "services.operations"}  # fmt: skip
INFRASTRUCTURE = {"infrastructure", "infrastructure.aws", "infrastructure.storage",
                  "infrastructure.streaming", "infrastructure.warehouse",
                  "infrastructure.watching"}  # fmt: skip
REPORTING = {"reporting", "reporting.terminal", "reporting.page"}
WORKFLOWS = {"domain", "settings", "sql", "orchestration", *SERVICES, *INFRASTRUCTURE, *REPORTING}
ALLOWED = {
    "sql": set(),
    "domain": set(),
    "settings": {"domain"},
    "services": SERVICES | {"domain", "sql"},
    "services.encoding": {"services"},
    "services.generation": {"services", "services.encoding", "domain"},
    "services.input": {"services.encoding", "domain"},
    "services.features": {"services", "domain"},
    "services.demand": {"services", "services.features", "domain"},
    "services.modelling": {"services", "services.features", "services.demand", "domain"},
    "services.operations": {"services.features", "domain", "sql"},
    "infrastructure": INFRASTRUCTURE | {"domain", "sql"},
    "infrastructure.aws": {"domain", "settings"},
    "infrastructure.watching": {"infrastructure.aws", "domain", "settings"},
    "infrastructure.streaming": {"infrastructure.aws", "domain"},
    "infrastructure.storage": {"infrastructure.aws", "domain"},
    "infrastructure.warehouse": INFRASTRUCTURE | {"domain", "settings", "sql"},
    "local_cloud": {"local_cloud.endpoint", "local_cloud.servers", REDSHIFT, "settings",
                    "reporting", "reporting.terminal"},
    "local_cloud.servers": {"local_cloud.endpoint", REDSHIFT, f"{REDSHIFT}.front"},
    "local_cloud.endpoint": {"local_cloud.glue", "local_cloud.kinesis", "local_cloud.sagemaker",
                             "sql"},
    "local_cloud.sagemaker": {"local_cloud.endpoint", "local_cloud.servers"},
    "local_cloud.glue": {"local_cloud.servers"},
    "local_cloud.kinesis": {"local_cloud.endpoint"},
    REDSHIFT: {f"{REDSHIFT}.sql", f"{REDSHIFT}.statements", f"{REDSHIFT}.statements.streaming",
               "sql"},
    f"{REDSHIFT}.catalog": set(),
    f"{REDSHIFT}.sql": {"sql"},
    f"{REDSHIFT}.copying": {REDSHIFT, f"{REDSHIFT}.sql", f"{REDSHIFT}.copying.binary",
                            f"{REDSHIFT}.copying.fast", f"{REDSHIFT}.copying.staged", "sql"},
    f"{REDSHIFT}.copying.binary": {f"{REDSHIFT}.copying", "sql"},
    f"{REDSHIFT}.copying.fast": {f"{REDSHIFT}.copying", "sql"},
    f"{REDSHIFT}.copying.staged": {f"{REDSHIFT}.copying", "sql"},
    f"{REDSHIFT}.unloading": {REDSHIFT, f"{REDSHIFT}.sql", f"{REDSHIFT}.copying", "sql"},
    f"{REDSHIFT}.statements": {REDSHIFT, f"{REDSHIFT}.sql", f"{REDSHIFT}.copying",
                               f"{REDSHIFT}.unloading", f"{REDSHIFT}.statements.definitions",
                               f"{REDSHIFT}.statements.streaming", "sql"},
    f"{REDSHIFT}.statements.definitions": {f"{REDSHIFT}.sql", f"{REDSHIFT}.statements",
                                           f"{REDSHIFT}.statements.streaming",
                                           f"{REDSHIFT}.procedures", "sql"},
    f"{REDSHIFT}.statements.streaming": {REDSHIFT, f"{REDSHIFT}.sql", f"{REDSHIFT}.statements",
                                         "sql"},
    f"{REDSHIFT}.procedures": {"sql"},
    f"{REDSHIFT}.front": {REDSHIFT, f"{REDSHIFT}.sql", f"{REDSHIFT}.statements",
                          f"{REDSHIFT}.statements.definitions", "sql"},
    "reporting": {"domain"},
    "reporting.page": {"reporting", "domain"},
    "reporting.terminal": {"reporting"},
    "reporting.schemas": set(),
    "orchestration": WORKFLOWS | {"local_cloud", "orchestration.operations"},
    "orchestration.operations": WORKFLOWS,
    "orchestration.pipeline": WORKFLOWS,
    "orchestration.training": WORKFLOWS,
    "orchestration.validation": WORKFLOWS,
    "streaming": {"orchestration", "infrastructure", "infrastructure.streaming", "domain",
                  "infrastructure.warehouse", "services", "services.generation", "sql",
                  "reporting", "reporting.terminal", "settings"},
    "serving": {"domain", "infrastructure", "infrastructure.storage", "orchestration",
                "orchestration.training",
                "reporting.terminal", "services", "services.demand", "services.features",
                "services.input", "services.modelling", "settings", "sql"},
    "serving.endpoint": {"domain", "infrastructure.aws", "infrastructure.storage", "orchestration",
                         "orchestration.training", "reporting", "serving", "settings"},
    "operations": {"orchestration", "orchestration.operations", "services.operations",
                   "infrastructure.warehouse", "infrastructure.watching",
                   "infrastructure.aws", "domain", "reporting", "reporting.terminal",
                   "settings"},
}  # fmt: skip
FILES = sorted((ROOT / "src").rglob("*.py"))
LINES, FUNCTION_LINES, FOLDER_FILES = 330, 60, 16


def module(path: Path) -> str:
    """Return a file's dotted name; a package's is that of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the names a file imports, those of the project as modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in found}
    return frozenset(names)


def folder(name: str) -> str:
    """Return the folder of a module, without `src`."""
    owner = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    return owner.removeprefix("src").removeprefix(".")


def test_the_table_knows_every_folder():
    folders = {folder(name) for name in MODULES} - {"", "glue_jobs"}
    assert folders == set(ALLOWED)


def test_arrows_point_down():
    wrong = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        for other in imports(path) & set(MODULES)
        if folder(name) not in ("", "glue_jobs") and folder(other) not in ("", folder(name))
        and folder(other) not in ALLOWED[folder(name)]
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_there_are_no_circles():
    graph = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_only_the_environment_builds_the_local_cloud():
    users = {
        name
        for name, path in MODULES.items()
        if not name.startswith("src.local_cloud")
        and any(other.startswith("src.local_cloud") for other in imports(path))
        and imports(path) & {"src.local_cloud.looking"} == set()  # it builds nothing
    }
    assert users == {"src.orchestration.environment"}


def test_a_glue_job_imports_no_project_code_but_what_is_shipped_with_it():
    shipped = {"concert_generation_job.py": {"src.services.generation.remote_parts"}}
    for path in (ROOT / "src/glue_jobs").glob("*.py"):
        own = {name for name in imports(path) if name.split(".")[0] == "src"}
        assert own <= shipped.get(path.name, set())


def test_no_environment_variable_below_settings():
    may_read = (
        "src.settings",
        "src.orchestration.command_line",
        "src.local_cloud",
        "src.orchestration.browser",
    )  # whether there is a desktop

    reads = ("os.environ[", "os.environ.get", "os.getenv")
    wrong = [
        name
        for name, path in MODULES.items()
        if not name.startswith(may_read) and any(read in path.read_text() for read in reads)
    ]
    assert not wrong


def test_files_and_functions_stay_readable():
    wrong = []
    for name, path in MODULES.items():
        if len(path.read_text().splitlines()) > LINES:
            wrong.append(f"{name} has more than {LINES} lines")
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if (node.end_lineno or 0) - node.lineno > FUNCTION_LINES:
                wrong.append(f"{name}.{node.name} has more than {FUNCTION_LINES} lines")
    assert not wrong, "\n".join(wrong)


def test_folders_stay_small_and_say_what_lives_there():
    files = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert not {str(f): count for f, count in files.items() if count > FOLDER_FILES}
    for name, path in MODULES.items():
        if path.name == "__init__.py" and name not in ("src", "src.settings"):
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            assert text and ("import" in text or not files[path.parent]), f"{name} says too little"


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_short_and_executable(name):
    path = ROOT / name
    assert len(path.read_text().splitlines()) < 110
    assert path.stat().st_mode & 0o111
