"""Creates or updates a Glue job, runs it, and waits for its end."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from src.domain.bucket_layout import job_library, job_script
from src.errors import DemoError, EtlError, UnreachableError
from src.infrastructure.aws.account import console_domain
from src.infrastructure.aws.answers import (
    AWS_ERRORS,
    PASSING,
    AwsRefusal,
    asking,
    code_of,
    unless_missing,
)
from src.infrastructure.aws.glue_job import GlueJob, GlueRun, definition, dpu_seconds
from src.infrastructure.storage.s3_storage import S3Storage
from src.json_object import JsonObject
from src.waiting import Clock, Sleep, attempts, every, growing, poll_until, real_clock, real_sleep

if TYPE_CHECKING:
    from src.infrastructure.aws.glue_logs import GlueLogs

T = TypeVar("T")
TOKEN = "--run-token"  # the argument by which a rerun recognises its own run
# JobRunState of the Glue API: in all other states the run is still in progress.
GOOD_END = "SUCCEEDED"
BAD_ENDS = frozenset({"STOPPED", "FAILED", "TIMEOUT", "ERROR", "EXPIRED"})
# Glue's own failures, not the script's: worth one more attempt.
RETRIED_ENDS = frozenset({"ERROR", "EXPIRED"})
_BUSY = frozenset({"ConcurrentRunsExceededException", "ResourceNumberLimitExceededException"})
_NEWEST_RUNS = 50
_SUCCESSOR_WAIT_S = 120.0


class GlueJobManager:
    """Runs a PySpark script as a Glue job through a boto3-shaped client.

    `logs` are the job's log groups on AWS. `poll_s` is the time between looks; `busy_wait_s`
    bounds the wait for another run to end.
    """

    def __init__(
        self,
        client: Any,
        storage: S3Storage,
        *,
        logs: GlueLogs | None = None,
        poll_s: float = 10.0,
        busy_wait_s: float = 900.0,
        max_attempts: int = 2,
        sleep: Sleep = real_sleep,
        clock: Clock = real_clock,
    ) -> None:
        self._client = client
        self._storage = storage
        self._logs = logs
        self._poll_s = poll_s
        self._busy_wait_s = busy_wait_s
        self._max_attempts = max_attempts
        self._sleep = sleep
        self._clock = clock
        self._max_retries: dict[str, int] = {}
        self._scripts: dict[str, str] = {}

    def ensure_job(self, job: GlueJob) -> str:
        """Create the job or make it what it should be; returns created, updated or unchanged.

        The script's key holds its digest, so a run never sees another version's script.
        """
        if self._logs is not None:
            self._logs.ensure()
        script = job.script.read_bytes()
        key = job_script(job.script.stem, hashlib.sha256(script).hexdigest())
        self._ship(key, script, "text/x-python")
        library = ""
        if job.library:
            library = job_library(hashlib.sha256(job.library).hexdigest())
            self._ship(library, job.library, "application/zip")
        self._max_retries[job.name], self._scripts[job.name] = job.max_retries, key + library
        library_uri = self._storage.uri(library) if library else ""
        wanted = definition(job, self._storage.uri(key), library_uri)
        found = self._call(job.name, unless_missing, self._client.get_job, JobName=job.name)
        if found is None:
            self._call(job.name, self._client.create_job, Name=job.name, Tags=job.tags, **wanted)
            return "created"
        if all(found["Job"].get(name) == value for name, value in wanted.items()):
            return "unchanged"
        # UpdateJob overwrites the whole definition: never send a changed copy of Glue's.
        self._call(job.name, self._client.update_job, JobName=job.name, JobUpdate=wanted)
        return "updated"

    def _ship(self, key: str, body: bytes, content_type: str) -> None:
        """Store what a job is made of, unless it is there: the key holds its digest."""
        if not any(one.key == key for one in self._storage.list_objects(key)):
            self._storage.put(key, body, content_type=content_type)

    def run(
        self,
        job_name: str,
        arguments: dict[str, str],
        on_state: Callable[[str, str], None] | None = None,
    ) -> GlueRun:
        """Start the job and wait for its end; `on_state(run id, state)` is called at each change.

        A run with the same script and arguments that is already in progress is waited for instead.
        Raises EtlError for every end but SUCCEEDED. Ctrl-C stops the run first.
        """
        notify = on_state or (lambda *_: None)
        arguments = {**arguments, TOKEN: self._token(job_name, arguments)}
        started, attempt = self._clock(), 1
        run_id = found = self._running_already(job_name, arguments[TOKEN])
        while True:
            run_id = run_id or self._start(job_name, arguments)
            try:
                last = self._wait(job_name, run_id, notify)
                successor = self._successor(job_name, last)
            except BaseException:
                self._stop(job_name, run_id, notify)
                raise
            state = last["JobRunState"]
            if state == GOOD_END:
                return GlueRun(
                    run_id,
                    state,
                    self._clock() - started,
                    attempt,
                    self._log_group(last),
                    dpu_seconds(last),
                    self._console_url(job_name, run_id),
                    found is not None,
                )
            gives_up = state not in RETRIED_ENDS or attempt >= self._max_attempts
            if successor is None and gives_up:
                raise self._failed(job_name, last)
            run_id, attempt = successor, attempt + 1

    def _token(self, job_name: str, arguments: dict[str, str]) -> str:
        text = json.dumps([self._scripts.get(job_name), sorted(arguments.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _running_already(self, job_name: str, token: str) -> str | None:
        """Return the newest run with a token that has not ended, or None."""
        for run in self._newest_runs(job_name):
            if run.get("Arguments", {}).get(TOKEN) == token and not _has_ended(run):
                return str(run["Id"])
        return None

    def _newest_runs(self, job_name: str) -> list[JsonObject]:
        call = self._client.get_job_runs
        answer = self._patiently(job_name, call, JobName=job_name, MaxResults=_NEWEST_RUNS)
        return list(answer["JobRuns"])

    def _start(self, job_name: str, arguments: dict[str, str]) -> str:
        def start() -> str:
            call = self._client.start_job_run
            try:
                answer = self._call(job_name, call, JobName=job_name, Arguments=arguments)
            except DemoError as error:
                if not (isinstance(error, UnreachableError) or may_repeat(error)):
                    raise
                # An answer that was lost, or a retry of boto3's own: the run may be this command's.
                own = self._running_already(job_name, arguments[TOKEN])
                if own is None:
                    raise
                return own
            return str(answer["JobRunId"])

        def may_repeat(error: Exception) -> bool:
            return code_of(error) in _BUSY | PASSING

        return self._again(start, may_repeat, self._poll_s)

    def _wait(self, job_name: str, run_id: str, notify: Callable[[str, str], None]) -> JsonObject:
        seen = ""

        def look() -> JsonObject:
            nonlocal seen
            call = self._client.get_job_run
            answer = self._patiently(job_name, call, JobName=job_name, RunId=run_id)
            run: JsonObject = answer["JobRun"]
            if run["JobRunState"] != seen:
                notify(run_id, run["JobRunState"])
            seen = run["JobRunState"]
            return run

        first = min(self._poll_s, 1.0)
        pauses = growing(first, factor=1.5, longest_s=self._poll_s)
        return poll_until(look, _has_ended, pauses_s=pauses, sleep=self._sleep)

    def _successor(self, job_name: str, run: JsonObject) -> str | None:
        """Return the attempt that Glue itself makes after a failed one, if MaxRetries allows it."""
        attempts_made = int(run.get("Attempt", 0))
        is_last = attempts_made >= self._max_retries.get(job_name, 0)
        if is_last or run["JobRunState"] in (GOOD_END, "STOPPED"):
            return None

        def successor() -> str | None:
            ids = (
                str(other["Id"])
                for other in self._newest_runs(job_name)
                if other.get("PreviousRunId") == run["Id"]
            )
            return next(ids, None)

        return poll_until(
            successor,
            pauses_s=every(self._poll_s),
            timeout_s=_SUCCESSOR_WAIT_S,
            sleep=self._sleep,
            clock=self._clock,
        )

    def _stop(self, job_name: str, run_id: str, notify: Callable[[str, str], None]) -> None:
        """Stop a run we no longer wait for; what made us leave is the error that counts."""
        try:
            self._client.batch_stop_job_run(JobName=job_name, JobRunIds=[run_id])
        except AWS_ERRORS:
            command = f"aws glue batch-stop-job-run --job-name {job_name} --job-run-ids {run_id}"
            notify(run_id, f"may still run and cost: {command}")

    def _patiently(self, job_name: str, operation: Callable[..., Any], **arguments: Any) -> Any:
        """Call an operation that only reads; transient errors are waited for, with a bound."""

        def may_repeat(error: Exception) -> bool:
            return isinstance(error, UnreachableError) or code_of(error) in PASSING

        look = functools.partial(self._call, job_name, operation, **arguments)
        return self._again(look, may_repeat, max(self._poll_s, 1.0))

    def _again(
        self, action: Callable[[], T], may_repeat: Callable[[Exception], bool], pause_s: float
    ) -> T:
        return attempts(
            action,
            may_repeat=may_repeat,
            pauses_s=every(pause_s),
            timeout_s=self._busy_wait_s,
            sleep=self._sleep,
            clock=self._clock,
        )

    def _console_url(self, job_name: str, run_id: str) -> str | None:
        """Return the page of a run in the AWS console, or None for a Glue without one."""
        region = getattr(getattr(self._client, "meta", None), "region_name", None)
        if not region:
            return None
        domain = console_domain(region)
        if domain is None:
            return None
        place = f"https://{domain}/gluestudio/home?region={region}"
        return f"{place}#/job/{job_name}/run/{run_id}"

    def _log_group(self, run: JsonObject) -> str | None:
        """Return where a run's log is: what GetJobRun names, AWS's own default, is not it."""
        return self._logs.error_group if self._logs is not None else run.get("LogGroupName")

    def _failed(self, job_name: str, run: JsonObject) -> EtlError:
        run_id, log = str(run["Id"]), self._log_group(run)
        lines = self._logs.tail(run_id) if self._logs is not None else []
        cause = str(run.get("ErrorMessage") or "Glue gave no error message")
        if lines:
            cause += "; the log ends: " + " | ".join(line[:200] for line in lines[-3:])
        error = EtlError(
            f"Glue job {job_name} ended {run['JobRunState']}",
            where=f"run {run_id}" + (f", log {log}" if log else ""),
            cause=cause,
            hint=f"read {self._console_url(job_name, run_id) or 'the log'}, then run the same "
            "command again",
        )
        error.facts = {"job_run_id": run_id, "log_group": log, "job_log": lines}
        return error

    def _call(
        self, job_name: str, operation: Callable[..., Any], *positional: Any, **arguments: Any
    ) -> Any:
        where = f"Glue job {job_name}"

        def refused(refusal: AwsRefusal) -> EtlError:
            return EtlError(
                f"Glue refused {refusal.operation} for job {job_name}",
                where=where,
                cause=refusal.text,
                hint="check the role and its glue: permissions, then run the same command again",
            )

        with asking("Glue", where=where, refused=refused):
            return operation(*positional, **arguments)


def _has_ended(run: JsonObject) -> bool:
    return run["JobRunState"] == GOOD_END or run["JobRunState"] in BAD_ENDS
