"""Regions, log groups and arguments of the AWS target."""

import time
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from src.domain.dataset import DatasetManifest
from src.errors import EtlError, SettingsError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount, console_domain, partition
from src.infrastructure.aws.glue_job import LOG_DAYS, log_groups
from src.infrastructure.aws.glue_logs import GlueLogs
from src.orchestration.pipeline.etl_stage import EtlStage
from src.settings import Settings


@pytest.mark.parametrize(
    ("region", "name", "console"),
    [
        ("eu-west-1", "aws", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "aws-cn", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "aws-us-gov", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "aws-eusc", "eusc-de-east-1.console.amazonaws-eusc.eu"),
        ("us-iso-east-1", "aws-iso", None),
    ],
)
def test_a_region_has_its_partition_and_console(region, name, console):
    assert partition(region) == name and console_domain(region) == console


def test_a_region_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="'moon'"):
        partition("moon")


@pytest.fixture
def logs(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("logs", region_name="us-east-1")


def test_the_jobs_log_groups_have_a_tag_and_an_end(logs):
    mine = GlueLogs(AwsAccount("us-east-1"), "concert-etl")
    mine.ensure()
    mine.ensure()  # what exists stays
    found = {g["logGroupName"]: g for g in logs.describe_log_groups()["logGroups"]}
    assert sorted(found) == sorted(log_groups("concert-etl"))
    for group in found.values():
        assert group["retentionInDays"] == LOG_DAYS
        tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
        assert tags == dict([DEMO_TAG])


def test_the_end_of_a_runs_log_is_read_and_one_that_is_missing_is_none(logs):
    mine = GlueLogs(AwsAccount("us-east-1"), "concert-etl")
    mine.ensure()
    assert mine.tail("jr_1") == []
    logs.create_log_stream(logGroupName=mine.error_group, logStreamName="jr_1")
    logs.put_log_events(
        logGroupName=mine.error_group, logStreamName="jr_1",
        logEvents=[{"timestamp": int(time.time() * 1000) + n, "message": f"line {n}\n\n"}
                   for n in range(30)],
    )  # fmt: skip
    lines = mine.tail("jr_1")
    assert len(lines) == 20 and lines[-1] == "line 29"


def test_a_refusal_of_the_log_groups_names_the_policy(logs, monkeypatch):
    from tests.aws.validating import refusal

    mine = GlueLogs(AwsAccount("us-east-1"), "concert-etl")

    def refuse(**_):
        raise refusal("AccessDeniedException", "CreateLogGroup")

    monkeypatch.setattr(mine._client, "create_log_group", refuse)
    with pytest.raises(EtlError, match="CreateLogGroup") as caught:
        mine.ensure()
    assert "OperatorPolicy" in caught.value.hint


@pytest.mark.parametrize("parts", [1, 20_000])
def test_the_jobs_arguments_do_not_grow_with_the_data(parts):
    def uri(key):
        return f"s3://a-bucket-with-a-long-name/{key}"

    storage = SimpleNamespace(uri=uri)
    datasets = SimpleNamespace(prefix=lambda dataset: f"raw/{dataset}/", storage=storage)
    environment = SimpleNamespace(raw_datasets=datasets, processed_storage=storage)
    files = [SimpleNamespace(path=f"ticket_sales/part-{n:05d}.json.gz") for n in range(parts)]
    table = SimpleNamespace(files=files, records=None)
    manifest = SimpleNamespace(dataset_id="20260101T000000Z-abcd", format="json",
                               tables={"ticket_sales": table})  # fmt: skip
    assert set(vars(manifest)) <= set(DatasetManifest.__dataclass_fields__)
    arguments = EtlStage(environment, Settings(), "run")._arguments(manifest, {})
    assert "raw/20260101T000000Z-abcd/ticket_sales/" in arguments["--input"]
    assert max(len(value) for value in arguments.values()) < 20_000
