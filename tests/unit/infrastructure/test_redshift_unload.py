"""Large extracts go through S3, and leave nothing there."""

import io

import boto3
import pandas as pd
import pytest
import sqlglot
from moto import mock_aws

from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.unloader import RedshiftUnloader
from src.orchestration.training.extraction import read_feature_sql


class Client:
    """Plays the warehouse: UNLOAD writes two Parquet objects."""

    def __init__(self, storage):
        self.storage = storage
        self.statements = []

    def execute(self, statement):
        self.statements.append(statement)
        for index in range(2):
            sink = io.BytesIO()
            pd.DataFrame({"a": [index]}).to_parquet(sink)
            self.storage.put(f"unload/x/000{index}_part_00.parquet", sink.getvalue())


@pytest.fixture
def storage():
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x",
                              aws_secret_access_key="x")  # fmt: skip
        storage = S3Storage(client, "unload-bucket")
        storage.ensure_bucket()
        yield storage


def test_rows_come_back_and_the_objects_are_gone(storage):
    client = Client(storage)
    frame = RedshiftUnloader(client, storage, iam_role="arn:r").dataframe("SELECT 'x' AS a", "x")
    assert frame["a"].tolist() == [0, 1]
    assert storage.list_objects("unload/") == []
    (statement,) = client.statements
    assert statement.startswith("UNLOAD ('SELECT ''x'' AS a') TO 's3://unload-bucket/unload/x/'")
    assert statement.endswith("IAM_ROLE 'arn:r' FORMAT AS PARQUET ALLOWOVERWRITE")


@pytest.mark.parametrize("name", ["ticket_sales", "venue_quarters"])
def test_the_extraction_queries_are_one_redshift_statement_each(name):
    assert len(sqlglot.parse(read_feature_sql(name), read="redshift")) == 1
