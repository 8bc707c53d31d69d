"""The newest processed files as tables of Glue's catalog, with Lake Formation's tags and grants.

Optional. The account's own settings of Lake Formation, its administrators among them, are read
for messages and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from src.domain.bucket_layout import PROCESSED_PREFIX
from src.domain.tables import TABLES, Column, TableSpec
from src.errors import CannotRunError, DemoError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount, partition
from src.infrastructure.aws.answers import DENIED, MISSING, AwsRefusal, asking, unless_missing
from src.infrastructure.aws.cycle_schedule import Part
from src.json_object import JsonObject, JsonView

DATABASE, TAG, LAYER = "concert_demo", "concert-demo-layer", "processed"
_THERE = frozenset(["AlreadyExistsException", "EntityAlreadyExistsException"])
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_STORED: JsonObject = {
    "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
    "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
}


class DataLake:
    """Makes and removes the database, its tables, the tag and the grants."""

    def __init__(self, account: AwsAccount, bucket: str) -> None:
        self._glue = account.client("glue")
        self._lake = account.client("lakeformation")
        self._location = f"arn:{partition(account.region)}:s3:::{bucket}/{PROCESSED_PREFIX}"

    def put(self, folders: Mapping[str, str], *, readers: Sequence[str], writer: str) -> list[str]:
        """Make the tables over a folder each; `readers` may query them, `writer` writes files."""
        if self._database() is None:
            self._do(
                self._glue.create_database,
                # Without this, everyone may read each table, and grants mean nothing.
                DatabaseInput={"Name": DATABASE, "CreateTableDefaultPermissions": [],
                               "Description": "The concert demo's newest processed files",
                               "Parameters": dict([DEMO_TAG])},
            )  # fmt: skip
        for spec in TABLES:
            self._put_table(spec, folders[spec.name])
        lake = self._lake
        self._do(lake.register_resource, _THERE, ResourceArn=self._location,
                 UseServiceLinkedRole=True)  # fmt: skip
        self._do(lake.create_lf_tag, _THERE, TagKey=TAG, TagValues=[LAYER])
        answer = self._do(
            lake.add_lf_tags_to_resource,
            Resource={"Database": {"Name": DATABASE}},
            LFTags=[{"TagKey": TAG, "TagValues": [LAYER]}],
        )
        if answer.get("Failures"):
            first = answer["Failures"][0].get("Error", {})
            raise _refused(AwsRefusal("AddLFTagsToResource", str(first.get("ErrorCode")),
                                      str(first.get("ErrorMessage"))), self.admins())  # fmt: skip
        for principal, resource, permissions in _grants(self._location, readers, writer):
            self._do(
                lake.grant_permissions,
                Principal={"DataLakePrincipalIdentifier": principal},
                Resource=resource,
                Permissions=permissions,
            )
        return [part.name for part in self.parts()]

    def admins(self) -> list[str]:
        """Return who administers Lake Formation in the account; they are never changed."""
        with asking("Lake Formation", where=DATABASE, refused=lambda r: _refused(r, [])):
            found = self._lake.get_data_lake_settings()["DataLakeSettings"]
        return [one["DataLakePrincipalIdentifier"] for one in found.get("DataLakeAdmins", [])]

    def parts(self) -> Iterator[Part]:
        """Yield what there is, in the order of its removal: grants first."""
        if self._database() is None:  # what others registered or tagged is theirs
            return
        for one in self._granted():
            yield Part(
                f"grant {', '.join(one['Permissions'])} to "
                f"{one['Principal']['DataLakePrincipalIdentifier']}",
                partial(self._do, self._lake.revoke_permissions, Principal=one["Principal"],
                        Resource=one["Resource"], Permissions=one["Permissions"]),
            )  # fmt: skip
        yield Part(f"tag {TAG}", partial(self._do, self._lake.delete_lf_tag, TagKey=TAG))
        yield Part(
            f"registration of {self._location}",
            partial(self._do, self._lake.deregister_resource, ResourceArn=self._location),
        )
        yield Part(
            f"database {DATABASE}", partial(self._do, self._glue.delete_database, Name=DATABASE)
        )

    def _granted(self) -> list[JsonObject]:
        """Return the grants on the demo's tag and place; the account has others too."""
        found, token = [], ""
        while True:
            more: JsonObject = {"NextToken": token} if token else {}
            answer = self._do(self._lake.list_permissions, **more) or {}
            found += [one for one in answer.get("PrincipalResourcePermissions", [])
                      if self._is_own(one["Resource"])]  # fmt: skip
            token = answer.get("NextToken", "")
            if not token:
                return found

    def _is_own(self, resource: JsonView) -> bool:
        tags = resource.get("LFTagPolicy", {}).get("Expression", [])
        place = resource.get("DataLocation", {}).get("ResourceArn")
        return place == self._location or any(tag["TagKey"] == TAG for tag in tags)

    def _database(self) -> JsonObject | None:
        """Return the demo's database; raises CannotRunError for one that others made."""
        answer = self._do(self._glue.get_database, Name=DATABASE)
        if answer is None:
            return None
        database: JsonObject = answer["Database"]
        if database.get("Parameters", {}).get(DEMO_TAG[0]) != DEMO_TAG[1]:
            raise CannotRunError(
                "there is a database of that name that the demo did not make",
                where=DATABASE,
                hint="rename or delete it, then run the same command again",
            )
        return database

    def _put_table(self, spec: TableSpec, folder: str) -> None:
        columns = [
            {"Name": one.name, "Type": _type(one), "Comment": one.doc[:255]} for one in spec.columns
        ]
        table: JsonObject = {
            "Name": spec.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {**_STORED, "Columns": columns, "Location": folder},
        }
        glue = self._glue
        if self._do(glue.get_table, DatabaseName=DATABASE, Name=spec.name) is None:
            self._do(glue.create_table, DatabaseName=DATABASE, TableInput=table)
        else:
            self._do(glue.update_table, DatabaseName=DATABASE, TableInput=table)

    def _do(
        self,
        operation: Callable[..., Any],
        expected: frozenset[str] = frozenset(),
        **arguments: Any,
    ) -> Any:
        """Return an operation's answer, None where what it names is not there, or is already."""

        def refused(refusal: AwsRefusal) -> DemoError:
            is_denied = refusal.code in DENIED and refusal.operation != "GetDataLakeSettings"
            return _refused(refusal, self.admins() if is_denied else [])

        with asking("AWS", where=DATABASE, refused=refused):
            return unless_missing(operation, MISSING | expected, **arguments)


def _grants(
    location: str, readers: Sequence[str], writer: str
) -> Iterator[tuple[str, JsonObject, list[str]]]:
    """Yield who gets what: readers by the tag, the job that writes files by their place."""
    databases, tables, place = _resources(location)
    for reader in readers:
        yield reader, databases, ["DESCRIBE"]
        yield reader, tables, ["DESCRIBE", "SELECT"]
    if writer:
        yield writer, place, ["DATA_LOCATION_ACCESS"]


def _resources(location: str) -> tuple[JsonObject, JsonObject, JsonObject]:
    """Return what grants are on: the databases and tables of the tag, and the files' place."""
    expression = [{"TagKey": TAG, "TagValues": [LAYER]}]
    databases, tables = (
        {"LFTagPolicy": {"ResourceType": kind, "Expression": expression}}
        for kind in ("DATABASE", "TABLE")
    )
    return databases, tables, {"DataLocation": {"ResourceArn": location}}


def _type(column: Column) -> str:
    if column.kind == "decimal":
        return f"decimal({column.precision},2)"
    return {"integer": "int", "timestamp": "timestamp"}.get(column.kind, "string")


def _refused(refusal: AwsRefusal, admins: Sequence[str]) -> DemoError:
    who = ", ".join(admins) or "an administrator of the data lake"
    return CannotRunError(
        f"AWS refused {refusal.operation}",
        where=f"Lake Formation, database {DATABASE}",
        cause=refusal.text,
        hint=f"attach LakePolicy of operations.json, or ask one who may: {who}",
    )
