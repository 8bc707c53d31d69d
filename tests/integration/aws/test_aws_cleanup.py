"""python -m src.operations cleanup: what the demo made goes, what others made stays."""

import json
from contextlib import closing

import boto3
import pytest

from src.errors import StorageError, WarehouseError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount
from src.infrastructure.aws.endpoint_watching import log_group
from src.infrastructure.aws.glue_job import log_groups
from src.infrastructure.aws.inventory import AwsInventory
from src.infrastructure.aws.sagemaker_endpoint import ModelEndpoint, Version
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.streaming.stream_setup import ensure_stream
from src.infrastructure.warehouse.streamed_sales import StreamedSales
from src.operations.cleanup import clean_up
from src.reporting.terminal.console import Console
from src.sql.files import read_all
from tests.aws.scenario import ACCOUNT, Scenario

RAW, PROCESSED = "concert-demo-raw", "concert-demo-processed"


@pytest.fixture(scope="module")
def written():
    return {}


@pytest.fixture
def scenario(cloud, monkeypatch, tmp_path, written):
    scenario = Scenario(cloud, monkeypatch, tmp_path, written)
    with scenario.account():
        scenario.empty_warehouse()
        yield scenario


def clean(scenario, capsys, *, yes=False):
    from src.orchestration.environment import DemoEnvironment

    capsys.readouterr()
    with DemoEnvironment(scenario.settings(), needs_glue=False) as environment:
        code = clean_up(environment, Console(color=False), yes=yes, warehouse=True)
    assert code == 0
    return capsys.readouterr().err


def keys(scenario, bucket):
    found = scenario.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return [o["Key"] for o in found]


def test_it_shows_everything_first_and_removes_nothing(scenario, capsys):
    assert scenario.run()["verdict"] == "succeeded"
    before = keys(scenario, RAW) + keys(scenario, PROCESSED)
    text = clean(scenario, capsys)
    for words in (f"bucket {RAW}", f"s3://{PROCESSED}/", "Glue job concert-etl", "DROP SCHEMA",
                  "Nothing was removed", "account 123456789012"):  # fmt: skip
        assert words in text
    assert keys(scenario, RAW) + keys(scenario, PROCESSED) == before
    assert sum(scenario.rows().values()) > 0


def test_it_removes_all_of_it_and_then_finds_none(scenario, capsys):
    scenario.run()
    logs = boto3.client("logs", region_name="us-east-1")
    of_others = "/aws-glue/concert-demo/of-another-job/error"
    logs.create_log_group(logGroupName=of_others)
    text = clean(scenario, capsys, yes=True)
    assert f"removed  bucket {RAW}" in text and "removed  Glue job concert-etl" in text
    left = logs.describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in left] == [of_others]
    assert scenario.s3.list_buckets()["Buckets"] == []
    with pytest.raises(Exception, match="concert_dw"):
        scenario.rows()
    for name in log_groups("concert-etl"):  # moto keeps the tags of what was deleted
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        logs.untag_resource(resourceArn=arn, tagKeys=["Project"])
    assert "  none" in clean(scenario, capsys, yes=True)


OF_OTHERS = ("raw_artists", "stage_artists", "judged_venues", "stage_rejected_records")


@pytest.fixture
def tables_of_others(cloud):
    """Tables of the user's own, by names that a load's temporary tables once had."""
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for name in OF_OTHERS:
            cursor.execute(f"CREATE TABLE public.{name} (n INTEGER)")
        yield lambda: [cursor.execute(f"SELECT * FROM public.{name}") for name in OF_OTHERS]
        for name in OF_OTHERS:
            cursor.execute(f"DROP TABLE public.{name}")


@pytest.mark.parametrize("etl", ["glue", "direct"])
def test_tables_of_others_stay(scenario, capsys, tables_of_others, etl):
    assert scenario.run(etl=etl)["verdict"] == "succeeded"
    clean(scenario, capsys, yes=True)
    tables_of_others()  # an error for one that is gone


def test_what_others_made_stays(scenario, capsys):
    for bucket in (RAW, PROCESSED):
        scenario.s3.create_bucket(Bucket=bucket)  # no tag of ours
        scenario.s3.put_object(Bucket=bucket, Key="raw/mine/a.json", Body=b"x")
    scenario.s3.put_object(Bucket=PROCESSED, Key="models/mine/m.bin", Body=b"x")
    boto3.client("glue", region_name="us-east-1").create_job(
        Name="concert-etl", Role="r", Command={"Name": "glueetl"}
    )
    logs = boto3.client("logs", region_name="us-east-1")
    for name in log_groups("concert-etl"):  # of that name, but no run made them
        logs.create_log_group(logGroupName=name)
    assert scenario.run()["verdict"] == "succeeded"
    assert "the demo's" in clean(scenario, capsys, yes=True)
    assert keys(scenario, RAW) == ["raw/mine/a.json"]
    left = [key for key in keys(scenario, PROCESSED) if not key.endswith("_$folder$")]
    assert left == ["models/mine/m.bin", "raw/mine/a.json"]
    marks = [key for key in keys(scenario, PROCESSED) if key.endswith("_$folder$")]
    assert marks == [f"{prefix}_$folder$" for prefix in ("processed", "quarantine", "summary")]
    assert boto3.client("glue", region_name="us-east-1").get_job(JobName="concert-etl")
    assert len(logs.describe_log_groups()["logGroups"]) == 2


def test_of_two_streams_only_the_one_with_the_demos_tag_goes(scenario, capsys):
    kinesis = boto3.client("kinesis", region_name="us-east-1")
    settings = scenario.settings()
    ensure_stream(kinesis, settings.stream, 2)
    kinesis.add_tags_to_stream(
        StreamName=settings.stream, Tags=dict([DEMO_TAG])
    )  # moto: not at once
    assert f"stream {settings.stream}" in clean(scenario, capsys)
    assert f"removed  stream {settings.stream}" in clean(scenario, capsys, yes=True)
    kinesis.create_stream(StreamName=settings.stream, ShardCount=1)  # made by others
    assert "stream" not in clean(scenario, capsys, yes=True)
    assert kinesis.list_streams()["StreamNames"] == [settings.stream]


def test_the_live_layer_goes_and_a_schema_of_that_name_that_others_made_stays(
    scenario, capsys, cloud
):
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        live = live_layer(connection)
        cursor.execute("CREATE EXTERNAL SCHEMA concert_stream FROM KINESIS IAM_ROLE default")
        cursor.execute("CREATE SCHEMA concert_live")
        for file in read_all("streaming/setup"):
            if "CREATE TABLE" in file.statement:
                cursor.execute(file.statement)
        assert live.exists()
        text = clean(scenario, capsys, yes=True)
        for name in ("concert_live", "concert_stream", "concert_dw"):
            assert f'DROP SCHEMA "{name}"' in text
        assert schemas(cursor) == set()
        cursor.execute("CREATE SCHEMA concert_live")
        cursor.execute("CREATE TABLE concert_live.positions (n INTEGER)")
        assert "concert_live" not in clean(scenario, capsys, yes=True)
        assert schemas(cursor) == {"concert_live"}
        cursor.execute("DROP SCHEMA concert_live CASCADE")


def test_a_view_of_others_over_the_tables_is_not_dropped_with_them(scenario, capsys, cloud):
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        live_layer(connection)
        cursor.execute("CREATE VIEW public.mine AS SELECT name FROM concert_dw.artists")
        try:
            assert "the view public.mine reads these tables" in clean(scenario, capsys)
            with pytest.raises(WarehouseError, match="views of others") as caught:
                clean(scenario, capsys, yes=True)
            assert caught.value.where == "public.mine"
            cursor.execute("SELECT * FROM public.mine")
        finally:
            cursor.execute("DROP VIEW public.mine")


def live_layer(connection):
    """The live layer of a warehouse with the demo's tables."""
    client = RedshiftClient(lambda: connection)
    client.create_tables()
    return StreamedSales(client)


def schemas(cursor):
    cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'concert%'")
    return {name for (name,) in cursor.fetchall()}


def test_every_version_goes(scenario, capsys):
    scenario.run()
    scenario.s3.put_bucket_versioning(
        Bucket=RAW, VersioningConfiguration={"Status": "Enabled"}
    )  # fmt: skip
    scenario.run()
    first = keys(scenario, RAW)[0]
    scenario.s3.put_object(Bucket=RAW, Key=first, Body=b"newer")
    scenario.s3.delete_object(Bucket=RAW, Key=first)
    clean(scenario, capsys, yes=True)
    assert RAW not in [b["Name"] for b in scenario.s3.list_buckets()["Buckets"]]


def test_a_stacks_own_are_left_to_the_stack(scenario, capsys, monkeypatch):
    scenario.run()
    tags = AwsInventory._tags_of_bucket

    def stacked(self, name):  # only CloudFormation may set such a tag, moto's does not
        return {**tags(self, name), "aws:cloudformation:stack-name": "demo"}

    monkeypatch.setattr(AwsInventory, "_tags_of_bucket", stacked)
    text = clean(scenario, capsys, yes=True)
    assert "aws cloudformation delete-stack --stack-name demo" in text
    assert keys(scenario, RAW) == keys(scenario, PROCESSED) == []
    assert len(scenario.s3.list_buckets()["Buckets"]) == 2


def test_objects_that_s3_keeps_are_an_error(scenario, monkeypatch):
    scenario.run()
    inventory = AwsInventory(AwsAccount("us-east-1"), scenario.settings())
    answer = {"Errors": [{"Key": "raw/x", "Code": "AccessDenied", "Message": "no"}]}
    monkeypatch.setattr(inventory._s3, "delete_objects", lambda **_: answer)
    with pytest.raises(StorageError, match="S3 kept 1 objects") as caught:
        inventory.find()[0].remove()
    assert "s3:DeleteObjectVersion" in caught.value.hint


def test_a_refusal_names_the_operation(scenario, monkeypatch):
    from tests.aws.validating import refusal

    def refuse(**_):
        raise refusal("AccessDenied", "HeadBucket")

    inventory = AwsInventory(AwsAccount("us-east-1"), scenario.settings())
    monkeypatch.setattr(inventory._s3, "head_bucket", refuse)
    with pytest.raises(StorageError, match="AWS refused HeadBucket"):
        inventory.find()


def test_log_groups_that_may_not_be_seen_keep_nothing_else(scenario, capsys, monkeypatch):
    from tests.aws.validating import refusal

    def refuse(**_):
        raise refusal("AccessDeniedException", "ListTagsForResource")

    scenario.run()
    init = AwsInventory.__init__

    def without_logs(self, *arguments):
        init(self, *arguments)
        self._logs.list_tags_for_resource = refuse

    monkeypatch.setattr(AwsInventory, "__init__", without_logs)
    text = clean(scenario, capsys, yes=True)
    assert "not looked at: log group /aws-glue/concert-demo/concert-etl/error" in text
    assert "removed  Glue job concert-etl" in text


def test_the_report_of_a_run_names_what_cleanup_finds(scenario, capsys):
    report = scenario.run()
    text = clean(scenario, capsys)
    for step in json.loads(json.dumps(report["steps"], default=str)).values():
        for bucket in step.get("buckets", {}):
            assert bucket in text


def test_an_endpoint_goes_with_all_it_has_and_another_ones_stays(scenario, capsys):
    sagemaker, cloudwatch, logs = (
        boto3.client(name, region_name="us-east-1") for name in ("sagemaker", "cloudwatch", "logs")
    )
    version = Version(1, "s3://b/model.tar.gz", "0", "1.dkr.ecr.us-east-1.amazonaws.com/i:1",
                      f"arn:aws:iam::{ACCOUNT}:role/r")  # fmt: skip
    endpoints = {
        name: ModelEndpoint(sagemaker, name, account=AwsAccount("us-east-1"), poll_s=0)
        for name in ("concert-demo", "other")
    }
    for endpoint in endpoints.values():
        endpoint.deploy(version)
        endpoint._deployment_config()  # moto has no UpdateEndpoint, which makes the alarms
    text = clean(scenario, capsys)
    assert "endpoint concert-demo" in text and "endpoint other" not in text
    assert endpoints["concert-demo"].describe() is not None
    clean(scenario, capsys, yes=True)
    assert endpoints["concert-demo"].describe() is None  # moto keeps a deleted log's tags
    names = [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]]
    models = [one["ModelName"] for one in sagemaker.list_models()["Models"]]
    alarms = [one["AlarmName"] for one in cloudwatch.describe_alarms()["MetricAlarms"]]
    assert names == ["other"] and len(models) == 1 and models[0].startswith("other-v1-")
    assert alarms and all(name.startswith("other-") for name in alarms)
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    assert groups == [log_group("other")]
