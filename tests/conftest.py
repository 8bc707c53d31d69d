"""Fixtures shared by all tests."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings

from src.local_cloud.local_cloud import LocalCloud
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
from tests import prepared
from tests.warm_start import WarmStart

# The test command draws the same examples each time; `--hypothesis-profile explore` draws new ones.
# How long one example takes says nothing on a busy machine.
_PROPERTIES = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow,
               HealthCheck.function_scoped_fixture]}  # fmt: skip
settings.register_profile("same", derandomize=True, database=None, **_PROPERTIES)
settings.register_profile("explore", derandomize=False, print_blob=True, **_PROPERTIES)
settings.load_profile("same")

ROOT = Path(__file__).parents[1]
# These share a run of the default size and its models, so one worker runs them all.
TRAINED = ("test_training", "test_report_page", "test_documents_run")
# Files that take a minute or more go first: the last one must not keep one of two workers waiting.
LONG = (*TRAINED, "test_publishing", "test_pipeline", "test_spark_parity", "test_aws_training",
        "test_local_sharing", "test_resume", "test_own_values", "test_redshift_copy_files",
        "test_stage_order", "test_aws_faults", "test_candidates", "test_validation")  # fmt: skip


def pytest_configure(config):
    """Keep what the servers of this session put in the temporary folder together, to delete it."""
    # Else each of the hundreds of scripts that are started compiles the whole project first.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not hasattr(config, "workerinput"):  # its workers inherit the folder
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # stays for reading
        config.scratch = tempfile.mkdtemp(prefix="concert-demo-tests-")
        Path(config.scratch).chmod(0o755)
        os.environ["TMPDIR"] = tempfile.tempdir = config.scratch
    prepared.install()


def pytest_unconfigure(config):
    if hasattr(config, "scratch"):
        shutil.rmtree(config.scratch, ignore_errors=True)


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in a random order")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each file to one worker, and those that share the models to the same one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "trained" if Path(file).stem in TRAINED else file

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(config, items):
    """Put long files first; with --shuffle, files and the tests of a file in a random order."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        dice = random.Random(seed)
        files = list(dict.fromkeys(item.path for item in items))
        places = dict(zip(dice.sample(files, len(files)), range(len(files)), strict=True))
        items.sort(key=lambda item: (places[item.path], dice.random()))
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONG)))


SMALL = ["--artists", "40", "--venues", "20", "--concerts", "200", "--sales", "1500"]


class FolderSink:
    """A data set's sink that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, path: str, body: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)


LIMIT_S = 900  # for a script that hangs; no machine is so busy that one that works takes as long


class Script:
    """Runs a script of the suite as a user does, in a folder of its own."""

    started: ClassVar[list["subprocess.Popen[str]"]] = []
    warm: ClassVar[WarmStart] = WarmStart()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".demo"

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DEMO_", "REDSHIFT_"))}
        return {**kept, "DEMO_STATE_DIR": str(self.state), **extra}

    def command(self, *arguments: str, name: str = "run_demo_pipeline.py") -> list[str]:
        reports = [] if "--report-dir" in arguments else ["--report-dir", str(self.folder / "r")]
        return [sys.executable, str(ROOT / name), *arguments, *reports]

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return self.run_command(self.command(*arguments), **extra)

    def run_command(self, command: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a script; its libraries are imported already where Python's own start is as usual."""
        is_plain = all(name.startswith(("DEMO_", "REDSHIFT_")) for name in extra)
        if is_plain and command[1].endswith(".py"):
            done = self.warm.run(command, self.environment(**extra), LIMIT_S)
            if done is not None:
                return done
        return self.run_cold(command, **extra)

    def run_cold(self, command: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a script from nothing."""
        process = self.start_command(command, PYTHONFAULTHANDLER="1", **extra)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it then prints what each thread was doing
            out, err = process.communicate()
            pytest.fail(f"{command} ran for {LIMIT_S} s\n{out}{err}")
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(self, *arguments: str, **extra: str) -> "subprocess.Popen[str]":
        return self.start_command(self.command(*arguments), **extra)

    def start_command(self, command: list[str], **extra: str) -> "subprocess.Popen[str]":
        """Start a process; if it still runs when its test is over, it is ended then."""
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment(**extra), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process


@pytest.fixture(autouse=True)
def no_script_outlives_its_test():
    yield
    while Script.started:
        with Script.started.pop() as process:
            process.kill()


@pytest.fixture(autouse=True, scope="session")
def no_process_outlives_the_session():
    yield
    Script.warm.close()


class Trainer(Script):
    """Runs train_demo_models.py in a folder of its own."""

    def train(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        options = [*arguments, "--output-dir", str(self.folder / "models")]
        command = self.command(*options, name="train_demo_models.py")
        return self.run_command(command, **extra)


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path)


@pytest.fixture
def closed_port():
    """A port of this machine on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """One local cloud for the tests that talk to its parts directly."""
    with LocalCloud(tmp_path_factory.mktemp("cloud") / ".demo") as running:
        yield running


@pytest.fixture
def s3(cloud):
    return cloud.s3_client()


@pytest.fixture
def small_world():
    return SyntheticDataGenerator(WorldSize(60, 30, 400, 3000), seed=7, defect_rate=0.02)


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """The default data, loaded by a run of the pipeline: the script and what it said."""
    script = Trainer(tmp_path_factory.mktemp("loaded"))
    done = script.run()
    assert done.returncode == 0, done.stderr
    return script, done


@pytest.fixture(scope="session")
def trained(loaded):
    """Both models trained on the default data: the script and what it said."""
    script, _ = loaded
    return script, script.train("--with-challengers")
