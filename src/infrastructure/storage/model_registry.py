"""Saved models in S3: immutable versions, the manifest last; a candidate, and a champion."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from src.domain.bucket_layout import (
    MODEL_MANIFEST_NAME,
    MODEL_PREFIX,
    folder,
    model_alias,
    model_version,
)
from src.errors import SavedModelError, StorageError
from src.infrastructure.storage.s3_storage import S3Storage
from src.json_object import JsonObject


@dataclass(frozen=True)
class SavedModel:
    """One version: its files, verified, and what the manifest contains about it."""

    name: str
    version: int
    files: dict[str, bytes]
    facts: JsonObject


class ModelRegistry:
    """models/NAME/versions/N/{files, manifest.json} and models/NAME/aliases/*.json.

    A version exists once its manifest is written; files are hashed before anything reads them.
    Saved is not promoted: a new version is the candidate until `promote` makes it the champion.
    """

    def __init__(self, storage: S3Storage, local_folder: Path | None = None) -> None:
        self._storage = storage
        self._local_folder = local_folder

    def uri(self, name: str, version: int) -> str:
        """Return a version's address."""
        return self._storage.uri(model_version(name, version))

    def versions(self, name: str) -> list[int]:
        """Return the version numbers that have been begun, complete or not."""
        folders = self._storage.folders(folder(MODEL_PREFIX, name, "versions"))
        return sorted(int(folder) for folder in folders if folder.isdigit())

    def save(self, name: str, files: dict[str, bytes], facts: JsonObject) -> int:
        """Store a new version, the candidate from now on; returns its number."""
        version = max(self.versions(name), default=0) + 1
        prefix = model_version(name, version)
        for file, body in files.items():
            self._storage.put(prefix + file, body)
        manifest = {
            **facts,
            "name": name,
            "version": version,
            "files": {
                file: {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
                for file, body in sorted(files.items())
            },
        }
        body = json.dumps(manifest, indent=2, allow_nan=False).encode()
        self._storage.put(prefix + MODEL_MANIFEST_NAME, body, content_type="application/json")
        self._write_alias(name, "candidate", version, body, "not decided yet")
        self._copy_locally(name, version, {**files, MODEL_MANIFEST_NAME: body})
        return version

    def promote(self, name: str, version: int, reason: str) -> None:
        """Make a version the champion; it is no candidate any more."""
        body = self._storage.get(model_version(name, version) + MODEL_MANIFEST_NAME)
        self._write_alias(name, "champion", version, body, reason)
        self._storage.delete([model_alias(name, "candidate")])

    def hold(self, name: str, version: int, reason: str) -> None:
        """Leave a version a candidate, and keep why it was not promoted."""
        body = self._storage.get(model_version(name, version) + MODEL_MANIFEST_NAME)
        self._write_alias(name, "candidate", version, body, reason)

    def champion(self, name: str) -> SavedModel:
        """Return the champion; raises SavedModelError where there is none."""
        alias = self._alias(name, "champion")
        if alias is not None:
            return self.load(name, *alias[:2])
        candidate = self._alias(name, "candidate")
        if candidate is None:
            raise SavedModelError(
                f"there is no saved {name} model",
                where=self._storage.uri(model_alias(name, "champion")),
                hint="python train_demo_models.py",
            )
        version, _, reason = candidate
        raise SavedModelError(
            f"there is no champion of {name}: version {version} is a candidate only",
            where=self.uri(name, version),
            cause=f"it was not promoted: {reason}",
            hint="python train_demo_models.py, once there are more concerts to learn from",
        )

    def load(self, name: str, version: int, manifest_sha256: str | None = None) -> SavedModel:
        """Return a version, every file's hash verified before anything parses it."""
        prefix = model_version(name, version)
        body = self._storage.find(prefix + MODEL_MANIFEST_NAME)
        if body is None:
            raise self._damaged(name, version, "its manifest is missing")
        if manifest_sha256 and hashlib.sha256(body).hexdigest() != manifest_sha256:
            raise self._damaged(name, version, "its manifest is not the one that was promoted")
        try:
            manifest: JsonObject = json.loads(body)
            hashes = {str(file): facts["sha256"] for file, facts in manifest["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(name, version, "its manifest lists no files") from error
        files: dict[str, bytes] = {}
        for file, expected in hashes.items():
            try:
                files[file] = self._storage.get(prefix + file)
            except StorageError as error:
                raise self._damaged(name, version, f"{file} is missing") from error
            if hashlib.sha256(files[file]).hexdigest() != expected:
                raise self._damaged(name, version, f"{file} has changed since it was saved")
        return SavedModel(name, version, files, manifest)

    def _write_alias(
        self, name: str, alias: str, version: int, manifest: bytes, reason: str
    ) -> None:
        found = {
            "version": version,
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "reason": reason,
        }
        self._storage.put(model_alias(name, alias), json.dumps(found).encode())

    def _alias(self, name: str, alias: str) -> tuple[int, str, str] | None:
        """Return version, hash of the manifest, and reason; None where there is no such alias."""
        body = self._storage.find(model_alias(name, alias))
        if body is None:
            return None
        try:
            found = json.loads(body)
            return int(found["version"]), str(found["manifest_sha256"]), str(found.get("reason"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(name, 0, f"the {alias} alias cannot be read") from error

    def _damaged(self, name: str, version: int, cause: str) -> SavedModelError:
        return SavedModelError(
            f"the saved {name} model failed its integrity check",
            where=self.uri(name, version),
            cause=cause,
            hint="python train_demo_models.py",
        )

    def _copy_locally(self, name: str, version: int, files: dict[str, bytes]) -> None:
        if self._local_folder is None:
            return
        target = self._local_folder / name / str(version)
        try:
            target.mkdir(parents=True, exist_ok=True)
            for file, body in files.items():
                (target / file).write_bytes(body)
        except OSError as error:
            raise StorageError(
                "the local copy of the model cannot be written",
                where=str(target),
                cause=str(error),
                hint="name a writable folder with --output-dir",
            ) from error
