"""A saved model as one file, `model.tar.gz`: what the server needs of a version, and no more."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from src.domain.bucket_layout import MODEL_MANIFEST_NAME
from src.errors import SavedModelError
from src.json_object import JsonObject

MAX_BYTES = 64 << 20  # of all files of a package; a real one has less than one megabyte
RETRAIN = "python train_demo_models.py"
# The page of facts and the profile are for people and for later trainings.
_NOT_NEEDED = ("model_card.md", "reference_profile.json")


def package(files: Mapping[str, bytes], manifest: JsonObject) -> bytes:
    """Return a version as `model.tar.gz`: the same version gives the same bytes.

    Where the files include the trees as arrays, scikit-learn's own files are left out.
    """
    is_plain = any(name.endswith(".npz") for name in files)
    kept = {
        name: body
        for name, body in sorted(files.items())
        if name not in _NOT_NEEDED and not (is_plain and name.endswith(".skops"))
    }
    facts = {**manifest, "files": {name: _facts(body) for name, body in kept.items()}}
    text = json.dumps(facts, indent=1, sort_keys=True, allow_nan=False).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, body in {MODEL_MANIFEST_NAME: text, **kept}.items():
            entry = tarfile.TarInfo(name)  # no owner, no time: 0
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return gzip.compress(out.getvalue(), mtime=0)


def _facts(body: bytes) -> JsonObject:
    return {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}


def read_package(path: Path) -> tuple[dict[str, bytes], JsonObject]:
    """Return the files and the manifest of a folder or a `model.tar.gz`, each hash verified.

    Raises SavedModelError where it is no whole version. Nothing is unpacked to disk.
    """
    try:
        if path.is_dir():
            return _verified(lambda name: (path / name).read_bytes())
        return _verified(_unpacked(path).__getitem__)
    except SavedModelError:
        raise
    except Exception as error:  # whatever a damaged archive raises
        raise SavedModelError(
            "there is no whole saved model here",
            where=str(path),
            cause=f"{type(error).__name__}: {str(error)[:200]}",
            hint=RETRAIN,
        ) from error


def _unpacked(path: Path) -> dict[str, bytes]:
    """Return the plain files of an archive by name."""
    found: dict[str, bytes] = {}
    with gzip.open(path) as stream:
        plain = stream.read(MAX_BYTES + 1)
    if len(plain) > MAX_BYTES:
        raise ValueError(f"it holds more than {MAX_BYTES:,} bytes")
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for entry in archive:
            body = archive.extractfile(entry) if entry.isreg() else None
            if body is not None:
                found[entry.name] = body.read()
    return found


def _verified(read: Callable[[str], bytes]) -> tuple[dict[str, bytes], JsonObject]:
    manifest = json.loads(read(MODEL_MANIFEST_NAME))
    hashes = {str(name): facts["sha256"] for name, facts in manifest["files"].items()}
    files = {}
    for name, expected in hashes.items():
        if Path(name).name != name:
            raise ValueError(f"{name!r:.60} is no file's name")
        files[name] = read(name)
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise ValueError(f"{name} has changed since it was saved")
    return files, manifest
