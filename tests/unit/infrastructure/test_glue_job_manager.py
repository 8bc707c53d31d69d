"""The job manager against a scripted Glue: only SUCCEEDED is success."""

from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.validate import ParamValidator

from src.errors import EtlError, UnreachableError
from src.infrastructure.aws.glue_job import GlueJob
from src.infrastructure.glue_job_manager import GlueJobManager


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
    """Answers GetJobRun with the scripted states, one list per run; parameters are botocore's."""

    def __init__(self, *runs, start_errors=(), region=None, details=None):
        self.runs = [list(run) for run in runs]
        self.start_errors = list(start_errors)
        self.look_errors = []
        self.calls, self.job, self.started = [], None, []
        self.meta = SimpleNamespace(region_name=region)
        self.details = details or {}

    def get_job(self, **arguments):
        valid("GetJob", arguments)
        if self.job is None:
            raise error("EntityNotFoundException", "GetJob")
        return {"Job": self.job}

    def create_job(self, **job):
        valid("CreateJob", job)
        self.calls.append("create")
        self.job = job

    def update_job(self, **arguments):
        valid("UpdateJob", arguments)
        self.calls.append("update")
        self.job = {**arguments["JobUpdate"], "Name": arguments["JobName"]}

    def start_job_run(self, **arguments):
        valid("StartJobRun", arguments)
        self.calls.append("start")
        if self.start_errors:
            failure = self.start_errors.pop(0)
            if failure == "lost":  # Glue heard us, we did not hear Glue
                self.begin(arguments["Arguments"])
                raise ReadTimeoutError(endpoint_url="x")
            raise error(failure, "StartJobRun")
        return {"JobRunId": self.begin(arguments["Arguments"])}

    def begin(self, arguments, **more):
        run_id = f"jr_{len(self.started)}"
        self.started.append({"Id": run_id, "Arguments": arguments, **more})
        return run_id

    def get_job_run(self, **arguments):
        valid("GetJobRun", arguments)
        if self.look_errors:
            raise self.look_errors.pop(0)
        states = self.runs[int(arguments["RunId"][3:])]
        state = states.pop(0) if len(states) > 1 else states[0]
        run = self.started[int(arguments["RunId"][3:])]
        seen = {"JobRunState": state, "ErrorMessage": "boom", "LogGroupName": "lg"}
        return {"JobRun": {**run, **seen, **self.details}}

    def get_job_runs(self, **arguments):
        valid("GetJobRuns", arguments)
        runs = [{**r, "JobRunState": self.runs[i][0]} for i, r in enumerate(self.started)]
        return {"JobRuns": runs[::-1]}

    def batch_stop_job_run(self, **arguments):
        valid("BatchStopJobRun", arguments)
        self.calls.append(("stop", *arguments["JobRunIds"]))


MODEL = botocore.session.get_session().get_service_model("glue")


def valid(operation, arguments):
    """Refuse what boto3 would refuse to send."""
    shape = MODEL.operation_model(operation).input_shape
    report = ParamValidator().validate(arguments, shape)
    assert not report.has_errors(), report.generate_report()


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
    assert run.state == "SUCCEEDED" and run.seconds == 1 + 1.5 + 2.25 + 3.375
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
    glue = Glue(["SUCCEEDED"], start_errors=[*["ConcurrentRunsExceededException"] * 3])
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
    glue.get_job = lambda **_: (_ for _ in ()).throw(error("AccessDeniedException", "GetJob"))
    with pytest.raises(EtlError) as caught:
        manager(glue).ensure_job(job)
    assert "AccessDeniedException" in caught.value.cause


def test_no_answer_is_unreachable(job):
    glue = Glue()
    glue.get_job = lambda **_: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="x"))
    with pytest.raises(UnreachableError):
        manager(glue).ensure_job(job)


def test_a_run_in_progress_is_waited_for_not_doubled(job):
    glue = Glue(["RUNNING"], ["SUCCEEDED"])
    first = manager(glue)
    first.ensure_job(job)

    def die(run_id, state):  # as kill -9: nobody stops the run
        glue.batch_stop_job_run = lambda **_: None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run("etl", {"--input": "a"}, on_state=die)
    glue.runs[0] = ["RUNNING", "SUCCEEDED"]
    again = manager(glue)
    again.ensure_job(job)
    found = again.run("etl", {"--input": "a"})
    assert found.was_found and found.run_id == "jr_0" and glue.calls.count("start") == 1
    other = again.run("etl", {"--input": "b"})  # other arguments: another run
    assert not other.was_found and other.run_id == "jr_1"


def test_a_start_whose_answer_was_lost_is_found():
    glue = Glue(["RUNNING", "SUCCEEDED"], start_errors=["lost"])
    assert manager(glue).run("etl", {}).run_id == "jr_0"
    assert glue.calls.count("start") == 1


def test_a_start_that_never_arrived_is_unreachable():
    glue = Glue()
    glue.start_job_run = lambda **_: (_ for _ in ()).throw(ReadTimeoutError(endpoint_url="x"))
    with pytest.raises(UnreachableError):
        manager(glue).run("etl", {})


@pytest.mark.parametrize(
    "failure",
    [error("ThrottlingException", "GetJobRun"), error("InternalServiceException", "GetJobRun"),
     EndpointConnectionError(endpoint_url="x")],
)  # fmt: skip
def test_what_passes_is_waited_out_but_not_for_ever(failure):
    glue = Glue(["SUCCEEDED"])
    glue.look_errors = [failure] * 5
    assert manager(glue).run("etl", {}).state == "SUCCEEDED"
    glue = Glue(["SUCCEEDED"])
    glue.look_errors = [failure] * 1000
    with pytest.raises((EtlError, UnreachableError)):
        manager(glue, busy_wait_s=60).run("etl", {})
    assert ("stop", "jr_0") in glue.calls


def test_glues_own_next_attempt_is_followed(tmp_path):
    script = tmp_path / "job.py"
    script.write_text("print()")
    glue = Glue(["FAILED"], ["SUCCEEDED"])
    m = manager(glue)
    m.ensure_job(GlueJob("etl", "role", script, max_retries=1))

    def retry(run_id, state):
        if (run_id, state) == ("jr_0", "FAILED"):
            glue.begin({}, PreviousRunId="jr_0", Attempt=1)

    run = m.run("etl", {}, on_state=retry)
    assert (run.run_id, run.attempts, run.state) == ("jr_1", 2, "SUCCEEDED")
    assert glue.calls.count("start") == 1


def test_a_next_attempt_that_never_comes_is_the_first_ones_failure(tmp_path):
    script = tmp_path / "job.py"
    script.write_text("print()")
    m = manager(Glue(["FAILED"]))
    m.ensure_job(GlueJob("etl", "role", script, max_retries=1))
    with pytest.raises(EtlError, match="FAILED"):
        m.run("etl", {})


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ({"DPUSeconds": 7.5, "ExecutionTime": 99}, 7.5),
        ({"ExecutionTime": 60, "NumberOfWorkers": 3, "WorkerType": "G.2X"}, 360),
        ({"ExecutionTime": 60}, None),
    ],
)
def test_what_a_run_costs(details, seconds):
    assert manager(Glue(["SUCCEEDED"], details=details)).run("etl", {}).dpu_seconds == seconds


@pytest.mark.parametrize(
    ("region", "domain"), [("eu-west-1", "aws.amazon.com"), ("cn-north-1", "amazonaws.cn")]
)
def test_a_failure_names_its_page_in_the_console(region, domain):
    with pytest.raises(EtlError) as caught:
        manager(Glue(["FAILED"], region=region)).run("etl", {})
    assert f"https://{region}.console.{domain}/gluestudio" in caught.value.hint
    assert caught.value.hint.count("/job/etl/run/jr_0") == 1


def test_a_run_that_cannot_be_stopped_says_how():
    glue, heard = Glue(["RUNNING"]), []

    def refuse(**_):
        raise error("AccessDeniedException", "BatchStopJobRun")

    glue.batch_stop_job_run = refuse

    def interrupt(run_id, state):
        heard.append(state)
        if state == "RUNNING":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager(glue).run("etl", {}, on_state=interrupt)
    assert "aws glue batch-stop-job-run --job-name etl --job-run-ids jr_0" in heard[-1]


def test_a_failed_job_shows_its_log(job):
    class Logs:
        error_group = "/aws-glue/concert-demo/etl/error"

        def tail(self, run_id):
            return ["Traceback", "  File x", "", "ValueError: bad row"] if run_id == "jr_0" else []

    with pytest.raises(EtlError, match="ended FAILED") as caught:
        manager(Glue(["FAILED"]), logs=Logs()).run("etl", {})
    error = caught.value
    assert error.cause.startswith("boom; the log ends: ") and "ValueError: bad row" in error.cause
    assert "/aws-glue/concert-demo/etl/error" in error.where
    assert error.facts["job_log"][-1] == "ValueError: bad row"


def test_a_jobs_library_and_modules_are_in_its_definition(tmp_path):
    script = tmp_path / "job.py"
    script.write_text("1")
    glue, storage = Glue(["SUCCEEDED"]), Storage()
    jobs = GlueJobManager(glue, storage)

    def arguments_with(library):
        jobs.ensure_job(GlueJob("j", "r", script, library=library, modules=("a==1", "b==2")))
        return glue.job["DefaultArguments"]

    first = arguments_with(b"one")
    key = first["--extra-py-files"].removeprefix("s3://bucket/")
    assert storage.objects[key] == b"one"
    assert first["--additional-python-modules"] == "a==1,b==2"
    assert arguments_with(b"two")["--extra-py-files"] != first["--extra-py-files"]
    assert glue.calls == ["create", "update"]
