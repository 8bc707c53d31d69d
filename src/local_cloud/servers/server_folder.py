"""A folder that the PostgreSQL server can reach, which as root runs under another account.

Where that account cannot enter the state folder, the state folder is left alone, and the server
works from one in the temporary folder. Each of the two names the other: a new state folder never
meets an old one's data, and what belonged to a state folder that is gone is deleted.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from src.local_cloud.servers import processes
from src.local_cloud.servers.processes import Account

_PREFIX = "concert-demo-"
_OWNER = "state_folder"  # in the place: whose it is
_PLACE = "place"  # in the state folder: where it is


def data_folder(folder: Path) -> Path:
    """Return where the server of `folder` really keeps its files."""
    return reachable_folder(folder, processes.unprivileged_account())


def reachable_folder(folder: Path, account: Account | None) -> Path:
    """Return `folder`, or one in the temporary folder where `account` cannot reach it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    if account is None:
        return folder
    if not can_reach(folder.parent, account):
        folder = _place_elsewhere(folder / _PLACE)
    folder.chmod(0o755)  # created above by this process
    return folder


def can_reach(path: Path, account: Account) -> bool:
    """Tell whether `account` may enter every folder down to `path`."""
    for folder in (path, *path.parents):
        mode = folder.stat()
        if mode.st_uid == account.uid:
            allowed = mode.st_mode & stat.S_IXUSR
        elif mode.st_gid == account.gid:
            allowed = mode.st_mode & stat.S_IXGRP
        else:
            allowed = mode.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def running_server(data: Path) -> Any:
    """Return the psutil.Process of the server on this data directory, or None."""
    import psutil

    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        server = psutil.Process(pid)
        return server if server.name() == "postgres" else None
    except (OSError, ValueError, psutil.Error):
        return None  # no such server, or PostgreSQL itself will report what is wrong


def _place_elsewhere(note: Path) -> Path:
    with suppress(OSError):
        noted = Path(note.read_text())
        if noted.is_dir() and noted.stat().st_uid == os.geteuid():
            return noted
    _delete_abandoned()
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    note.write_text(str(made))
    (made / _OWNER).write_text(str(note))  # last: a place without it may not be deleted yet
    return made


def _delete_abandoned() -> None:
    """Delete the places of state folders that were deleted, unless a server still runs there."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError):
            place = owner.parent
            ours = place.stat().st_uid == os.geteuid()
            gone = not Path(owner.read_text()).exists()
            if ours and gone and running_server(place / "data") is None:
                shutil.rmtree(place)
