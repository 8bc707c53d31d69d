"""Creates or updates a Glue job, runs it, and waits for the one good end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from src.errors import EtlError, UnreachableError
from src.infrastructure.s3_storage import S3Storage

SCRIPT_PREFIX = "scripts"
# JobRunState of the Glue API: all other states are still on their way.
GOOD_END = "SUCCEEDED"
BAD_ENDS = frozenset({"STOPPED", "FAILED", "TIMEOUT", "ERROR", "EXPIRED"})
# Glue's own failures, not the script's: worth one more attempt.
RETRIED_ENDS = frozenset({"ERROR", "EXPIRED"})
_BUSY = frozenset({"ConcurrentRunsExceededException", "ResourceNumberLimitExceededException"})


@dataclass(frozen=True)
class GlueJob:
    """What the job should be; the definition sent to Glue is built from this alone."""

    name: str
    role: str
    script: Path
    timeout_minutes: int = 60
    workers: int = 2
    worker_type: str = "G.1X"
    glue_version: str = "5.0"


@dataclass(frozen=True)
class GlueRun:
    """How a run ended."""

    run_id: str
    state: str
    seconds: float
    attempts: int
    log_group: str | None = None
    dpu_seconds: float | None = None


class GlueJobManager:
    """Runs a PySpark script as a Glue job through a boto3-shaped client.

    `poll_s` is the time between looks; `busy_wait_s` bounds the wait for another run to end.
    """

    def __init__(
        self,
        client: Any,
        storage: S3Storage,
        *,
        poll_s: float = 10.0,
        busy_wait_s: float = 900.0,
        max_attempts: int = 2,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._storage = storage
        self._poll_s = poll_s
        self._busy_wait_s = busy_wait_s
        self._max_attempts = max_attempts
        self._sleep = sleep
        self._clock = clock

    def ensure_job(self, job: GlueJob) -> str:
        """Create the job or make it what it should be; returns created, updated or unchanged.

        The script's key holds its digest, so a run never sees another version's script.
        """
        body = job.script.read_bytes()
        key = f"{SCRIPT_PREFIX}/{job.script.stem}-{hashlib.sha256(body).hexdigest()[:12]}.py"
        if not any(found.key == key for found in self._storage.list_objects(key)):
            self._storage.put(key, body, content_type="text/x-python")
        wanted = _definition(job, self._storage.uri(key))
        try:
            current = self._call(job.name, self._client.get_job, JobName=job.name)["Job"]
        except EtlError as error:
            if _code(error) != "EntityNotFoundException":
                raise
            self._call(job.name, self._client.create_job, Name=job.name, **wanted)
            return "created"
        if all(current.get(name) == value for name, value in wanted.items()):
            return "unchanged"
        # UpdateJob overwrites the whole definition: send ours, never a changed copy of theirs.
        self._call(job.name, self._client.update_job, JobName=job.name, JobUpdate=wanted)
        return "updated"

    def run(
        self,
        job_name: str,
        arguments: dict[str, str],
        on_state: Callable[[str, str], None] | None = None,
    ) -> GlueRun:
        """Start the job and wait for its end; `on_state(run id, state)` hears each change.

        Raises EtlError for every end but SUCCEEDED. Ctrl-C stops the run first.
        """
        started = self._clock()
        attempt = 0
        while True:
            attempt += 1
            run_id = self._start(job_name, arguments)
            try:
                last = self._wait(job_name, run_id, on_state)
            except BaseException:
                self._stop(job_name, run_id)
                raise
            state = last["JobRunState"]
            if state == GOOD_END:
                return GlueRun(
                    run_id,
                    state,
                    self._clock() - started,
                    attempt,
                    last.get("LogGroupName"),
                    last.get("DPUSeconds"),
                )
            if state not in RETRIED_ENDS or attempt >= self._max_attempts:
                raise _failed(job_name, run_id, last)

    def _start(self, job_name: str, arguments: dict[str, str]) -> str:
        deadline = self._clock() + self._busy_wait_s
        while True:
            try:
                answer = self._call(
                    job_name, self._client.start_job_run, JobName=job_name, Arguments=arguments
                )
            except EtlError as error:
                if _code(error) not in _BUSY or self._clock() >= deadline:
                    raise
                self._sleep(self._poll_s)
            else:
                return str(answer["JobRunId"])

    def _wait(
        self, job_name: str, run_id: str, on_state: Callable[[str, str], None] | None
    ) -> dict[str, Any]:
        seen = ""
        while True:
            run: dict[str, Any] = self._call(
                job_name, self._client.get_job_run, JobName=job_name, RunId=run_id
            )["JobRun"]
            state = run["JobRunState"]
            if state != seen and on_state:
                on_state(run_id, state)
            seen = state
            if state == GOOD_END or state in BAD_ENDS:
                return run
            self._sleep(self._poll_s)

    def _stop(self, job_name: str, run_id: str) -> None:
        """Stop a run we no longer wait for; what made us leave is the error that counts."""
        try:
            self._client.batch_stop_job_run(JobName=job_name, JobRunIds=[run_id])
        except (ClientError, BotoCoreError):
            return

    def _call(self, job_name: str, operation: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return operation(**arguments)
        except ClientError as error:
            raise EtlError(
                f"Glue refused {error.operation_name} for job {job_name}",
                where=f"Glue job {job_name}",
                cause=f"{_code(error)}: {error.response['Error'].get('Message', '')}",
                hint="check the role and its glue: permissions, then run the same command again",
            ) from error
        except BotoCoreError as error:
            raise UnreachableError(
                "Glue does not answer",
                where=f"Glue job {job_name}",
                cause=str(error),
                hint="check the network and AWS_REGION, then run the same command again",
            ) from error


def _definition(job: GlueJob, script_uri: str) -> dict[str, Any]:
    return {
        "Role": job.role,
        "Command": {"Name": "glueetl", "ScriptLocation": script_uri, "PythonVersion": "3"},
        "DefaultArguments": {"--job-language": "python"},
        "GlueVersion": job.glue_version,
        "WorkerType": job.worker_type,
        "NumberOfWorkers": job.workers,
        "Timeout": job.timeout_minutes,
        "MaxRetries": 0,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
    }


def _failed(job_name: str, run_id: str, run: dict[str, Any]) -> EtlError:
    log = run.get("LogGroupName")
    return EtlError(
        f"Glue job {job_name} ended {run['JobRunState']}",
        where=f"run {run_id}" + (f", log {log}" if log else ""),
        cause=run.get("ErrorMessage") or "Glue gave no error message",
        hint="read the log, then run the same command again",
    )


def _code(error: Exception) -> str:
    origin = error if isinstance(error, ClientError) else error.__cause__
    response = getattr(origin, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
