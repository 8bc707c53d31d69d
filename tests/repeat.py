"""The test command again and again: `python -m tests.repeat --runs 10 --busy 2`.

Each run has a random order of its own, and every second one so many busy processes beside it.
One line a run; the output of a run that failed is kept, and its place printed. What follows
`--` goes to pytest instead of `-n 2`.
"""

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Ends with this program, whatever ends it.
BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): sum(range(100_000))"
TALLY = re.compile(r"^=*\s*((?:\d+ \w+,? ?)+) in [\d.]+s", re.MULTILINE)


@contextlib.contextmanager
def busy_beside(count):
    with contextlib.ExitStack() as running:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())])
            running.callback(process.wait)
            running.callback(process.kill)
        yield


def run(command, log, limit_s):
    """Run one in a process group of its own; returns its exit code, None at the limit."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tally(text):
    """Return what pytest counted, and the tests that failed."""
    counted = TALLY.findall(text)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    return counted[-1].strip() if counted else "no summary", failed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="in every second run")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the orders")
    parser.add_argument("--limit", type=float, default=7200, metavar="S", help="seconds for a run")
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of what is to be closed
    folder, bad = Path(tempfile.mkdtemp(prefix="concert-demo-repeat-")), 0
    for number in range(1, chosen.runs + 1):
        seed, busy = chosen.seed + number - 1, chosen.busy if number % 2 == 0 else 0
        command = [sys.executable, "-m", "pytest", "-v", "--shuffle", str(seed)]
        path, started = folder / f"run-{number}.log", time.monotonic()
        with busy_beside(busy), path.open("w") as log:
            code = run([*command, *(chosen.pytest or ["-n", "2"])], log, chosen.limit)
        counted, failed = tally(path.read_text(errors="replace"))
        verdict = {0: "passed", None: f"not done in {chosen.limit:.0f} s"}.get(code, "FAILED")
        print(f"run {number}/{chosen.runs}  order {seed}  busy {busy}  {verdict}  {counted}  "
              f"{time.monotonic() - started:.0f} s", *failed, sep="\n  " if failed else "",
              flush=True)  # fmt: skip
        bad += code != 0
        path.unlink() if code == 0 else print(f"  see {path}", flush=True)
    if not bad:
        folder.rmdir()
    print(f"{chosen.runs - bad} of {chosen.runs} runs passed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
