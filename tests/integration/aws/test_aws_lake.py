"""Catalog, Lake Formation and DataZone: what is made with the template's policies, and goes."""

import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws

from src.domain.tables import TABLES
from src.errors import CannotRunError, UsageError
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.aws.data_lake import DATABASE, TAG, DataLake
from src.infrastructure.aws.inventory import AwsInventory
from src.infrastructure.watching.datazone_lineage import MAX_BYTES, DataZoneLineage
from src.infrastructure.watching.operations_permissions import LAKE, LINEAGE, operations_names
from src.operations.__main__ import main
from src.settings import Settings
from tests.aws.calls import ACCOUNT, REGION, needs
from tests.aws.rights import Rights
from tests.aws.validating import Played, refusal

READER, WRITER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("analysts", "glue"))
FOLDERS = {table.name: f"s3://my-p/processed/run/{table.name}/" for table in TABLES}
DOMAIN = "dzd_abc"


def policy(permissions):
    names = operations_names(Settings(aws_region=REGION, datazone_domain=DOMAIN), ACCOUNT)
    return {"Statement": [
        {"Action": [*p.actions], "Resource": [each.format(**names) for each in p.resources],
         **({"Condition": {"StringEquals": dict(p.condition)}} if p.condition else {}),
         "Effect": "Allow"} for p in permissions
    ]}  # fmt: skip


class Guarded(AwsAccount):
    """An account whose calls need what the template's policy grants."""

    def __init__(self, rights):
        super().__init__(REGION)
        self.rights, self.calls = rights, []

    def client(self, service, **options):
        client = super().client(service, **options)
        client.meta.events.register("provide-client-params.*", self._check)
        return client

    def _check(self, params, model, **_):
        service = model.service_model.service_name
        if service in ("glue", "lakeformation"):
            self.calls.append(model.name)
            for need in needs(service, model.name, params, ""):
                assert self.rights.allows(need), need


@pytest.fixture
def account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Guarded(Rights("arn:aws:iam::1:user/operator", policy(LAKE)))


def lake_client():
    return boto3.client("lakeformation", region_name=REGION)


def granted():
    found = lake_client().list_permissions()["PrincipalResourcePermissions"]
    return {(one["Principal"]["DataLakePrincipalIdentifier"], *sorted(one["Permissions"]))
            for one in found}  # fmt: skip


def test_tables_tag_and_grants_are_made_twice_and_removed_with_every_right_used(account):
    lake = DataLake(account, "my-p")
    admins = lake_client().get_data_lake_settings()["DataLakeSettings"]
    lake.put(FOLDERS, readers=[READER], writer=WRITER)
    with pytest.MonkeyPatch.context() as patch:  # moto loses a grant that is granted again
        patch.setattr(lake._lake, "grant_permissions", lambda **_: {})
        lake.put(FOLDERS, readers=[READER], writer=WRITER)
    glue = boto3.client("glue", region_name=REGION)
    tables = {t["Name"]: t for t in glue.get_tables(DatabaseName=DATABASE)["TableList"]}
    assert {name: t["StorageDescriptor"]["Location"] for name, t in tables.items()} == FOLDERS
    for spec in TABLES:
        columns = [c["Name"] for c in tables[spec.name]["StorageDescriptor"]["Columns"]]
        assert columns == list(spec.column_names)
    assert {(READER, "DESCRIBE"), (READER, "DESCRIBE", "SELECT"),
            (WRITER, "DATA_LOCATION_ACCESS")} <= granted()  # fmt: skip
    for part in list(lake.parts()):
        part.remove()
    assert granted() == set() and list(lake.parts()) == []
    assert lake_client().list_resources()["ResourceInfoList"] == []
    assert glue.get_databases()["DatabaseList"] == []
    assert lake_client().get_data_lake_settings()["DataLakeSettings"] == admins
    assert "PutDataLakeSettings" not in account.calls
    unused = {action for number, action in account.rights.grants()
              if (number, action) not in account.rights.used}  # fmt: skip
    assert unused <= {"lakeformation:GetDataLakeSettings"}  # of a refusal only


def test_cleanup_removes_it_and_what_others_made_stays(account):
    DataLake(account, "my-p").put(FOLDERS, readers=[READER], writer="")
    settings = Settings(target="aws", raw_bucket="my-raw", processed_bucket="my-p")
    plain = AwsAccount(REGION)
    found = AwsInventory(plain, settings).find()
    assert f"database {DATABASE}" in [one.name for one in found]
    for one in found:
        one.remove()
    glue = boto3.client("glue", region_name=REGION)
    glue.create_database(DatabaseInput={"Name": DATABASE})
    with pytest.raises(CannotRunError, match="did not make"):
        DataLake(plain, "my-p").put(FOLDERS, readers=[], writer="")
    inventory = AwsInventory(plain, settings)
    assert inventory.find() == [] and "data lake" in inventory.not_looked_at[0]


def test_who_may_not_is_told_who_may(account, monkeypatch):
    call = BaseClient._make_api_call

    def refusing(self, operation, parameters):
        if operation == "RegisterResource":
            raise refusal("AccessDeniedException", operation)
        if operation == "GetDataLakeSettings":
            admin = {"DataLakePrincipalIdentifier": "arn:aws:iam::1:user/boss"}
            return {"DataLakeSettings": {"DataLakeAdmins": [admin]}}
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", refusing)
    with pytest.raises(CannotRunError, match="AWS refused RegisterResource") as caught:
        DataLake(account, "my-p").put(FOLDERS, readers=[], writer="")
    assert "arn:aws:iam::1:user/boss" in caught.value.hint


def test_the_command_takes_the_newest_run(account, monkeypatch, capsys):
    given = {"AWS_REGION": REGION, "DEMO_IAM_ROLE": WRITER, "REDSHIFT_WORKGROUP": "demo",
             "REDSHIFT_VIA": "data-api", "DEMO_PROCESSED_BUCKET": "my-p"}  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="my-p")
    with pytest.raises(CannotRunError, match="no run has written"):
        main(["lake"])
    for run in ("20260102T000000Z-0001", "20260101T000000Z-ffff"):
        s3.put_object(Bucket="my-p", Key=f"processed/{run}/artists/a.parquet")
    with pytest.raises(UsageError, match="ARN of a role"):
        main(["lake", "--reader", "analysts"])
    assert main(["lake", "--reader", READER]) == 0
    table = boto3.client("glue", region_name=REGION).get_table(
        DatabaseName=DATABASE, Name="artists"
    )
    place = table["Table"]["StorageDescriptor"]["Location"]
    assert place == "s3://my-p/processed/20260102T000000Z-0001/artists/"
    assert main(["lake", "--remove"]) == 0
    assert f"removed  tag {TAG}" in capsys.readouterr().err


# -- DataZone ----------------------------------------------------------------------------------


class PlayedDataZone(Played):
    """moto has no DataZone: parameters and answers are checked against botocore's model."""

    service = "datazone"
    failed = ()

    def post_lineage_event(self, **_):
        return {"id": "e", "domainId": DOMAIN}

    def list_lineage_events(self, **_):
        return {"items": [{"id": one} for one in self.failed]}


def event(kind, outputs=1, size=10):
    return {"eventType": kind, "eventTime": "2026-01-02T06:00:00+00:00",
            "outputs": [{"name": f"{n}" + "x" * size} for n in range(outputs)]}  # fmt: skip


def test_datazone_gets_what_was_completed_in_events_that_it_takes():
    client = PlayedDataZone()
    lineage = DataZoneLineage(SimpleNamespace(client=lambda *_, **__: client), DOMAIN)
    large = event("COMPLETE", 3, MAX_BYTES // 2)
    assert lineage.post([event("START"), event("COMPLETE"), event("FAIL"), large]) == 0
    posted = [given for name, given in client.calls if name == "PostLineageEvent"]
    assert [len(json.loads(one["event"])["outputs"]) for one in posted] == [1, 1, 1, 1]
    assert all(len(one["event"]) <= MAX_BYTES for one in posted)
    tokens = [one["clientToken"] for one in posted]
    lineage.post([event("COMPLETE")])
    assert len(set(tokens)) == 4 and client.calls[-2][1]["clientToken"] == tokens[0]
    client.failed = ("a", "b")
    assert lineage.post([event("COMPLETE")]) == 2
    rights = Rights("operator", policy(LINEAGE))
    for name, given in client.calls:
        assert all(rights.allows(need) for need in needs("datazone", name, given, ""))
