"""The job manager against a scripted Glue: only SUCCEEDED is success."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from src.errors import EtlError, UnreachableError
from src.infrastructure.glue_job_manager import GlueJob, GlueJobManager


class Storage:
    def __init__(self):
        self.objects = {}

    def list_objects(self, prefix):
        return [type("O", (), {"key": k})() for k in self.objects if k.startswith(prefix)]

    def put(self, key, body, content_type=None):
        self.objects[key] = body

    def uri(self, key):
        return f"s3://bucket/{key}"


class Glue:
    """Answers GetJobRun with the scripted states, one list per run."""

    def __init__(self, *runs, start_errors=()):
        self.runs = [list(run) for run in runs]
        self.start_errors = list(start_errors)
        self.calls, self.job, self.started = [], None, -1

    def get_job(self, JobName):
        if self.job is None:
            raise error("EntityNotFoundException", "GetJob")
        return {"Job": self.job}

    def create_job(self, **job):
        self.calls.append("create")
        self.job = job

    def update_job(self, JobName, JobUpdate):
        self.calls.append("update")
        self.job = {**JobUpdate, "Name": JobName}

    def start_job_run(self, JobName, Arguments):
        self.calls.append("start")
        if self.start_errors:
            raise error(self.start_errors.pop(0), "StartJobRun")
        self.started += 1
        return {"JobRunId": f"jr_{self.started}"}

    def get_job_run(self, JobName, RunId):
        states = self.runs[int(RunId[3:])]
        state = states.pop(0) if len(states) > 1 else states[0]
        return {"JobRun": {"JobRunState": state, "ErrorMessage": "boom", "LogGroupName": "lg"}}

    def batch_stop_job_run(self, JobName, JobRunIds):
        self.calls.append(("stop", *JobRunIds))


def error(code, operation):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def manager(glue, **options):
    clock = Clock()
    return GlueJobManager(glue, Storage(), poll_s=5, sleep=clock.sleep, clock=clock, **options)


@pytest.fixture
def job(tmp_path):
    script = tmp_path / "job.py"
    script.write_text("print()")
    return GlueJob("etl", "role", script)


def test_create_then_unchanged_then_updated(job):
    glue = Glue()
    m = manager(glue)
    assert m.ensure_job(job) == "created"
    assert m.ensure_job(job) == "unchanged"
    Path(job.script).write_text("print(2)")
    assert m.ensure_job(job) == "updated"
    assert glue.job["Command"]["ScriptLocation"].startswith("s3://bucket/scripts/job-")


def test_an_update_sends_a_whole_definition_of_ours(job):
    glue = Glue()
    glue.job = {"Name": "etl", "Role": "old", "MaxCapacity": 2.0, "AllocatedCapacity": 2}
    manager(glue).ensure_job(job)
    assert "MaxCapacity" not in glue.job and "AllocatedCapacity" not in glue.job


def test_waits_through_every_state_on_the_way(job):
    seen = []
    run = manager(Glue(["WAITING", "STARTING", "RUNNING", "STOPPING", "SUCCEEDED"])).run(
        "etl", {}, on_state=lambda _, state: seen.append(state)
    )
    assert run.state == "SUCCEEDED" and run.seconds == 20
    assert seen == ["WAITING", "STARTING", "RUNNING", "STOPPING", "SUCCEEDED"]


@pytest.mark.parametrize("state", ["FAILED", "STOPPED", "TIMEOUT"])
def test_every_bad_end_is_an_error_with_the_message_and_the_log(state):
    with pytest.raises(EtlError) as caught:
        manager(Glue(["RUNNING", state])).run("etl", {})
    assert state in caught.value.message and caught.value.cause == "boom"
    assert "lg" in caught.value.where


@pytest.mark.parametrize("state", ["ERROR", "EXPIRED"])
def test_glues_own_failures_get_one_more_attempt(state):
    assert manager(Glue([state], ["SUCCEEDED"])).run("etl", {}).attempts == 2
    with pytest.raises(EtlError, match=state):
        manager(Glue([state], [state])).run("etl", {})


def test_a_busy_job_is_waited_for_but_not_for_ever():
    glue = Glue(["SUCCEEDED"], start_errors=["ConcurrentRunsExceededException"] * 3)
    assert manager(glue).run("etl", {}).state == "SUCCEEDED"
    glue = Glue(start_errors=["ConcurrentRunsExceededException"] * 1000)
    with pytest.raises(EtlError, match="StartJobRun"):
        manager(glue, busy_wait_s=60).run("etl", {})


def test_leaving_stops_the_run():
    glue = Glue(["RUNNING"])

    def interrupt(run_id, state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager(glue).run("etl", {}, on_state=interrupt)
    assert ("stop", "jr_0") in glue.calls


def test_access_denied_is_named(job):
    glue = Glue()
    glue.get_job = lambda JobName: (_ for _ in ()).throw(error("AccessDeniedException", "GetJob"))
    with pytest.raises(EtlError) as caught:
        manager(glue).ensure_job(job)
    assert "AccessDeniedException" in caught.value.cause


def test_no_answer_is_unreachable(job):
    glue = Glue()
    glue.get_job = lambda JobName: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="x"))
    with pytest.raises(UnreachableError):
        manager(glue).ensure_job(job)
