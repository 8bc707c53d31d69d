"""Looks at a state folder from outside: which servers are up, and whose they are."""

from __future__ import annotations

from pathlib import Path

from src.json_object import JsonObject
from src.local_cloud.servers.folder_lock import FolderLock
from src.local_cloud.servers.server_set import published_address


def servers_of(folder: Path) -> JsonObject | None:
    """Return the process that has servers up in a state folder, and their ports; else None."""
    file = folder / "servers.lock"
    if not file.is_file():
        return None
    lock = FolderLock(file)
    if lock.take():  # it was free
        lock.release()
        return None
    address = published_address(folder)
    if address is None or str(address.pid) != lock.holder():
        return None  # they are starting
    return {
        "pid": address.pid,
        "warehouse_port": address.front_port,
        "s3_endpoint": address.s3_endpoint,
        "aws_endpoint": address.aws_endpoint,
    }
