"""The built wheel, installed without the checkout, runs every command from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from src.orchestration.validation import smoke
from src.orchestration.validation.demo_pipeline_validator import EVERYWHERE
from tests.conftest import ROOT, Script

BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", "src")
DATA_FILES = (".sql", ".j2", ".css", ".pem", ".yaml", ".json")
NO_CACHES = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy: what a build leaves in a folder is not left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=NO_CACHES)
        else:
            shutil.copy2(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
               "--check-build-dependencies", str(source), "-w", str(folder)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


class Installed(Script):
    """Runs the installed program in an empty folder, with no path to the checkout."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        super().__init__(folder)
        self.bin = folder.parent / "venv/bin"
        venv.create(self.bin.parent, with_pip=False, symlinks=True)
        python = str(self.bin / "python")
        purelib = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        installed = [path for path in sys.path if Path(path).name == "site-packages"]
        (Path(purelib.strip()) / "dependencies.pth").write_text("\n".join(installed))
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
               "--no-index", str(wheel)]  # fmt: skip
        subprocess.run(pip, check=True)

    def concert_demo(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        kept = self.environment()
        del kept["DEMO_STATE_DIR"]
        kept.pop("PYTHONPATH", None)
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"  # rclone
        return subprocess.run(
            [str(self.bin / "concert-demo"), *arguments], cwd=self.folder, env=kept, text=True,
            capture_output=True, check=False,
        )  # fmt: skip


def test_the_wheel_has_every_data_file_of_src(wheel):
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if name.endswith(DATA_FILES)}
    wanted = {str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*")
              if path.name.endswith(DATA_FILES)}  # fmt: skip
    assert packed == wanted and len(wanted) >= 52


def test_the_installed_program_runs_from_an_empty_folder(wheel, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    program = Installed(folder, wheel)

    refused = program.concert_demo("run", "--artists", "0")
    assert refused.returncode == 2 and list(folder.iterdir()) == [], refused.stderr
    helped = program.concert_demo("run", "--help")
    assert "usage: concert-demo run" in helped.stdout and ".py" not in helped.stdout

    for command, following in (("run", "train"), ("train", "train --validate-only")):
        done = program.concert_demo(command, *(smoke.DATA if command == "run" else ()))
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == f"next:  concert-demo {following}"
    query = "SELECT COUNT(*) FROM concert_dw.venues"
    queried = program.concert_demo("cloud", "psql", "-Atc", query)
    assert queried.stdout == "30\n", queried.stderr
    assert {path.name for path in folder.iterdir()} == {".demo", "models", "reports"}

    validated = program.concert_demo("validate", "--json")
    assert validated.returncode == 0, validated.stderr
    checks = {check["name"]: check for check in json.loads(validated.stdout)["checks"]}
    skipped = {name for name, check in checks.items() if check["verdict"] == "skipped"}
    assert skipped == {check.name for check in EVERYWHERE if check.needs_checkout}
    assert all("checkout" in checks[name]["found"] for name in skipped)
    assert validated.stderr.splitlines()[-1] == "next:  concert-demo run --dry-run"
