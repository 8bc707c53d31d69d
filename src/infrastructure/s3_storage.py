"""Buckets and objects, and raw data sets whose manifest is their commit point."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from src.domain.dataset import MANIFEST_NAME, DatasetManifest, manifest_from_dict
from src.errors import StorageError, UnreachableError

RAW_PREFIX = "raw"
T = TypeVar("T")


@dataclass(frozen=True)
class StoredObject:
    """One object of a bucket."""

    key: str
    size: int


class S3Storage:
    """Reads and writes one bucket through a boto3 S3 client.

    Every failure becomes a StorageError (or UnreachableError) naming the s3:// address.
    """

    def __init__(self, client: Any, bucket: str, *, region: str = "us-east-1") -> None:
        self._client = client
        self._region = region
        self.bucket = bucket

    def uri(self, key: str = "") -> str:
        """Return the s3:// address of a key."""
        return f"s3://{self.bucket}/{key}"

    def ensure_bucket(self) -> bool:
        """Create the bucket unless it is there; return whether it was created."""
        if self._bucket_exists():
            return False
        arguments: dict[str, Any] = {"Bucket": self.bucket}
        if self._region != "us-east-1":  # which refuses its own name as a constraint
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        try:
            self._call("", self._client.create_bucket, **arguments)
        except StorageError as error:
            code = _code(error.__cause__)
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

    def _bucket_exists(self) -> bool:
        try:
            self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            code = _code(error)
            if code in ("404", "NoSuchBucket"):
                return False
            raise StorageError(
                f"bucket {self.bucket} cannot be used",
                where=self.uri(),
                cause=f"HeadBucket answered {code}",
                hint="choose another bucket name, or ask for s3:ListBucket on this one",
            ) from error
        except BotoCoreError as error:
            raise _unreachable(self.uri(), error) from error
        return True

    def put(self, key: str, body: bytes, *, content_type: str | None = None) -> None:
        """Store one object, whole or not at all."""
        extra = {"ContentType": content_type} if content_type else {}
        self._call(key, self._client.put_object, Bucket=self.bucket, Key=key, Body=body, **extra)

    def get(self, key: str) -> bytes:
        """Return an object's bytes; raises StorageError where there is none."""

        def read() -> bytes:
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            return bytes(answer["Body"].read())

        return self._call(key, read)

    def find(self, key: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        try:
            return self.get(key)
        except StorageError as error:
            if _code(error.__cause__) in ("NoSuchKey", "404"):
                return None
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
            )

    def _pages(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=self.bucket, **arguments))
        while True:
            page = self._call(arguments["Prefix"], next, pages, None)
            if page is None:
                return
            yield page

    def _call(self, key: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        from boto3.exceptions import S3UploadFailedError

        try:
            return function(*args, **kwargs)
        except (ClientError, S3UploadFailedError) as error:
            raise StorageError(
                f"S3 refused {self.uri(key)}",
                where=self.uri(key),
                cause=str(error),
                hint=_hint(_code(error)),
            ) from error
        except BotoCoreError as error:
            raise _unreachable(self.uri(key), error) from error


class RawDatasets:
    """The raw data sets of a bucket: raw/<data set>/<table>/part-00000.json.gz."""

    def __init__(self, storage: S3Storage) -> None:
        self.storage = storage

    def prefix(self, dataset_id: str) -> str:
        """Return the key prefix of a data set."""
        return f"{RAW_PREFIX}/{dataset_id}/"

    def sink(self, dataset_id: str) -> DatasetSink:
        """Return where the files of a new data set are put."""
        return DatasetSink(self.storage, self.prefix(dataset_id))

    def commit(self, manifest: DatasetManifest) -> None:
        """Write the manifest: from now on the data set exists."""
        body = json.dumps(manifest.as_dict(), indent=2, allow_nan=False).encode()
        key = self.prefix(manifest.dataset_id) + MANIFEST_NAME
        self.storage.put(key, body, content_type="application/json")

    def latest(self) -> DatasetManifest:
        """Return the newest complete data set, its files verified to be there.

        Raises StorageError where there is none, or where it is not whole.
        """
        names = self.storage.folders(f"{RAW_PREFIX}/")
        for name in reversed(names):
            body = self.storage.find(self.prefix(name) + MANIFEST_NAME)
            if body is not None:
                return self._verified(name, body)
        where = self.storage.uri(f"{RAW_PREFIX}/")
        cause = (
            f"{len(names)} data sets there, none with a {MANIFEST_NAME}: incomplete uploads"
            if names
            else "the bucket holds no raw data"
        )
        raise StorageError(
            "--skip-generation found no complete raw data set",
            where=where,
            cause=cause,
            hint="python run_demo_pipeline.py",
        )

    def _verified(self, name: str, body: bytes) -> DatasetManifest:
        where = self.storage.uri(self.prefix(name) + MANIFEST_NAME)
        try:
            manifest = manifest_from_dict(json.loads(body) | {"dataset_id": name})
        except (ValueError, TypeError, AttributeError) as error:
            raise StorageError(
                f"the manifest of raw data set {name} cannot be used",
                where=where,
                cause=str(error),
                hint="python run_demo_pipeline.py",
            ) from error
        sizes = {o.key: o.size for o in self.storage.list_objects(self.prefix(name))}
        for table, entry in manifest.tables.items():
            for file in entry.files:
                size = sizes.get(self.prefix(name) + file.path)
                if size is None or (file.bytes and size != file.bytes):
                    found = "it is missing" if size is None else f"it has {size:,} bytes"
                    raise StorageError(
                        f"raw data set {name} is incomplete: {table} has lost a file",
                        where=self.storage.uri(self.prefix(name) + file.path),
                        cause=f"{found}; the manifest says {file.bytes:,} bytes",
                        hint="python run_demo_pipeline.py",
                    )
        return manifest.with_sizes(lambda path: sizes[self.prefix(name) + path])


class DatasetSink:
    """Puts the files of one data set below its prefix."""

    def __init__(self, storage: S3Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix

    def put(self, path: str, body: bytes) -> None:
        """Store one file."""
        self._storage.put(self._prefix + path, body)


def _code(error: BaseException | None) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _hint(code: str) -> str:
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return "check the credentials (aws sts get-caller-identity) and the bucket's policy"
    return "python run_demo_pipeline.py -v"


def _unreachable(where: str, error: Exception) -> UnreachableError:
    if isinstance(error, NoCredentialsError):
        return UnreachableError(
            "no AWS credentials were found",
            where=where,
            cause=str(error),
            hint="aws configure, or run with --target local",
        )
    return UnreachableError(
        "S3 does not answer",
        where=where,
        cause=str(error),
        hint="check the network, then run the same command again",
    )
