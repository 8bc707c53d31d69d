"""The folders that hold the state of one local cloud."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.local_cloud.servers.server_folder import data_folder


def state_folders(folder: Path) -> tuple[Path, Path]:
    """Return all folders below which something of a state folder lies."""
    return data_folder(folder / "redshift"), folder


@contextmanager
def temporary_state_folder() -> Iterator[Path]:
    """Give a state folder for a trial, and delete it with all that its servers left."""
    folder = Path(tempfile.mkdtemp(prefix="concert-demo-trial-"))
    try:
        yield folder
    finally:
        for place in state_folders(folder):
            shutil.rmtree(place, ignore_errors=True)
