"""Saved models in S3: immutable versions, the manifest last; a candidate, and a champion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from src.domain.bucket_layout import (
    MODEL_MANIFEST_NAME,
    MODEL_PREFIX,
    folder,
    model_alias,
    model_version,
)
from src.errors import SavedModelError, StorageError
from src.infrastructure.aws.answers import code_of
from src.infrastructure.storage.s3_storage import ABSENT, CHANGED, S3Storage
from src.json_object import JsonObject

HISTORY = 200  # entries of an alias that are kept


@dataclass(frozen=True)
class SavedModel:
    """One version: its files, verified, and what the manifest contains about it."""

    name: str
    version: int
    files: dict[str, bytes]
    facts: JsonObject


@dataclass(frozen=True)
class AliasEntry:
    """Which version an alias named, since when, by which run, and why.

    `state` is pending, held or promoted for a candidate, and promoted or rolled back to for a
    champion.
    """

    version: int
    manifest_sha256: str
    reason: str
    since: str
    by: str
    state: str


class ModelRegistry:
    """models/NAME/versions/N/{files, manifest.json} and models/NAME/aliases/*.json.

    A version exists once its manifest is written; files are hashed before anything reads them.
    Saved is not promoted: a new version is the candidate until it is decided about. Each alias
    is one file with its history, written in place of the one that was read. `run_id` stands in
    the history for who wrote it.
    """

    def __init__(
        self,
        storage: S3Storage,
        local_folder: Path | None = None,
        *,
        run_id: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage = storage
        self._local_folder = local_folder
        self._run_id = run_id
        self._now = now

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
        for file, content in (*files.items(), (MODEL_MANIFEST_NAME, body)):
            self._put(name, prefix + file, content, ABSENT)
        self._write(name, "candidate", version, body, "not decided yet", "pending")
        self._copy_locally(name, version, {**files, MODEL_MANIFEST_NAME: body})
        return version

    def promote(self, name: str, version: int, reason: str) -> None:
        """Make a version the champion, and keep why it was promoted."""
        body = self._manifest(name, version)
        self._write(name, "champion", version, body, reason, "promoted")
        self._write(name, "candidate", version, body, reason, "promoted")

    def hold(self, name: str, version: int, reason: str) -> None:
        """Leave a version a candidate, and keep why it was not promoted."""
        self._write(name, "candidate", version, self._manifest(name, version), reason, "held")

    def roll_back(self, name: str, version: int, reason: str) -> None:
        """Make a version the champion again; no candidate is decided about."""
        body = self._manifest(name, version)
        self._write(name, "champion", version, body, reason, "rolled back to")

    def champions(self, name: str) -> list[AliasEntry]:
        """Return the champion and those before it, newest first; [] where there was none."""
        return self._read(name, "champion")[0]

    def decisions(self, name: str) -> list[AliasEntry]:
        """Return what was decided about candidates, newest first; the first may be pending."""
        return self._read(name, "candidate")[0]

    def champion(self, name: str) -> SavedModel:
        """Return the champion; raises SavedModelError where there is none."""
        found = self.champions(name)
        if found:
            return self.load(name, found[0].version, found[0].manifest_sha256)
        candidates = self.decisions(name)
        if not candidates:
            raise SavedModelError(
                f"there is no saved {name} model",
                where=self._storage.uri(model_alias(name, "champion")),
                hint="python train_demo_models.py",
            )
        version = candidates[0].version
        raise SavedModelError(
            f"there is no champion of {name}: version {version} is a candidate only",
            where=self.uri(name, version),
            cause=f"it was not promoted: {candidates[0].reason}",
            hint="python train_demo_models.py, once there are more concerts to learn from",
        )

    def load(self, name: str, version: int, manifest_sha256: str | None = None) -> SavedModel:
        """Return a version, every file's hash verified before anything parses it."""
        prefix = model_version(name, version)
        body = self._manifest(name, version)
        if manifest_sha256 and hashlib.sha256(body).hexdigest() != manifest_sha256:
            raise self._damaged(name, version, "its manifest is not the one that was promoted")
        try:
            manifest: JsonObject = json.loads(body)
            hashes = {str(file): facts["sha256"] for file, facts in manifest["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(name, version, "its manifest lists no files") from error
        files: dict[str, bytes] = {}
        for file, expected in hashes.items():
            found = self._storage.find(prefix + file)
            if found is None:
                raise self._damaged(name, version, f"{file} is missing")
            files[file] = found
            if hashlib.sha256(found).hexdigest() != expected:
                raise self._damaged(name, version, f"{file} has changed since it was saved")
        return SavedModel(name, version, files, manifest)

    # -- pieces --------------------------------------------------------------------------

    def _manifest(self, name: str, version: int) -> bytes:
        body = self._storage.find(model_version(name, version) + MODEL_MANIFEST_NAME)
        if body is None:
            raise self._damaged(name, version, "its manifest is missing")
        return body

    def _write(
        self, name: str, alias: str, version: int, manifest: bytes, reason: str, state: str
    ) -> None:
        """Put an entry before those that were read; a decision replaces that it was pending."""
        earlier, tag = self._read(name, alias)
        if earlier and earlier[0].version == version and earlier[0].state == "pending":
            earlier = earlier[1:]
        since = self._now().isoformat(timespec="seconds")
        digest = hashlib.sha256(manifest).hexdigest()
        entry = AliasEntry(version, digest, reason, since, self._run_id, state)
        content = {**asdict(entry), "history": [asdict(one) for one in earlier[: HISTORY - 1]]}
        self._put(name, model_alias(name, alias), json.dumps(content, indent=1).encode(), tag)

    def _read(self, name: str, alias: str) -> tuple[list[AliasEntry], str]:
        """Return an alias's entries, newest first, and the tag of its file."""
        body, tag = self._storage.find_tagged(model_alias(name, alias))
        if body is None:
            return [], tag
        try:
            found = json.loads(body)
            return [_entry(one) for one in (found, *found.get("history", ()))], tag
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(name, 0, f"the {alias} alias cannot be read") from error

    def _put(self, name: str, key: str, body: bytes, over: str) -> None:
        kind = "application/json" if key.endswith(".json") else None
        try:
            self._storage.put(key, body, content_type=kind, over=over)
        except StorageError as error:
            if code_of(error) not in CHANGED:
                raise
            if self._storage.find(key) == body:
                return  # a repeated request: the answer to the first one was lost
            raise StorageError(
                f"another run has written the {name} model meanwhile",
                where=self._storage.uri(key),
                cause="what it wrote was kept",
                hint="wait until that run has ended, then run the same command again",
            ) from error

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


def _entry(found: JsonObject) -> AliasEntry:
    """Read an entry; the first versions of this program wrote no time, run and state."""
    texts = {f.name: str(found.get(f.name, "")) for f in fields(AliasEntry) if f.name != "version"}
    if not found["manifest_sha256"]:
        raise ValueError("no hash of a manifest")
    return AliasEntry(version=int(found["version"]), **texts)
