"""Raw data sets in a bucket; the manifest of each is its commit point."""

from __future__ import annotations

import json

from src.domain.bucket_layout import MANIFEST_NAME, RAW_PREFIX, folder
from src.domain.dataset import DatasetManifest, manifest_from_dict
from src.errors import StorageError
from src.infrastructure.storage.s3_storage import S3Storage

_ANOTHER = (
    "python run_demo_pipeline.py --input-dir DIR; or leave out --skip-generation: generated data "
    "then replaces what is loaded"
)


class RawDatasets:
    """The raw data sets of a bucket: raw/<data set>/<table>/part-00000.json.gz."""

    def __init__(self, storage: S3Storage) -> None:
        self.storage = storage

    def prefix(self, dataset_id: str) -> str:
        """Return the key prefix of a data set."""
        return folder(RAW_PREFIX, dataset_id)

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
        names = self.storage.folders(folder(RAW_PREFIX))
        for name in reversed(names):
            body = self.storage.find(self.prefix(name) + MANIFEST_NAME)
            if body is not None:
                return self._verified(name, body)
        where = self.storage.uri(folder(RAW_PREFIX))
        cause = (
            f"{len(names)} data sets there, none with a {MANIFEST_NAME}: incomplete uploads"
            if names
            else "the bucket holds no raw data"
        )
        raise StorageError(
            "--skip-generation found no complete raw data set",
            where=where,
            cause=cause,
            hint=_ANOTHER,
        )

    def named(self, name: str) -> DatasetManifest:
        """Return one data set, its files verified to be there; raises StorageError."""
        body = self.storage.get(self.prefix(name) + MANIFEST_NAME)
        return self._verified(name, body)

    def _verified(self, name: str, body: bytes) -> DatasetManifest:
        where = self.storage.uri(self.prefix(name) + MANIFEST_NAME)
        try:
            manifest = manifest_from_dict(json.loads(body) | {"dataset_id": name})
        except (ValueError, TypeError, AttributeError) as error:
            raise StorageError(
                f"the manifest of raw data set {name} cannot be used",
                where=where,
                cause=str(error),
                hint=_ANOTHER,
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
                        hint=_ANOTHER,
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
