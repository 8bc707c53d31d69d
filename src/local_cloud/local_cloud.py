"""The embedded AWS: S3 and Redshift servers over one state folder."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from src.errors import BusyError, CannotRunError, UnreachableError
from src.local_cloud.folder_lock import FolderLock
from src.local_cloud.postgres_server import connect_arguments
from src.local_cloud.server_folder import data_folder
from src.local_cloud.servers import (
    REGION,
    Address,
    Credentials,
    Servers,
    published_address,
    read_credentials,
    s3_client,
    write_private,
)
from src.signals import uninterrupted

ATTACH_TIMEOUT_S = 60.0
Role = Literal["run", "host", "visitor"]


class LocalCloud:
    """Starts both servers on entry and stops them on exit; use it as a context manager.

    Everything lives below `folder`: objects as plain files in s3/, the warehouse in redshift/,
    logs, and the credentials that only this folder's owner may read. Servers that another
    process keeps up are used, and left running.

    `role` says what the folder is wanted for. A "run" works on the data, one at a time. A "host"
    keeps the servers up for others and does nothing else. A "visitor" looks into servers that
    are up, also during a run; where none are, it starts them and keeps runs out meanwhile.
    """

    def __init__(self, folder: Path, role: Role = "run") -> None:
        self.folder = folder
        self._role = role
        self._run_lock = FolderLock(folder / "lock")
        self._server_lock = FolderLock(folder / "servers.lock")
        self._servers: Servers | None = None
        self._address: Address | None = None
        self._credentials: Credentials | None = None
        self._s3_client: Any = None

    def __enter__(self) -> LocalCloud:
        self._create_folder()
        try:
            if self._role == "run":
                self._take(self._run_lock)
            if self._role == "host":
                self._take(self._server_lock)
            self._credentials = read_credentials(self.folder)
            self._address = self._attach_or_start(self._credentials)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    # -- what a run uses -----------------------------------------------------------------

    def s3_client(self) -> Any:
        """Return a boto3 S3 client for the local server."""
        if self._s3_client is None:
            address, secret = self._entered()
            self._s3_client = s3_client(address.s3_endpoint, secret)
        return self._s3_client

    def glue_client(self, engine: str = "duckdb") -> Any:
        """Return a client with the boto3 Glue methods; the engine is duckdb or spark."""
        from src.local_cloud.glue_runner import LocalGlueClient

        return LocalGlueClient(self.s3_client(), self.folder / "glue", engine=engine)

    def connect_redshift(self) -> Any:
        """Return a new connection to the local warehouse."""
        from src.local_cloud.redshift.connection import connect

        return connect(s3=self.s3_client(), **self.redshift_address())

    def redshift_address(self) -> dict[str, Any]:
        """Return psycopg2.connect's keyword arguments for the local warehouse."""
        address, secret = self._entered()
        return connect_arguments(address.redshift_port, secret.password)

    def front_address(self) -> dict[str, Any]:
        """Return the arguments by which any PostgreSQL client reaches the local Redshift."""
        address, secret = self._entered()
        return connect_arguments(address.front_port, secret.password)

    def write_client_files(self) -> dict[str, str]:
        """Write connection files for psql and the AWS CLI; returns the lines that use them.

        The files hold the secrets (mode 0600), so that no command line does.
        """
        address, secret = self._entered()
        service, aws = self.folder / "pg_service.conf", self.folder / "aws_config"
        fields = self.front_address().items()
        write_private(service, "[concert_demo]\n" + "".join(f"{k}={v}\n" for k, v in fields))
        write_private(
            aws,
            "[profile concert-demo]\n"
            f"region = {REGION}\nendpoint_url = {address.s3_endpoint}\n"
            f"aws_access_key_id = {secret.access_key}\n"
            f"aws_secret_access_key = {secret.secret_key}\n",
        )
        return {
            "psql": f"PGSERVICEFILE={service} {address.psql} service=concert_demo",
            "psql_path": address.psql,
            "client": f"127.0.0.1:{address.front_port}, database dev, user demo, no TLS, "
            f"password in {service}",
            "aws": f"AWS_CONFIG_FILE={aws} aws --profile concert-demo s3 ls",
        }

    def delete(self) -> None:
        """Delete all state, the warehouse's own folder included; raises BusyError in use."""
        try:
            self._take(self._run_lock)
            self._take(self._server_lock)
            _delete_state(self.folder)
        finally:
            self._stop()

    # -- keeping the folder --------------------------------------------------------------

    def _entered(self) -> tuple[Address, Credentials]:
        assert self._address is not None and self._credentials is not None
        return self._address, self._credentials

    def _create_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n")
        except OSError as error:
            raise CannotRunError(
                "the local cloud's folder cannot be written",
                where=str(self.folder),
                cause=str(error),
                hint="set DEMO_STATE_DIR to a writable folder, or free some space",
            ) from error

    def _take(self, lock: FolderLock) -> None:
        if not lock.take():
            raise BusyError(
                "another run is using the local cloud",
                where=str(self.folder),
                cause=f"process {lock.holder()} holds it",
                hint=f"wait for it, or: DEMO_STATE_DIR=.demo2 python {Path(sys.argv[0]).name}",
            )

    def _attach_or_start(self, credentials: Credentials) -> Address:
        """Return the address of servers that are up or coming up, else of our own."""
        deadline = time.monotonic() + ATTACH_TIMEOUT_S
        while not (self._server_lock.is_held or self._server_lock.take()):
            found, holder = published_address(self.folder), self._server_lock.holder()
            if found is not None and str(found.pid) == holder:
                return found
            if time.monotonic() > deadline:
                raise UnreachableError(
                    "the local servers do not come up",
                    where=str(self.folder),
                    cause=f"process {holder} has been starting them",
                    hint="end that process, then run the same command again",
                )
            time.sleep(0.05)
        if self._role == "visitor":
            self._take(self._run_lock)
        self._servers = Servers(self.folder, credentials)
        return self._servers.start()

    def _stop(self) -> None:
        with uninterrupted():  # a second Ctrl-C must not leave a server behind
            if self._servers is not None:
                self._servers.stop()
                self._servers = None
            self._server_lock.release()
            self._run_lock.release()


def _delete_state(folder: Path) -> None:
    for place in (data_folder(folder / "redshift"), folder):
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def temporary_state_folder() -> Iterator[Path]:
    """Give a state folder for a trial, and delete it with all that its servers left."""
    folder = Path(tempfile.mkdtemp(prefix="concert-demo-trial-"))
    try:
        yield folder
    finally:
        _delete_state(folder)
