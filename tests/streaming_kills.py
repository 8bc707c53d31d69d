"""Kills -9 among producer, stream, ingester and PostgreSQL: `python -m tests.streaming_kills`.

The stream and the warehouse are those of a host of their own, the producer and the ingester two
more processes. Each kill hits one of the four at random, while calls are under way, and with
duplicates and broken events injected; the process is started again. At the end every event that
was acknowledged is compared with the warehouse.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from src.domain.live_sales import LiveSale
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.streaming.producer_ledger import ProducerLedger
from src.infrastructure.warehouse.streamed_sales import StreamedSales, StreamedTotals
from src.local_cloud.local_cloud import LocalCloud
from src.services.data_quality_service import CheckResult
from src.streaming.audit import Auditor, Produced
from src.streaming.live_run import events_of
from tests.conftest import ROOT
from tests.waiting import wait_until

WORLD = ["--artists", "300", "--venues", "150", "--concerts", "3000", "--sales", "12000"]
VICTIMS = ("producer", "stream", "ingester", "postgres")
STREAM = "concert-demo-sales"


class Process:
    """One process of the live layer, started again after each kill."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._arguments, self._environment, self._log = arguments, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments], cwd=ROOT, env=self._environment,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # fmt: skip

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()


class Live:
    """The four processes over one state folder."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.state = folder / ".demo"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DEMO_", "REDSHIFT_"))}
        self.environment = {**kept, "DEMO_STATE_DIR": str(self.state)}
        made = self._process
        self.processes = {
            "stream": made(["src.local_cloud", "up"], folder / "up.log"),
            "ingester": made(["src.streaming", "ingest", "--refresh", "0.25", "--no-color"],
                             folder / "ingest.log"),
            "producer": made(["src.streaming", "produce", "--for", "0", "--rate", f"{rate:g}",
                              "--broken", "0.05", "--on-sale", "none", "--no-color"],
                             folder / "produce.log"),
        }  # fmt: skip
        self.restarts: Counter[str] = Counter()

    def _process(self, arguments: list[str], log: Path) -> Process:
        return Process(arguments, self.environment, log)

    def start(self) -> None:
        self.processes["stream"].start()
        wait_until((self.state / "servers.json").exists, "the servers")
        for name in ("producer", "ingester"):
            self.processes[name].start()

    def revive(self, *names: str) -> None:
        """Start again what has ended; all three without names."""
        for name in names or ("stream", "producer", "ingester"):
            if not self.processes[name].is_running:
                self.restarts[name] += 1
                if name == "stream":
                    (self.state / "servers.json").unlink(missing_ok=True)
                self.processes[name].start()
                if name == "stream":
                    wait_until((self.state / "servers.json").exists, "the servers")

    def kill(self, victim: str) -> None:
        if victim != "postgres":
            self.processes[victim].kill()
            return
        for pid_file in self.state.rglob("postmaster.pid"):
            with suppress(ProcessLookupError, FileNotFoundError, ValueError, IndexError):
                os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    def acknowledged(self) -> int:
        return ProducerLedger(self.ledger).acknowledged

    @property
    def ledger(self) -> Path:
        return self.state / "streaming" / STREAM

    def stop(self) -> None:
        for name in ("producer", "ingester", "stream"):
            self.processes[name].stop()


def prepare(folder: Path) -> None:
    """Load a world in which there are tickets left after many kills."""
    environment = {**os.environ, "DEMO_STATE_DIR": str(folder / ".demo")}
    command = [sys.executable, "run_demo_pipeline.py", *WORLD, "-q",
               "--report-dir", str(folder / "r")]  # fmt: skip
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def kill_at_random(
    live: Live, kills: int, dice: random.Random, victims: tuple[str, ...] = VICTIMS,
    say: Callable[[str], None] = lambda text: None,
) -> Counter[str]:  # fmt: skip
    """Kill one process after the other; each time until events are acknowledged again."""
    done: Counter[str] = Counter()
    while sum(done.values()) < kills:
        before = live.acknowledged()
        wait_until(lambda before=before: _moves(live, before), "events after a kill",
                   timeout_s=300)  # fmt: skip
        time.sleep(dice.uniform(0.0, 1.0))  # anywhere in what they do, calls under way included
        victim = dice.choice(victims)
        live.kill(victim)
        done[victim] += 1
        say(f"kill {sum(done.values())}: {victim}, {before:,} acknowledged")
    return done


def _moves(live: Live, before: int) -> bool:
    live.revive()
    return live.acknowledged() > before


def verify(live: Live) -> tuple[list[CheckResult], StreamedTotals, int]:
    """Let the rest be ingested, and compare event by event."""
    live.revive()
    live.processes["producer"].stop()
    with LocalCloud(live.state, role="visitor") as cloud, ExitStack() as until:
        client = RedshiftClient(cloud.connect_redshift)
        until.callback(client.close)
        sales = StreamedSales(client)

        def is_drained() -> bool:
            live.revive("stream", "ingester")
            return sales.totals().records >= live.acknowledged()

        wait_until(is_drained, "all events in the tables", pause_s=0.5)
        live.processes["ingester"].stop()
        sales.refresh()
        while sales.ingest().records:
            pass
        events: list[LiveSale] = events_of(ProducerLedger(live.ledger), 0)
        checks = Auditor(client, 42).audit(Produced.of(events), sales.totals())
        return checks, sales.totals(), len(events)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streaming-kills-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        prepare(folder)
        live = Live(folder, chosen.rate)
        started = time.monotonic()
        try:
            live.start()
            done = kill_at_random(live, chosen.kills, random.Random(chosen.seed), say=print)
            checks, totals, events = verify(live)
        except BaseException:
            for log in sorted(folder.glob("*.log")):
                print(f"-- {log.name}", *log.read_text().splitlines()[-8:], sep="\n")
            raise
        finally:
            live.stop()
    print(f"{sum(done.values())} kills ({dict(done)}) in {time.monotonic() - started:.0f} s: "
          f"{events:,} acknowledged, {totals}")  # fmt: skip
    for check in checks:
        print(f"  {check.verdict:<7} {check.title}: {check.found}")
    return int(any(check.verdict == "failed" for check in checks))


if __name__ == "__main__":
    sys.exit(main())
