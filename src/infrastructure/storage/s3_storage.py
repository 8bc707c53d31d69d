"""Buckets and objects of S3, with errors that name which and why."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import HTTPClientError, IncompleteReadError

from src.errors import StorageError
from src.infrastructure.aws.answers import (
    AWS_ERRORS,
    DENIED,
    MOVED,
    AwsRefusal,
    asking,
    code_of,
    refusal_of,
    unless_missing,
)
from src.infrastructure.aws.bucket_setup import BucketSetup
from src.json_object import JsonObject
from src.waiting import Sleep, attempts, real_sleep

T = TypeVar("T")
MULTIPART_BYTES = 16 << 20  # larger bodies go up in parts of this size, several at once
_PARTS_AT_ONCE = 8
READ_ATTEMPTS = 3
_NO_BUCKET = ("404", "NoSuchBucket")
_BEING_DELETED = "OperationAborted"  # of a name whose bucket was deleted a while ago
DELETED_PAUSES_S = (5.0, 10.0, 20.0, 40.0, 60.0)
ABSENT = ""  # the tag of no object
CHANGED = frozenset(["PreconditionFailed", "412", "ConditionalRequestConflict", "409"])


@dataclass(frozen=True)
class StoredObject:
    """One object of a bucket."""

    key: str
    size: int


class S3Storage:
    """Reads and writes one bucket through a boto3 S3 client.

    With a `setup` (on AWS) a bucket is created protected, and every call names its account.
    Every failure becomes a StorageError (or UnreachableError) naming the s3:// address.
    """

    def __init__(
        self, client: Any, bucket: str, *, setup: BucketSetup | None = None,
        sleep: Sleep = real_sleep,
    ) -> None:  # fmt: skip
        self._client = client
        self._setup, self._sleep = setup, sleep
        self._owned = {"ExpectedBucketOwner": setup.owner} if setup else {}
        self.bucket = bucket

    def of(self, bucket: str) -> S3Storage:
        """Return another bucket of the same account."""
        return S3Storage(self._client, bucket, setup=self._setup, sleep=self._sleep)

    def uri(self, key: str = "") -> str:
        """Return the s3:// address of a key."""
        return f"s3://{self.bucket}/{key}"

    def ensure_bucket(self) -> bool:
        """Create the bucket unless it exists; return whether it was created.

        A bucket that a run created gets its settings again: an earlier one may have been killed
        among them. One that the demo did not create is used as it is.
        """
        region = self._find_bucket()
        created = region is None and self._create_bucket()
        if self._setup is not None:
            if region is not None:
                self._check_region(region, self._setup)
            if created:
                self._bucket_call("put_bucket_tagging", **self._setup.tagging())
            if created or self._setup.is_ours(self._tags()):
                for operation, arguments in self._setup.calls(self.bucket):
                    self._bucket_call(operation, **arguments)
        return created

    def _create_bucket(self) -> bool:
        arguments: JsonObject = {"Bucket": self.bucket}
        if self._setup is not None:
            arguments["CreateBucketConfiguration"] = self._setup.creation()
        try:
            attempts(
                lambda: self._call("", self._client.create_bucket, **arguments),
                may_repeat=lambda error: code_of(error) == _BEING_DELETED,
                pauses_s=DELETED_PAUSES_S, sleep=self._sleep,
            )  # fmt: skip
        except StorageError as error:
            code = code_of(error)
            if code == _BEING_DELETED:
                raise StorageError(
                    f"S3 is still deleting an earlier bucket {self.bucket}",
                    where=self.uri(),
                    cause=error.cause,
                    hint="run the same command again in an hour, or choose another name with "
                    "--raw-bucket or --processed-bucket",
                ) from error
            if code == "BucketAlreadyOwnedByYou":
                return False
            if code == "BucketAlreadyExists":
                raise StorageError(
                    f"bucket {self.bucket} belongs to another account",
                    where=self.uri(),
                    cause=code,
                    hint="choose another name with --raw-bucket or --processed-bucket",
                ) from error
            raise
        return True

    def _find_bucket(self) -> str | None:
        """Return the bucket's region ("" where it is not reported), None without a bucket."""

        def refused(refusal: AwsRefusal) -> StorageError:
            return StorageError(
                f"bucket {self.bucket} cannot be used",
                where=self.uri(),
                cause=f"HeadBucket answered {refusal.code}: another account's, or not allowed",
                hint="choose another bucket name, or ask for s3:ListBucket on this one",
            )

        with asking("S3", where=self.uri(), refused=refused):
            try:
                answer = unless_missing(
                    self._client.head_bucket, _NO_BUCKET, Bucket=self.bucket, **self._owned
                )
            except AWS_ERRORS as error:
                refusal = refusal_of(error)
                if refusal and refusal.code in MOVED:
                    return _region(refusal.response) or "another region"
                raise
        return None if answer is None else str(answer.get("BucketRegion") or "")

    def _check_region(self, region: str, setup: BucketSetup) -> None:
        """Redshift loads Parquet from its own region only."""
        if region and region != setup.region:
            raise StorageError(
                f"bucket {self.bucket} is in {region}; the demo runs in {setup.region}",
                where=self.uri(),
                cause="COPY of Parquet needs the bucket in the warehouse's region",
                hint=f"export AWS_REGION={region}, or choose another bucket",
            )

    def _tags(self) -> list[dict[str, str]]:
        try:
            tags: list[dict[str, str]] = self._bucket_call("get_bucket_tagging")["TagSet"]
        except StorageError as error:
            if code_of(error) == "NoSuchTagSet":
                return []
            raise
        return tags

    def _bucket_call(self, operation: str, **arguments: Any) -> Any:
        call = getattr(self._client, operation)
        return self._call("", call, Bucket=self.bucket, **self._owned, **arguments)

    def put(
        self, key: str, body: bytes, *, content_type: str | None = None, over: str | None = None
    ) -> None:
        """Store one object, whole or not at all; a large one in parts, side by side.

        With `over` it is stored in place of the object of that tag only, or with `ABSENT` where
        there is none; else a StorageError has the code of `CHANGED`. The local S3 server does
        not compare: there the run lock keeps other writers out.
        """
        extra = {"ContentType": content_type} if content_type else {}
        extra |= self._owned
        if over is not None:
            extra |= {"IfNoneMatch": "*"} if over == ABSENT else {"IfMatch": over}
        if len(body) < MULTIPART_BYTES or over is not None:
            self._call(
                key, self._client.put_object, Bucket=self.bucket, Key=key, Body=body, **extra
            )
            return
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(
            multipart_threshold=MULTIPART_BYTES,
            multipart_chunksize=MULTIPART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
        )
        self._call(
            key, self._client.upload_fileobj, io.BytesIO(body), self.bucket, key,
            ExtraArgs=extra, Config=config,
        )  # fmt: skip

    def get(self, key: str) -> bytes:
        """Return an object's bytes; raises StorageError where there is none."""
        return self._get(key)[0]

    def _get(self, key: str) -> tuple[bytes, str]:
        has_answer = False

        def read() -> tuple[bytes, str]:
            nonlocal has_answer
            has_answer = False
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **self._owned)
            has_answer = True
            return bytes(answer["Body"].read()), str(answer["ETag"])

        def may_repeat(error: Exception) -> bool:
            # boto3 repeats a request that failed, but not one whose body breaks off.
            return has_answer and isinstance(error, (HTTPClientError, IncompleteReadError))

        pauses = [0.0] * (READ_ATTEMPTS - 1)
        return self._call(key, lambda: attempts(read, may_repeat=may_repeat, pauses_s=pauses))

    def find(self, key: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        return self.find_tagged(key)[0]

    def find_tagged(self, key: str) -> tuple[bytes | None, str]:
        """Return an object's bytes and its tag, as `put` takes it; None and ABSENT for none."""
        try:
            return self._get(key)
        except StorageError as error:
            if code_of(error) in ("NoSuchKey", "NoSuchBucket", "404"):
                return None, ABSENT
            raise

    def list_objects(self, prefix: str) -> list[StoredObject]:
        """Return the objects below a prefix in key order."""
        found: list[StoredObject] = []
        for page in self._pages(Prefix=prefix):
            found.extend(StoredObject(o["Key"], o["Size"]) for o in page.get("Contents", ()))
        return sorted(found, key=lambda o: o.key)

    def folders(self, prefix: str) -> list[str]:
        """Return the names directly below `prefix` (which ends in /) that hold objects."""
        names: set[str] = set()
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for entry in page.get("CommonPrefixes", ()):
                names.add(entry["Prefix"][len(prefix) :].rstrip("/"))
        return sorted(names)

    def delete(self, keys: list[str]) -> None:
        """Delete objects."""
        for start in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[start : start + 1000]]
            self._call(
                "",
                self._client.delete_objects,
                Bucket=self.bucket,
                Delete={"Objects": batch, "Quiet": True},
                **self._owned,
            )

    def _pages(self, **arguments: Any) -> Iterator[JsonObject]:
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=self.bucket, **self._owned, **arguments))
        while True:
            page = self._call(arguments["Prefix"], next, pages, None)
            if page is None:
                return
            yield page

    def _call(self, key: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        from boto3.exceptions import S3UploadFailedError

        where = self.uri(key)

        def refused(text: str, code: str = "") -> StorageError:
            return StorageError(f"S3 refused {where}", where=where, cause=text, hint=_hint(code))

        with asking("S3", where=where, refused=lambda r: refused(r.text, r.code)):
            try:
                return function(*args, **kwargs)
            except S3UploadFailedError as error:  # a part of a large object
                raise refused(str(error)) from error


def _region(response: JsonObject) -> str:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(response.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))


def _hint(code: str) -> str:
    if code in DENIED or code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return "check the credentials (aws sts get-caller-identity) and the bucket's policy"
    return "run the same command again with -v"
