"""Copies of S3 locations in a folder for a job run, and the way back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ADDRESS = re.compile(r"""s3://(?P<bucket>[a-z0-9.-]+)/(?P<key>[^\s"',\]}]*)""")


class Staging:
    """Copies of S3 locations in a folder, and the way back."""

    def __init__(self, s3: Any, folder: Path) -> None:
        self._s3 = s3
        self._folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}
        self._staged: set[str] = set()

    def localise(self, argument: str) -> str:
        """Replace every s3:// address in an argument by the path of its copy."""
        return _ADDRESS.sub(self._stage, argument)

    def _stage(self, match: re.Match[str]) -> str:
        bucket, key = match["bucket"], match["key"]
        if match[0] not in self._staged:
            self._staged.add(match[0])
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            for page in pages:
                for found in page.get("Contents", ()):
                    # A prefix that only happens to start the same is another location.
                    if found["Key"] == key or found["Key"].startswith(key.rstrip("/") + "/"):
                        self._fetch(bucket, found["Key"])
        return str(self._folder / bucket / key.rstrip("/"))

    def _fetch(self, bucket: str, key: str) -> None:
        path = self._folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._s3.download_file(Bucket=bucket, Key=key, Filename=str(path))
        self._seen[path] = _stamp(path)

    def bring_back(self) -> None:
        """Upload what is new or changed, delete what the script removed."""
        for path in sorted(p for p in self._folder.rglob("*") if p.is_file()):
            if self._seen.get(path) != _stamp(path):
                bucket, _, key = path.relative_to(self._folder).as_posix().partition("/")
                self._s3.upload_file(Filename=str(path), Bucket=bucket, Key=key)
        for path in self._seen:
            if not path.exists():
                bucket, _, key = path.relative_to(self._folder).as_posix().partition("/")
                self._s3.delete_object(Bucket=bucket, Key=key)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
