"""What most tests need and few are about, made once: a new warehouse's files, AWS's models.

PostgreSQL's initdb is most of what a first start takes. The first of a session is real; a later
one is a copy of it. Scripts that are started cold (`Script.run_cold`, `Script.start`) are not
changed: there, each first start is real.
"""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader

from src.local_cloud.servers import postgres_server
from src.local_cloud.servers.postgres_server import PostgresServer

_PASSWORD = "superuser"  # the file beside the data that belongs to it


def install() -> None:
    """Change both in this process; to be called once."""
    _create_by_copy()
    _read_models_once()


def _create_by_copy() -> None:
    really_create, superuser = PostgresServer._create, postgres_server.SUPERUSER

    def create(server: PostgresServer, binaries: Path) -> Path:
        if superuser != postgres_server.SUPERUSER:  # a test plays an earlier version
            return really_create(server, binaries)
        made = Path(tempfile.gettempdir(), "prepared-warehouse")
        folder = server._folder
        if made.exists():
            server._need_account_entry()
            new = folder / "data.new"
            shutil.rmtree(new, ignore_errors=True)
            if _is_copied(made / "data", new):
                shutil.copy2(made / _PASSWORD, folder / _PASSWORD)
                return new
            shutil.rmtree(new, ignore_errors=True)  # the disk is full: what does initdb report?
        data = really_create(server, binaries)
        aside = Path(tempfile.mkdtemp())
        shutil.copy2(folder / _PASSWORD, aside / _PASSWORD)
        try:
            if not _is_copied(data, aside / "data"):
                raise OSError("not copied")
            aside.rename(made)
        except OSError:  # another process was first
            shutil.rmtree(aside, ignore_errors=True)
        return data

    PostgresServer._create = create  # type: ignore[method-assign]


def _is_copied(source: Path, target: Path) -> bool:
    command = ["cp", "-a", str(source), str(target)]  # keeps the owner
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _read_models_once() -> None:
    """Each boto3 session reads the description of its services anew, 75 ms for S3."""
    really_read = JSONFileLoader().load_file

    @functools.cache
    def read(path: str) -> Any:
        return really_read(path)

    JSONFileLoader.load_file = lambda _, path: read(path)
