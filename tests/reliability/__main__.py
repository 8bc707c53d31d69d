"""Kills and faults at random moments: `python -m tests.reliability`; a table, and a JSON.

Each trial runs the pipeline on a state folder that holds an earlier run, hurts one part at a
random moment, and runs the same command again. Survived is a trial after which the warehouse
holds, byte for byte, what an undisturbed run leaves; lost is one after which it does not.
"""

import argparse
import gc
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from src.local_cloud.servers.server_folder import data_folder
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.settings import Settings
from tests.conftest import SMALL, Script
from tests.integration.pipeline.test_pipeline import leftovers, warehouse

PATIENCE_S = 90
# The parts of a run by what their command lines say; the script itself is its own process.
PARTS = {"S3 server": "rclone", "PostgreSQL": "postgres", "Glue process": "duckdb_engine.py",
         "connection's process": "postgres: demo"}  # fmt: skip
SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
# PostgreSQL ends every connection and restarts all of itself where one process was killed.
KILLS = [("script", "kill -9"), *((part, "kill -9") for part in PARTS)]
OTHERS = [("script", "SIGTERM"), ("script", "SIGINT"), ("script", "SIGINT twice"),
          ("S3 server", "stopped for 3 s"), ("PostgreSQL", "stopped for 3 s"),
          ("PostgreSQL", "SIGINT")]  # fmt: skip


def content_of(script):
    """Return a digest of every row of the warehouse, run ids and times left out."""
    return hashlib.sha256(repr(warehouse(script)).encode()).hexdigest()


def victim(process, part):
    """Return the process to hurt, or None where it does not run at this moment."""
    if part == "script":
        return psutil.Process(process.pid)
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            if PARTS[part] in " ".join(child.cmdline()):
                return child  # of PostgreSQL the first is the postmaster
    except psutil.NoSuchProcess:
        return None
    return None


def hurt(process, part, how):
    """Do it; returns whether there was anything to hurt."""
    found = victim(process, part)
    if found is None:
        return False
    try:
        if how.startswith("stopped"):
            found.suspend()
            time.sleep(3)
            found.resume()
        else:
            for _ in range(2 if how.endswith("twice") else 1):
                found.send_signal(SIGNALS[how.split(" twice")[0]])
                time.sleep(0.05)
    except psutil.NoSuchProcess:
        return False
    return True


def trial(base, expected, seconds, part, how, moment):
    """Run one; returns what happened."""
    with tempfile.TemporaryDirectory() as name:
        script = Script(Path(name))
        shutil.copytree(base.state, script.state)
        process = subprocess.Popen(
            script.command(*SMALL), env=script.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(moment * seconds)
        while not (was_hurt := hurt(process, part, how)) and process.poll() is None:
            time.sleep(0.02)  # that part is not up yet
        try:
            _, err = process.communicate(timeout=PATIENCE_S)
            hung = False
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
            hung = True
        outcome = {"part": part, "how": how, "moment": round(moment, 3), "was_hurt": was_hurt,
                   "exit_code": process.returncode, "hung": hung,
                   "traceback": "Traceback" in err, "said": last_line(err)}  # fmt: skip
        deadline = time.monotonic() + 20
        while leftovers(script) and time.monotonic() < deadline:
            time.sleep(0.1)
        outcome["left_processes"] = len(leftovers(script))
        again = script.run(*SMALL)
        outcome["again"] = again.returncode
        outcome["again_said"] = last_line(again.stderr) if again.returncode else ""
        outcome["survived"] = bool(
            again.returncode == 0 and content_of(script) == expected
            and not outcome["left_processes"] and not hung and not outcome["traceback"]
            and outcome["exit_code"] in (0, 1, 2, 130, -signal.SIGKILL)
            and not left_objects(script)
        )  # fmt: skip
        return outcome


def last_line(text):
    lines = [line for line in text.splitlines() if line.startswith(("error:", "Interrupted"))]
    return lines[-1][:160] if lines else ""


def left_objects(script):
    """Return objects of a run that are of no use to anybody: halves of uploads, spilled data."""
    found = [*script.state.rglob("*.partial"), *(script.state / "glue/spill").rglob("*")]
    return [str(path) for path in found]


def soak(runs):
    """Run small pipelines in one process; returns what was held after ten and at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(
            artists=40, venues=20, concerts=200, sales=1500, state_dir=str(folder / ".demo"),
            report_dir=str(folder / "r"),
        )  # fmt: skip
        held = {}
        for number in range(1, runs + 1):
            with DemoPipelineOrchestrator(settings) as pipeline:
                report = pipeline.run_pipeline()
            assert report["verdict"] == "succeeded", report["error"]
            if number in (min(10, runs), runs):
                gc.collect()
                process = psutil.Process()
                held[number] = {
                    "memory_mb": round(process.memory_info().rss / 2**20, 1),
                    "file_handles": process.num_fds(),
                    "threads": process.num_threads(),
                    "child_processes": len(process.children(recursive=True)),
                    "state_mb_without_data_sets": round(state_bytes(folder / ".demo") / 2**20, 1),
                    "warehouse_mb": round(
                        folder_bytes(data_folder(folder / ".demo/redshift")) / 2**20, 1
                    ),
                    "temporary_files": sum(
                        1
                        for pattern in ("tmp*", "concert-demo-*")
                        for _ in Path(tempfile.gettempdir()).glob(pattern)
                    ),
                }
        return held


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def state_bytes(state):
    """Return the bytes of a state folder, but for what each run is asked to keep."""
    kept = ("s3/", "glue/runs/")
    return sum(
        path.stat().st_size
        for path in state.rglob("*")
        if path.is_file() and not path.relative_to(state).as_posix().startswith(kept)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50, help="kills; other faults: a third")
    parser.add_argument("--soak", type=int, default=0, help="instead: so many runs in one process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="reports/reliability.json")
    chosen = parser.parse_args()
    if chosen.soak:
        print(json.dumps(soak(chosen.soak), indent=2))
        return 0
    dice = random.Random(chosen.seed)
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        base = Script(Path(name))
        assert base.run(*SMALL).returncode == 0
        started = time.perf_counter()
        assert base.run(*SMALL).returncode == 0
        seconds = time.perf_counter() - started
        expected = content_of(base)
        plan = [KILLS[i % len(KILLS)] for i in range(chosen.moments)]
        plan += [OTHERS[i % len(OTHERS)] for i in range(chosen.moments // 3)]
        for number, (part, how) in enumerate(plan, 1):
            outcome = trial(base, expected, seconds, part, how, dice.random())
            outcomes.append(outcome)
            print(f"{number:3}/{len(plan)}  {json.dumps(outcome)}", file=sys.stderr, flush=True)
    print("| part | what | tried | hurt | run failed with an error block | survived | lost |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for part, how in dict.fromkeys(plan):
        mine = [o for o in outcomes if (o["part"], o["how"]) == (part, how)]
        print(
            f"| {part} | {how} | {len(mine)} | {sum(o['was_hurt'] for o in mine)} "
            f"| {sum(o['exit_code'] in (1, 2) for o in mine)} "
            f"| {sum(o['survived'] for o in mine)} | {sum(not o['survived'] for o in mine)} |"
        )
    out = Path(chosen.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(outcomes, indent=2) + "\n")
    return int(not all(outcome["survived"] for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
