"""Two days of the cycle on real data: the world goes on, and training waits for a need."""

import json
import signal
import sys
from contextlib import closing

from src.orchestration.operations.alerts import Alerts
from src.orchestration.operations.cycle_runner import CycleRunner
from src.reporting.terminal.console import Console
from src.settings import Settings
from tests.waiting import wait_until

WORLD = {"DEMO_ARTISTS": "40", "DEMO_VENUES": "20", "DEMO_CONCERTS": "300", "DEMO_SALES": "900",
         "DEMO_ETL": "direct"}  # fmt: skip


def operations(script, *arguments, **extra):
    return [sys.executable, "-m", "src.operations", *arguments], {**WORLD, **extra}


def test_two_days_in_a_row(hosted):
    reports = hosted.folder / "r"
    settings = Settings(state_dir=str(hosted.state), report_dir=str(reports))
    scripts = {"run": "run_demo_pipeline.py", "train": "train_demo_models.py"}
    output = ["--output-dir", str(hosted.folder / "m")]

    def execute(step):
        name, *options = step.command
        if name == "serving":
            return 0, {}
        more = output if name == "train" else []
        command = hosted.command(*options, "--json", *more, name=scripts[name])
        done = hosted.run_command(command, **WORLD)
        return done.returncode, json.loads(done.stdout)

    console = Console(quiet=True)
    alerts = Alerts(settings, console)
    runner = CycleRunner(settings, console, execute=execute, alert=alerts.of_cycle)
    first, second = runner.run(), runner.run()
    assert first.outcome in ("promoted", "kept") or "checks of the new models" in first.why
    if first.outcome != "failed":
        assert second.outcome == "not needed" and " more concerts are over" in second.why
    with closing(hosted.cloud.connect_redshift()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT DISTINCT as_of, load_mode FROM concert_dw.load_history ORDER BY 1")
        assert [(f"{day:%m-%d}", mode) for day, mode in cursor.fetchall()] == [
            ("09-30", "replace"), ("10-01", "merge"),
        ]  # fmt: skip
    cycles = [json.loads(line) for line in (reports / "cycles.ndjson").read_text().splitlines()]
    assert len(cycles) == 2
    assert all((reports / step["run_id"]).is_dir() for c in cycles for step in c["steps"])


def test_a_cycle_that_cannot_run_is_an_alert_and_its_exit_code(hosted):
    taken = hosted.folder / "alerts"
    copy = f"import sys; open({str(taken)!r}, 'a').write(sys.stdin.read())"
    command, extra = operations(
        hosted, "once", "--report-dir", str(hosted.folder / "r"),
        DEMO_INPUT_DIR="/no/such/folder", DEMO_ALERT_COMMAND=f'{sys.executable} -c "{copy}"',
    )  # fmt: skip
    done = hosted.run_cold(command, **extra)
    assert done.returncode == 2 and "alert  ALARM: cycle: Pipeline: " in done.stderr
    assert done.stdout.startswith("failed: Pipeline: ") and "/no/such" in done.stdout
    assert json.loads(taken.read_text())["state"] == "ALARM"


def test_ctrl_c_ends_a_schedule_that_waits(script):
    command, extra = operations(script, "schedule", "cron(0 6 1 1 ? *)", "--timezone", "UTC")
    process = script.start_command(command, **extra)
    stored = script.state / "schedule.json"
    wait_until(stored.exists, "the schedule is stored")
    second, _ = operations(script, "schedule", "rate(1 day)")
    refused = script.run_cold(second, **extra)
    assert refused.returncode == 2 and f"process {process.pid}" in refused.stderr
    assert "next cycle: " in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130 and json.loads(stored.read_text())["last_due"] is None
    removed = script.run_cold(operations(script, "remove")[0], **extra)
    assert removed.returncode == 0 and not stored.exists()
