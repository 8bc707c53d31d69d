"""What the demo has made in an AWS account, and its removal: nothing else is ever touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from src.domain.bucket_layout import is_own_key
from src.errors import CannotRunError, DemoError, StorageError
from src.infrastructure.aws.account import DEMO_TAG, STACK_TAG, AwsAccount, partition
from src.infrastructure.aws.answers import (
    DENIED,
    MISSING,
    AwsRefusal,
    asking,
    code_of,
    unless_missing,
)
from src.infrastructure.aws.cycle_schedule import CycleSchedule
from src.infrastructure.aws.data_lake import DataLake
from src.infrastructure.aws.glue_job import generation_job_of, log_groups
from src.infrastructure.aws.sagemaker_endpoint import ModelEndpoint
from src.json_object import JsonObject
from src.settings import Settings


@dataclass(frozen=True)
class Found:
    """One thing of the demo's, what will happen to it, and how."""

    name: str
    fate: str
    remove: Callable[[], None]


class AwsInventory:
    """Finds the demo's buckets, objects, job, stream and log groups by the settings' names.

    What a CloudFormation stack made is emptied only: the stack removes its own.
    Failures are StorageErrors and UnreachableErrors that name the thing.
    """

    def __init__(self, account: AwsAccount, settings: Settings) -> None:
        self._account = account
        self._settings = settings
        self._s3 = account.client("s3")
        self._glue = account.client("glue")
        self._logs = account.client("logs")
        self._kinesis = account.client("kinesis")
        self._owned: JsonObject = {"ExpectedBucketOwner": account.account_id}
        self.stacks: set[str] = set()
        self.not_looked_at: list[str] = []  # what AWS does not let the caller see

    def find(self) -> list[Found]:
        """Return everything there is, in the order of its removal: what costs by the hour first."""
        s = self._settings
        scheduled = list(self._scheduled())
        served = list(self._served())
        found = [
            thing for name in (s.raw_bucket, s.processed_bucket) for thing in self._bucket(name)
        ]
        jobs = (s.glue_job_name, generation_job_of(s.glue_job_name))
        found += [job for name in jobs for job in self._job(name)]
        found += self._stream(s.stream)
        return [*scheduled, *served, *found, *self._log_groups()]

    def _served(self) -> Iterator[Found]:
        """Yield what an endpoint consists of; who only runs the scripts may not look at it."""
        try:
            for one in list(self._endpoint().resources()):
                yield Found(one.name, "delete", one.remove)
        except DemoError as error:
            if code_of(error) not in DENIED:
                raise
            self.not_looked_at.append(f"endpoint {self._settings.endpoint_name}: {error.cause}")

    def _scheduled(self) -> Iterator[Found]:
        """Yield schedule and data lake; who may not make them may not look at them."""
        for what, owner in (
            ("schedule", CycleSchedule(self._account)),
            ("data lake", DataLake(self._account, self._settings.processed_bucket)),
        ):
            try:
                for part in list(owner.parts()):
                    yield Found(part.name, "delete", part.remove)
            except CannotRunError as error:
                self.not_looked_at.append(f"{what}: {error.cause or error.message}")

    def _endpoint(self) -> ModelEndpoint:
        sagemaker, account = self._account.client("sagemaker"), self._account
        return ModelEndpoint(sagemaker, self._settings.endpoint_name, account=account)

    # -- buckets -------------------------------------------------------------------------

    def _bucket(self, name: str) -> Iterator[Found]:
        if self._ask(name, self._s3.head_bucket, Bucket=name, **self._owned) is None:
            return
        tags = self._tags_of_bucket(name)
        is_ours = tags.get(DEMO_TAG[0]) == DEMO_TAG[1]
        count, size = 0, 0
        for version in self._versions(name, everything=is_ours):
            count, size = count + 1, size + version.get("Size", 0)
        if count:
            which = "all" if is_ours else "the demo's"
            yield Found(
                f"s3://{name}/",
                f"delete {which} {count:,} objects ({size:,} bytes)",
                lambda: self._empty(name, everything=is_ours),
            )
        if not is_ours:
            return
        if STACK_TAG in tags:
            self.stacks.add(tags[STACK_TAG])
            return
        yield Found(f"bucket {name}", "delete", lambda: self._delete_bucket(name))

    def _tags_of_bucket(self, name: str) -> dict[str, str]:
        call = self._s3.get_bucket_tagging
        answer = self._ask(name, call, ("NoSuchTagSet",), Bucket=name, **self._owned)
        return {tag["Key"]: tag["Value"] for tag in (answer or {}).get("TagSet", [])}

    def _versions(self, bucket: str, *, everything: bool) -> Iterator[JsonObject]:
        """Yield the versions of the demo's objects, delete markers included."""
        paginator = self._s3.get_paginator("list_object_versions")
        pages = iter(paginator.paginate(Bucket=bucket, **self._owned))
        while (page := self._ask(bucket, lambda: next(pages, None))) is not None:
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                if everything or is_own_key(version["Key"]):
                    yield version

    def _empty(self, bucket: str, *, everything: bool) -> None:
        batch: list[dict[str, str]] = []
        for version in list(self._versions(bucket, everything=everything)):
            batch.append({"Key": version["Key"], "VersionId": version["VersionId"]})
            if len(batch) == 1000:
                self._delete_objects(bucket, batch)
                batch = []
        if batch:
            self._delete_objects(bucket, batch)

    def _delete_objects(self, bucket: str, batch: list[dict[str, str]]) -> None:
        wanted = {"Objects": batch, "Quiet": True}
        call = self._s3.delete_objects
        answer = self._ask(bucket, call, Bucket=bucket, Delete=wanted, **self._owned) or {}
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise StorageError(
                f"S3 kept {len(answer['Errors'])} objects",
                where=f"s3://{bucket}/{first['Key']}",
                cause=f"{first['Code']}: {first.get('Message', '')}",
                hint="allow s3:DeleteObject and s3:DeleteObjectVersion, then run it again",
            )

    def _delete_bucket(self, name: str) -> None:
        self._ask(name, self._s3.delete_bucket, Bucket=name, **self._owned)

    # -- Glue ----------------------------------------------------------------------------

    def _job(self, name: str) -> Iterator[Found]:
        if self._ask(name, self._glue.get_job, JobName=name) is None:
            return
        region, number = self._account.region, self._account.account_id
        arn = f"arn:{partition(region)}:glue:{region}:{number}:job/{name}"
        answer = self._ask(name, self._glue.get_tags, ResourceArn=arn)
        tags = (answer or {}).get("Tags", {})
        if tags.get(DEMO_TAG[0]) != DEMO_TAG[1]:
            return
        if STACK_TAG in tags:
            self.stacks.add(tags[STACK_TAG])
            return
        call = self._glue.delete_job
        yield Found(f"Glue job {name}", "delete", lambda: self._do(name, call, JobName=name))

    def _stream(self, name: str) -> Iterator[Found]:
        tags = self._if_allowed(f"stream {name}", self._tags_of_stream, name)
        if tags.get(DEMO_TAG[0]) == DEMO_TAG[1]:
            delete = self._kinesis.delete_stream
            yield Found(f"stream {name}", "delete", lambda: self._do(name, delete, StreamName=name))

    def _tags_of_stream(self, name: str) -> dict[str, str]:
        answer = self._ask(name, self._kinesis.list_tags_for_stream, StreamName=name)
        return {tag["Key"]: tag["Value"] for tag in (answer or {}).get("Tags", [])}

    def _log_groups(self) -> Iterator[Found]:
        """Yield the log groups with the demo's tag; a caller may lack the right to look."""
        job = self._settings.glue_job_name
        for name in (*log_groups(job), *log_groups(generation_job_of(job))):
            tags = self._if_allowed(f"log group {name}", self._tags_of_log_group, name)
            if tags.get(DEMO_TAG[0]) != DEMO_TAG[1]:
                continue
            if STACK_TAG in tags:
                self.stacks.add(tags[STACK_TAG])
                continue
            yield Found(f"log group {name}", "delete", self._deleting_log_group(name))

    def _if_allowed(
        self, what: str, tags_of: Callable[[str], dict[str, str]], name: str
    ) -> dict[str, str]:
        """Return a thing's tags; none, and a note, where the caller may not see them."""
        try:
            return tags_of(name)
        except StorageError as error:
            if code_of(error) not in DENIED:
                raise
            self.not_looked_at.append(f"{what}: {error.cause}")
            return {}

    def _tags_of_log_group(self, name: str) -> dict[str, str]:
        region, number = self._account.region, self._account.account_id
        arn = f"arn:{partition(region)}:logs:{region}:{number}:log-group:{name}"
        answer = self._ask(name, self._logs.list_tags_for_resource, resourceArn=arn)
        return dict((answer or {}).get("tags", {}))

    def _deleting_log_group(self, name: str) -> Callable[[], None]:
        return lambda: self._do(name, self._logs.delete_log_group, logGroupName=name)

    # -- calls ---------------------------------------------------------------------------

    def _do(self, what: str, operation: Callable[..., Any], **arguments: Any) -> None:
        self._ask(what, operation, **arguments)

    def _ask(
        self,
        what: str,
        operation: Callable[..., Any],
        missing: tuple[str, ...] = (),
        **arguments: Any,
    ) -> Any:
        """Return an operation's answer, or None where the thing is not there."""

        def refused(refusal: AwsRefusal) -> StorageError:
            return StorageError(
                f"AWS refused {refusal.operation}",
                where=what,
                cause=refusal.text,
                hint="attach OperatorPolicy of src/infrastructure/cloudformation/concert-demo.yaml",
            )

        with asking("AWS", where=what, refused=refused):
            return unless_missing(operation, MISSING.union(missing), **arguments)
