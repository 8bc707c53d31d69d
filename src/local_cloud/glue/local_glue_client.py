"""A Glue with boto3's methods, errors and states that really runs the job's script.

Every `s3://` address in a run's arguments is staged: what is below it is copied to a folder
before the run, and what the script changed there is copied back after it succeeded.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.json_object import JsonObject
from src.local_cloud.glue.job_definitions import JobDefinitions, glue_error
from src.local_cloud.glue.location_copies import Staging
from src.local_cloud.servers import processes

_ENGINES = {
    "duckdb": Path(__file__).with_name("duckdb_engine.py"),
    "spark": Path(__file__).with_name("spark_engine.py"),
}
_SPARE_LOG = "engine.log"
_SPILL = "spill"  # what an engine's memory does not hold
_RUNNING = ("STARTING", "RUNNING", "STOPPING", "WAITING")


@dataclass
class _Run:
    """One job run and its state as GetJobRun shows it."""

    id: str
    job: JsonObject
    arguments: dict[str, str]
    folder: Path
    attempt: int = 0
    previous: str | None = None
    state: str = "STARTING"
    error: str | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed: datetime | None = None
    process: subprocess.Popen[bytes] | None = None
    thread: threading.Thread | None = None
    stop_asked: bool = False

    def as_answer(self) -> JsonObject:
        end = self.completed or datetime.now(UTC)
        answer: JsonObject = {
            "Id": self.id,
            "Attempt": self.attempt,
            "JobName": self.job["Name"],
            "StartedOn": self.started,
            "JobRunState": self.state,
            "Arguments": dict(self.arguments),
            "ExecutionTime": int((end - self.started).total_seconds()),
            "LogGroupName": str(self.folder),
        }
        if self.previous:
            answer["PreviousRunId"] = self.previous
        if self.completed:
            answer["CompletedOn"] = self.completed
        if self.error:
            answer["ErrorMessage"] = self.error
        return answer


class LocalGlueClient:
    """The part of boto3's Glue client that job managers use; definitions survive in `folder`."""

    def __init__(self, s3: Any, folder: Path, *, engine: str = "duckdb") -> None:
        self._s3 = s3
        self._engine = _ENGINES[engine]
        self._folder = folder.absolute()
        self._jobs = JobDefinitions(self._folder / "jobs")
        self._runs: dict[str, _Run] = {}
        self._spare: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    # -- jobs ----------------------------------------------------------------------------

    def create_job(self, **job: Any) -> JsonObject:
        """Define a job; AlreadyExistsException where there is one of that name."""
        self._jobs.create(job)
        return {"Name": job["Name"]}

    def get_job(self, *, JobName: str) -> JsonObject:
        """Return a job's definition."""
        return {"Job": self._jobs.load(JobName, "GetJob")}

    def get_jobs(self, *, MaxResults: int = 1_000) -> JsonObject:
        """Return the definitions of all jobs."""
        return {"Jobs": self._jobs.all()[:MaxResults]}

    def list_jobs(self, *, MaxResults: int = 1_000) -> JsonObject:
        """Return the names of all jobs."""
        return {"JobNames": [job["Name"] for job in self._jobs.all()[:MaxResults]]}

    def update_job(self, *, JobName: str, JobUpdate: JsonObject) -> JsonObject:
        """Overwrite a job's whole definition, as Glue does."""
        self._jobs.overwrite(JobName, JobUpdate)
        return {"JobName": JobName}

    def get_tags(self, *, ResourceArn: str) -> JsonObject:
        """Return a job's tags."""
        name = ResourceArn.rpartition(":job/")[2]
        return {"Tags": self._jobs.load(name, "GetTags").get("Tags", {})}

    def delete_job(self, *, JobName: str) -> JsonObject:
        """Forget a job; one that is not there is no error."""
        self._jobs.delete(JobName)
        return {"JobName": JobName}

    # -- runs ----------------------------------------------------------------------------

    def start_job_run(
        self,
        *,
        JobName: str,
        Arguments: dict[str, str] | None = None,
    ) -> JsonObject:
        """Start a run; ConcurrentRunsExceededException above the job's MaxConcurrentRuns."""
        job = self._jobs.load(JobName, "StartJobRun")
        limit = job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
        arguments = {**job.get("DefaultArguments", {}), **(Arguments or {})}
        arguments.update(job.get("NonOverridableArguments", {}))
        with self._lock:
            running = [r for r in self._runs.values()
                       if r.job["Name"] == JobName and r.state in _RUNNING]  # fmt: skip
            if len(running) >= limit:
                text = f"Concurrent runs exceeded for {JobName}"
                raise glue_error("ConcurrentRunsExceededException", text, "StartJobRun")
            run_id = f"jr_{secrets.token_hex(8)}"
            self._begin(_Run(run_id, job, arguments, self._folder / "runs" / run_id))
        return {"JobRunId": run_id}

    def _begin(self, run: _Run) -> None:
        self._runs[run.id] = run
        run.thread = threading.Thread(target=self._work, args=(run,), name=run.id, daemon=True)
        run.thread.start()

    def _try_again(self, run: _Run) -> None:
        """Begin the next attempt of a failed run, as far as the job's MaxRetries allows."""
        if run.state != "FAILED" or run.attempt >= run.job.get("MaxRetries", 0):
            return
        attempt = run.attempt + 1
        run_id = f"{run.id.split('_attempt_')[0]}_attempt_{attempt}"
        folder = self._folder / "runs" / run_id
        self._begin(_Run(run_id, run.job, run.arguments, folder, attempt, run.id))

    def get_job_run(self, *, JobName: str, RunId: str) -> JsonObject:
        """Return a run's state."""
        return {"JobRun": self._run(JobName, RunId, "GetJobRun").as_answer()}

    def get_job_runs(self, *, JobName: str, MaxResults: int = 200) -> JsonObject:
        """Return the job's runs of this process, newest first."""
        runs = [r for r in self._runs.values() if r.job["Name"] == JobName]
        runs.sort(key=lambda r: r.started, reverse=True)
        return {"JobRuns": [r.as_answer() for r in runs[:MaxResults]]}

    def batch_stop_job_run(self, *, JobName: str, JobRunIds: list[str]) -> JsonObject:
        """Stop runs: the script's whole process group ends."""
        stopped = []
        for run_id in JobRunIds:
            run = self._run(JobName, run_id, "BatchStopJobRun")
            if run.state in _RUNNING:
                run.stop_asked, run.state = True, "STOPPING"
                _kill(run)
            stopped.append({"JobName": JobName, "JobRunId": run_id})
        return {"SuccessfulSubmissions": stopped, "Errors": []}

    def warm_up(self) -> None:
        """Start the engine of the next run already, while the caller has other work.

        It ends with the thread that calls this, so call it from the main one.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._spare = self._start_engine(self._folder / _SPARE_LOG)

    def close(self) -> None:
        """Stop whatever still runs and wait for it."""
        if self._spare is not None:
            self._spare.kill()
            self._spare.communicate()  # waits, and closes the pipe to it
            self._spare = None
        for run in self._runs.values():
            if run.state in _RUNNING:
                self.batch_stop_job_run(JobName=run.job["Name"], JobRunIds=[run.id])
            if run.thread:
                run.thread.join(10)
        shutil.rmtree(self._folder / _SPILL, ignore_errors=True)

    # -- one run -------------------------------------------------------------------------

    def _work(self, run: _Run) -> None:
        """Stage, run, bring back; every outcome ends as a state, never as a lost thread."""
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            staging = Staging(self._s3, run.folder / "staged")
            script = staging.localise(run.job["Command"]["ScriptLocation"])
            argv = [script]
            for name, value in run.arguments.items():
                argv += [name, staging.localise(value)]
            if run.stop_asked:
                run.state = "STOPPED"
                return
            run.state = "RUNNING"
            self._execute(run, argv)
            if run.state == "RUNNING":
                staging.bring_back()
                run.state = "SUCCEEDED"
        except Exception as error:  # a run's failure is its state, whatever it was
            run.state, run.error = "FAILED", f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(run.folder / "staged", ignore_errors=True)
            run.completed = datetime.now(UTC)
            if run.state == "STOPPING":
                run.state = "STOPPED"
            self._try_again(run)

    def _start_engine(self, log: Path) -> subprocess.Popen[bytes]:
        """Start an engine; it takes its script and arguments as one JSON line on stdin."""
        with log.open("wb") as output:
            return processes.spawn(
                [sys.executable, str(self._engine), str(self._folder / _SPILL)],
                log=output,
                death_signal=signal.SIGKILL,
                env=_clean_environment(),
                cwd=self._folder,  # Python finds no module of this project there
                stdin=subprocess.PIPE,
            )

    def _execute(self, run: _Run, argv: list[str]) -> None:
        log = run.folder / "error.log"
        spare, self._spare = self._spare, None
        if spare is not None and spare.poll() is None:
            run.process = spare
            (self._folder / _SPARE_LOG).rename(log)
        else:
            run.process = self._start_engine(log)
        if run.stop_asked:
            _kill(run)
        try:
            order = json.dumps(argv).encode() + b"\n"
            run.process.communicate(order, run.job.get("Timeout", 480) * 60)
            code = run.process.returncode
        except subprocess.TimeoutExpired:
            _kill(run)
            run.process.wait()
            run.state, run.error = "TIMEOUT", "Job run timed out"
            return
        if run.stop_asked:
            run.state = "STOPPED"
        elif code != 0:
            run.state, run.error = "FAILED", _error_line(log, code)

    def _run(self, job: str, run_id: str, operation: str) -> _Run:
        run = self._runs.get(run_id)
        if run is None or run.job["Name"] != job:
            raise glue_error("EntityNotFoundException", f"Job run {run_id} is not found", operation)
        return run


def _kill(run: _Run) -> None:
    if run.process is not None and run.process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)


def _clean_environment() -> dict[str, str]:
    """Return the environment of a job: a job on AWS sees none of this machine's settings."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "JAVA_HOME")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _error_line(log: Path, code: int) -> str:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith('{"error": '):
            return str(json.loads(line)["error"])
    if code < 0:
        return f"the script was killed by signal {-code}"
    return processes.tail(log) or f"the script ended with exit code {code}"
