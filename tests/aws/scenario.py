"""The pipeline's aws target against a played account: moto's S3, Glue and STS, and the local
Redshift. A started job run writes what the real job wrote once, moved to where it was told to.
"""

import json
from contextlib import closing, contextmanager
from types import SimpleNamespace

import boto3
from moto import mock_aws

from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.glue_job_manager import GlueJobManager
from src.infrastructure.warehouse.access import WarehouseAccess
from src.local_cloud.glue.local_glue_client import LocalGlueClient
from src.local_cloud.redshift.connection import connect
from src.orchestration.environment import DemoEnvironment
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.settings import Settings

ACCOUNT = "123456789012"
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAFOURTEENCHARS",
    "AWS_SECRET_ACCESS_KEY": "never-in-a-log-secret-key",
    "AWS_SESSION_TOKEN": "never-in-a-log-session-token",
}
PASSWORD = "never-in-a-log-password"
OUTPUTS = ("--output", "--quarantine", "--summary")


class Account(AwsAccount):
    """An account whose calls can be heard, and made to fail."""

    def __init__(self, region, hear):
        super().__init__(region)
        self._hear = hear

    def client(self, service):
        client = super().client(service)
        client.meta.events.register_first("before-call.*", self._hear)
        return client


class ImpatientEnvironment(DemoEnvironment):
    """An environment that waits for nothing longer than a test may."""

    @property
    def glue(self):
        return GlueJobManager(
            self.glue_client,
            self.processed_storage,
            logs=self._glue_logs(self.settings.glue_job_name),
            poll_s=0.01,
            busy_wait_s=0.05,
        )


class Scenario:
    """Runs pipelines in one account; `hear(model, params)` may return or raise an answer."""

    def __init__(self, cloud, monkeypatch, folder, written):
        self.cloud, self.folder = cloud, folder
        self.hear = lambda **_: None
        self.calls = []
        self._monkeypatch = monkeypatch
        self._written = written  # what the job wrote once, for all scenarios of a module

    @contextmanager
    def account(self):
        """A new, empty account."""
        for name, value in SECRETS.items():
            self._monkeypatch.setenv(name, value)
        with mock_aws():
            self.s3 = boto3.client("s3", region_name="us-east-1")
            self._monkeypatch.setattr(
                WarehouseAccess,
                "connect",
                lambda _: connect(s3=self.s3, **self.cloud.redshift_address()),
            )
            yield self

    def settings(self, **changes):
        role = f"arn:aws:iam::{ACCOUNT}:role/concert-demo"
        given = {
            "target": "aws", "iam_role": role, "redshift_host": "demo.example",
            "redshift_user": "demo", "redshift_password": PASSWORD, "artists": 8, "venues": 5,
            "concerts": 12, "sales": 40, "report_dir": str(self.folder / "reports"),
            "max_rejected_share": 0.9,
        }  # fmt: skip
        return Settings(**{**given, **changes})

    def run(self, *, skip_generation=False, **changes):
        """Run the pipeline; returns its report."""
        settings = self.settings(**changes)
        environment = ImpatientEnvironment(settings)
        environment.account = Account(settings.aws_region, self._heard)
        orchestrator = DemoPipelineOrchestrator(
            settings, environment=environment, skip_generation=skip_generation
        )
        return orchestrator.run_pipeline()

    def _heard(self, model, params, **_):
        name = f"{model.service_model.service_name}.{model.name}"
        self.calls.append(name)
        answer = self.hear(name=name)
        if answer is None and name == "glue.StartJobRun":
            self._work(json.loads(params["body"])["Arguments"])
        if answer is None and name == "s3.PutBucketPolicy":
            # moto denies what a policy denies under a condition, whatever the condition.
            return SimpleNamespace(status_code=204), {}
        if answer is None and name == "glue.BatchStopJobRun":  # which moto does not know
            return SimpleNamespace(status_code=200), {"SuccessfulSubmissions": [], "Errors": []}
        if answer is None and name == "glue.UpdateJob":  # nor this
            return SimpleNamespace(status_code=200), {"JobName": "concert-etl"}
        return answer

    def _work(self, arguments):
        """Write a job run's outputs: by the real job the first time, by copy from then on."""
        if not self._written:
            self._written.update(self._really_work(arguments))
        for option, objects in self._written.items():
            bucket, _, key = arguments[option].removeprefix("s3://").partition("/")
            for name, body in objects.items():
                self.s3.put_object(Bucket=bucket, Key=key + name, Body=body)
            for folder in (key, key.rpartition("/")[0]):  # as EMRFS marks what it wrote
                self.s3.put_object(Bucket=bucket, Key=f"{folder}_$folder$", Body=b"")

    def _really_work(self, arguments):
        with closing(LocalGlueClient(self.s3, self.folder / "glue")) as glue:
            self._run_the_job(glue, arguments)
        written = {}
        for option in OUTPUTS:
            bucket, _, prefix = arguments[option].removeprefix("s3://").partition("/")
            found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
            written[option] = {
                o["Key"].removeprefix(prefix): self.s3.get_object(Bucket=bucket, Key=o["Key"])[
                    "Body"
                ].read()
                for o in found
            }
        return written

    def _run_the_job(self, glue, arguments):
        scripts = self.s3.list_objects_v2(Bucket="concert-demo-processed", Prefix="scripts/")
        (script,) = [o["Key"] for o in scripts["Contents"]]
        glue.create_job(
            Name="job", Role="r",
            Command={"Name": "glueetl",
                     "ScriptLocation": f"s3://concert-demo-processed/{script}"},
        )  # fmt: skip
        run = glue.start_job_run(JobName="job", Arguments=arguments)["JobRunId"]
        glue._runs[run].thread.join()
        assert glue.get_job_run(JobName="job", RunId=run)["JobRun"]["JobRunState"] == "SUCCEEDED"

    def rows(self):
        """Return the rows of each table in the warehouse."""
        counts = {}
        with closing(self.cloud.connect_redshift()) as connection, connection.cursor() as cursor:
            for table in ("artists", "venues", "concerts", "ticket_sales"):
                cursor.execute(f"SELECT COUNT(*) FROM concert_dw.{table}")
                counts[table] = cursor.fetchone()[0]
        return counts

    def empty_warehouse(self):
        with closing(self.cloud.connect_redshift()) as connection, connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS concert_dw CASCADE")
            connection.commit()


def answer_with(status, code):
    """Return what botocore makes of an error answer; boto3's retries are used up by then."""
    return SimpleNamespace(status_code=status), {
        "Error": {"Code": code, "Message": "played"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
