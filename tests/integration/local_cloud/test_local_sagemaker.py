"""The local SageMaker by boto3: states, versions that follow each other, what is killed."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import uuid
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from src.local_cloud.endpoint.dispatch import Dispatcher
from src.local_cloud.endpoint.server import EndpointServer
from src.local_cloud.endpoint.signature import SignatureCheck
from src.local_cloud.sagemaker import endpoint_keeper
from src.local_cloud.sagemaker.local_sagemaker import LocalSageMaker
from src.local_cloud.servers.server_set import Credentials, local_client, shared_loader
from tests.conftest import ROOT
from tests.waiting import wait_until

BUCKET = "sagemaker-tests"
ROLE = "arn:aws:iam::000000000000:role/x"
PROGRAM = (sys.executable, str(ROOT / "tests/aws/model_program.py"))
BAKES = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
         "TerminationWaitInSeconds": 600}  # fmt: skip
SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 5}


def package(**model):
    """Return a model.tar.gz for the program of the tests."""
    out, body = io.BytesIO(), json.dumps(model).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("model.json")
        entry.size = len(body)
        archive.addfile(entry, io.BytesIO(body))
    return out.getvalue()


class Account:
    """A local SageMaker behind an endpoint of its own, which can be killed and started again."""

    def __init__(self, s3, folder):
        self.s3, self.folder, self.key = s3, folder, Credentials("AKIALOCALTEST", "secret", "")
        self.start()

    def start(self):
        self.local = LocalSageMaker(self.s3, self.folder, region="us-east-1", program=PROGRAM)
        names = ("sagemaker", "sagemaker-runtime")
        services = dict.fromkeys(names, lambda: self.local)
        check = SignatureCheck(self.key.access_key, self.key.secret_key)
        self.server = EndpointServer(Dispatcher(services, check, shared_loader()))
        self.server.start()
        url = f"http://127.0.0.1:{self.server.port}"
        self.sagemaker, self.runtime = (local_client(n, url, self.key) for n in names)

    def stop(self):
        self.server.stop()
        self.local.close()

    def model(self, **behaviour):
        """Define a model and a configuration; returns the configuration's name."""
        name = f"m-{uuid.uuid4().hex[:8]}"
        self.s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=package(**behaviour))
        container = {"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}
        self.sagemaker.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE
        )
        variant = {"VariantName": "all", "ModelName": name, "ServerlessConfig": SERVERLESS}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def endpoint(self, **behaviour):
        """Return the name of an endpoint that is in service."""
        config = self.model(**{"version": 1, **behaviour})
        name = f"e-{config}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert self.ended(name) == "InService"
        return name

    def status(self, name):
        return self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]

    def ended(self, name):
        """Return an endpoint's status once it is that of nothing in progress."""
        states = ("InService", "Failed")
        return wait_until(lambda: (s := self.status(name)) in states and s, "an end")

    def ask(self, name, body=b"{}", **more):
        more = {"ContentType": "application/json", **more}
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **more)
        return json.loads(answer["Body"].read())

    def update(self, name, config, **policy):
        deployment = {"DeploymentConfig": {"BlueGreenUpdatePolicy": policy}} if policy else {}
        self.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **deployment)


@pytest.fixture(scope="module")
def account(cloud, tmp_path_factory):
    cloud.s3_client().create_bucket(Bucket=BUCKET)
    account = Account(cloud.s3_client(), tmp_path_factory.mktemp("sagemaker"))
    yield account
    account.stop()
    assert not children()


def children():
    """Return the model servers that run below this process."""
    found = psutil.Process().children(recursive=True)
    return [p for p in found if p.is_running() and "model_program.py" in " ".join(p.cmdline())]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response


def test_an_endpoint_is_created_updated_and_deleted_while_it_answers(account):
    name = account.endpoint()
    first = account.ask(name)
    assert first["version"] == 1
    answers, ended = [], threading.Event()

    def ask():
        while not ended.is_set():
            answers.append(account.ask(name)["version"])

    with closing(ended_thread(ask, ended)):
        account.update(name, account.model(version=2))
        wait_until(lambda: 2 in answers, "the new version's answers")
        assert account.ended(name) == "InService"
    assert answers == sorted(answers)  # every request was answered, none by 1 after 2
    wait_until(lambda: not psutil.pid_exists(first["pid"]), "the end of the old version")
    account.sagemaker.delete_endpoint(EndpointName=name)
    missing = wait_until(lambda: missing_endpoint(account, name), "the endpoint's end")
    assert missing["Error"]["Code"] == "ValidationException"
    assert "Could not find endpoint" in missing["Error"]["Message"]
    gone = refusal(account.runtime.invoke_endpoint, EndpointName=name, Body=b"{}")
    assert gone["Error"]["Code"] == "ValidationError"


def missing_endpoint(account, name):
    try:
        account.status(name)
    except ClientError as error:
        return error.response
    return None


class ended_thread:  # noqa: N801 (reads as what it does)
    """Runs a function in a thread until it is closed; what it raised is raised then."""

    def __init__(self, work, ended):
        self.ended, self.error, self._work = ended, None, work
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self._work()
        except Exception as error:
            self.error = error

    def close(self):
        self.ended.set()
        self.thread.join()
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("broken", "words"),
    [({"start": "exit"}, "the model cannot be loaded"), ({"start": "ill"}, "ping health check")],
)
def test_a_version_that_does_not_start_leaves_the_old_one_in_service(
    account, monkeypatch, broken, words
):
    name = account.endpoint()
    old = account.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    if broken["start"] == "ill":
        monkeypatch.setattr(endpoint_keeper, "START_TIMEOUT_S", 1.0)
    account.update(name, account.model(version=2, **broken))
    assert account.ask(name)["version"] == 1
    assert account.ended(name) == "InService"
    found = account.sagemaker.describe_endpoint(EndpointName=name)
    assert found["EndpointConfigName"] == old and words in found["FailureReason"]
    assert account.ask(name)["version"] == 1


def test_an_endpoint_that_cannot_start_fails_with_the_reason(account):
    config = account.model(version=1, start="exit")
    account.sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName=config)
    assert account.ended("broken") == "Failed"
    found = account.sagemaker.describe_endpoint(EndpointName="broken")
    assert "the model cannot be loaded" in found["FailureReason"]
    account.sagemaker.delete_endpoint(EndpointName="broken")


def test_a_new_version_that_answers_with_errors_is_rolled_back(account):
    name = account.endpoint()
    account.update(name, account.model(version=2, status=500), **BAKES)

    def rolled_back():
        try:
            account.ask(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ModelError"
        return account.status(name) == "InService"

    wait_until(rolled_back, "the roll-back")
    found = account.sagemaker.describe_endpoint(EndpointName=name)
    assert "server errors" in found["FailureReason"]
    assert {account.ask(name)["version"] for _ in range(20)} == {1}


@pytest.mark.parametrize("status", [400, 413, 415, 500, 503])
def test_what_the_model_refuses_is_a_model_error(account, endpoint, status):
    found = refusal(
        account.runtime.invoke_endpoint, EndpointName=endpoint, Body=f"status {status}".encode()
    )
    assert found["Error"]["Code"] == "ModelError"
    assert found["OriginalStatusCode"] == status and "version" in found["OriginalMessage"]
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 424
    side = "client" if status < 500 else "server"
    assert f"Received {side} error ({status}) from primary" in found["Error"]["Message"]


@pytest.fixture(scope="module")
def endpoint(account):
    return account.endpoint()


def test_headers_go_there_and_back(account, endpoint):
    answer = account.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=b"{}", ContentType="application/json", Accept="text/csv",
        CustomAttributes="trace=7",
    )  # fmt: skip
    assert answer["CustomAttributes"] == "trace=7" and answer["InvokedProductionVariant"] == "all"
    assert answer["ContentType"] == "application/json"
    assert json.loads(answer["Body"].read())["accept"] == "text/csv"


def test_a_body_above_the_limit_is_refused(account, endpoint):
    limit = 4 * 1024 * 1024  # serverless
    assert account.ask(endpoint, b" " * limit)["size"] == limit
    found = refusal(account.runtime.invoke_endpoint, EndpointName=endpoint, Body=b" " * (limit + 1))
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert f"exceeded {limit} bytes" in found["Error"]["Message"]


def test_an_answer_that_takes_too_long_is_a_model_error(account, endpoint, monkeypatch):
    monkeypatch.setattr(endpoint_keeper, "INVOCATION_TIMEOUT_S", 0.2)
    found = refusal(account.runtime.invoke_endpoint, EndpointName=endpoint, Body=b"wait")
    assert "timed out" in found["Error"]["Message"] and found["OriginalStatusCode"] == 0


def test_the_model_is_unpacked_read_only(account, endpoint):
    folder = Path(account.ask(endpoint)["folder"])
    modes = [path.stat().st_mode & 0o222 for path in (folder, folder / "model.json")]
    assert modes == [0, 0]


def test_a_server_that_is_killed_is_started_again_and_no_request_is_lost(account):
    name = account.endpoint()
    killed = set()
    for _ in range(3):
        pid = account.ask(name)["pid"]
        assert pid not in killed
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        assert account.ask(name)["pid"] not in killed


def test_a_request_that_kills_the_server_is_a_model_error_and_the_next_is_answered(account):
    name = account.endpoint()
    found = refusal(account.runtime.invoke_endpoint, EndpointName=name, Body=b"die")
    assert found["Error"]["Code"] == "ModelError" and found["OriginalStatusCode"] == 500
    assert account.ask(name)["version"] == 1


def test_what_sagemaker_refuses_has_its_codes(account, endpoint):
    sagemaker, config = account.sagemaker, account.model(version=1)
    deployed = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    instance = {"VariantName": "all", "ModelName": deployed, "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1}  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName="instances", ProductionVariants=[instance])
    odd = {"VariantName": "all", "ModelName": deployed,
           "ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}}  # fmt: skip
    cases = [
        (sagemaker.create_endpoint, {"EndpointName": endpoint, "EndpointConfigName": config},
         "Cannot create already existing endpoint"),
        (sagemaker.create_endpoint, {"EndpointName": "new", "EndpointConfigName": "none"},
         "Could not find endpoint config"),
        (sagemaker.create_endpoint, {"EndpointName": "../up", "EndpointConfigName": config},
         "regular expression"),
        (sagemaker.update_endpoint, {"EndpointName": endpoint, "EndpointConfigName": "instances"},
         "Cannot convert an endpoint"),
        (sagemaker.create_endpoint_config,
         {"EndpointConfigName": "odd", "ProductionVariants": [odd]}, "MemorySizeInMB"),
        (sagemaker.create_endpoint_config,
         {"EndpointConfigName": "two", "ProductionVariants": [instance, instance]}, "not emulated"),
        (sagemaker.update_endpoint,
         {"EndpointName": endpoint, "EndpointConfigName": config, "DeploymentConfig":
          {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration":
           {"Type": "CANARY", "WaitIntervalInSeconds": 0}}}}, "not emulated"),
        (sagemaker.describe_model, {"ModelName": "none"}, "Could not find model"),
        (sagemaker.delete_endpoint_config, {"EndpointConfigName": "none"}, "Could not find"),
    ]  # fmt: skip
    for call, arguments, words in cases:
        error = refusal(call, **arguments)["Error"]
        assert error["Code"] == "ValidationException" and words in error["Message"], arguments
    job = refusal(sagemaker.describe_transform_job, TransformJobName="none")["Error"]
    assert job["Code"] == "ResourceNotFound"
    names = [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]]
    assert endpoint in names
    sagemaker.delete_endpoint_config(EndpointConfigName="instances")


def test_an_interrupted_deployment_leaves_the_old_version_answering(account, tmp_path):
    """The process that keeps the endpoints is killed while a deployment runs; it starts again."""
    other = Account(account.s3, tmp_path / "sagemaker")
    try:
        name = other.endpoint()
        other.update(name, other.model(version=2), **BAKES)
        wait_until(lambda: other.ask(name)["version"] == 2, "the new version, which bakes")
        assert other.status(name) == "Updating"
        other.stop()
        other.start()
        found = other.sagemaker.describe_endpoint(EndpointName=name)
        assert found["EndpointStatus"] == "InService" and "interrupted" in found["FailureReason"]
        assert other.ask(name)["version"] == 1
        other.update(name, other.model(version=3))
        wait_until(lambda: other.ask(name)["version"] == 3, "the next deployment")
        assert "FailureReason" not in other.sagemaker.describe_endpoint(EndpointName=name)
    finally:
        other.stop()
    assert not list((tmp_path / "sagemaker/running").iterdir())


HOST = """
import json, sys
from src.local_cloud.sagemaker.local_sagemaker import LocalSageMaker
from src.local_cloud.servers.server_set import Credentials, s3_client
endpoint, key, folder, program = json.loads(sys.argv[1])
s3 = s3_client(endpoint, Credentials(*key))
local = LocalSageMaker(s3, Path(folder), region="us-east-1", program=program)
for line in sys.stdin:
    name, arguments = json.loads(line)
    print(json.dumps(getattr(local, name)(**arguments) or {}), flush=True)
"""


class Host:
    """A local SageMaker in a process of its own; takes calls until it is killed."""

    def __init__(self, cloud, folder):
        address, key = cloud._entered()
        given = json.dumps([address.s3_endpoint, [key.access_key, key.secret_key, ""],
                            str(folder), PROGRAM])  # fmt: skip
        code = "from pathlib import Path" + HOST
        self.process = subprocess.Popen([sys.executable, "-c", code, given], cwd=ROOT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def call(self, name, **arguments):
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def status(self, name):
        return self.call("describe_endpoint", EndpointName=name)["EndpointStatus"]

    def kill(self):
        with self.process:
            self.process.kill()


@pytest.mark.parametrize(
    "moment", ["in service", "before the new version is ready", "while it bakes"]
)
def test_killed_at_any_moment_it_leaves_no_process_and_the_old_version(
    cloud, account, tmp_path, moment
):
    folder = tmp_path / "sagemaker"
    host = Host(cloud, folder)
    try:
        ill = {"start": "ill"} if moment.startswith("before") else {}
        one, two = account.model(version=1), account.model(version=2, **ill)
        for kind in ("models", "endpoint-configs"):
            shutil.copytree(account.folder / kind, folder / kind, dirs_exist_ok=True)
        host.call("create_endpoint", EndpointName="e", EndpointConfigName=one)
        wait_until(lambda: host.status("e") == "InService", "the first version")
        if moment != "in service":
            host.call("update_endpoint", EndpointName="e", EndpointConfigName=two,
                      DeploymentConfig={"BlueGreenUpdatePolicy": BAKES})  # fmt: skip
            wait_until(lambda: len(running(folder)) == 2, "both versions")
    finally:
        host.kill()
    wait_until(lambda: not running(folder), "the end of every server")
    again = Account(account.s3, folder)
    try:
        assert again.status("e") == "InService" and again.ask("e")["version"] == 1
    finally:
        again.stop()
    assert not running(folder)


def running(folder):
    """Return the processes of this machine whose model is below a folder."""
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if any(str(folder) in word for word in p.info["cmdline"] or ())
            and "model_program" in " ".join(p.info["cmdline"])]  # fmt: skip


def transform(account, config, name, **changes):
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix",
                                              "S3Uri": f"s3://{BUCKET}/{name}/in/"}}}  # fmt: skip
    account.sagemaker.create_transform_job(
        TransformJobName=name, ModelName=config, BatchStrategy="MultiRecord", MaxPayloadInMB=1,
        TransformInput={**source, "SplitType": "Line", "ContentType": "application/jsonlines",
                        **changes},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{name}/out", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )  # fmt: skip
    ends = ("Completed", "Failed", "Stopped")

    def ended():
        job = account.sagemaker.describe_transform_job(TransformJobName=name)
        return job["TransformJobStatus"] in ends and job

    return wait_until(ended, "the job's end")


def test_a_transform_job_keeps_every_line_in_its_place(account):
    config = account.model(version=1)
    lines = b"".join(b"row %d %s\n" % (n, b"x" * 990) for n in range(3000))  # three requests
    for name, body in (("a.jsonl", lines), ("deep/b.jsonl", b"last")):
        account.s3.put_object(Bucket=BUCKET, Key=f"job/in/{name}", Body=body)
    assert transform(account, config, "job")["TransformJobStatus"] == "Completed"
    found = {
        name: account.s3.get_object(Bucket=BUCKET, Key=f"job/out/{name}.out")["Body"].read()
        for name in ("a.jsonl", "deep/b.jsonl")
    }
    assert found == {"a.jsonl": lines.upper(), "deep/b.jsonl": b"LAST\n"}
    assert not [p for p in children() if "job" in p.cmdline()]


def test_a_transform_job_fails_with_what_the_model_answered(account):
    config = account.model(version=1, status=400)
    account.s3.put_object(Bucket=BUCKET, Key="bad/in/a.jsonl", Body=b"x\n")
    found = transform(account, config, "bad")
    assert found["TransformJobStatus"] == "Failed"
    assert "ClientError" in found["FailureReason"] and "X" in found["FailureReason"]
    listed = account.s3.list_objects_v2(Bucket=BUCKET, Prefix="bad/out")
    assert "Contents" not in listed
    nothing = transform(account, config, "nothing")
    assert "no object" in nothing["FailureReason"]
    again = refusal(account.sagemaker.create_transform_job, TransformJobName="bad",
                    ModelName=config, TransformInput=found["TransformInput"],
                    TransformOutput=found["TransformOutput"],
                    TransformResources=found["TransformResources"])  # fmt: skip
    assert again["Error"]["Code"] == "ResourceInUse"
