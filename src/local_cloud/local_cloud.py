"""The embedded AWS: S3 and Redshift servers over one state folder, for one run at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from src.errors import BusyError, CannotRunError
from src.local_cloud.postgres_server import PostgresServer
from src.local_cloud.s3_server import S3Credentials, S3Server
from src.signals import uninterrupted

REGION = "us-east-1"


class LocalCloud:
    """Starts both servers on entry and stops them on exit; use it as a context manager.

    Everything lives below `folder`: objects as plain files in s3/, the warehouse in redshift/,
    logs, and the credentials that only this folder's owner may read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock_file: IO[str] | None = None
        self._s3_server: S3Server | None = None
        self._postgres: PostgresServer | None = None
        self._s3_client: Any = None
        self._credentials: dict[str, str] = {}

    def __enter__(self) -> LocalCloud:
        self._create_folder()
        self._take_lock()
        try:
            self._credentials = self._read_credentials()
            key = S3Credentials(self._credentials["access_key"], self._credentials["secret_key"])
            self._s3_server = S3Server(self.folder / "s3", self.folder / "s3.log", key)
            self._s3_server.start()
            self._postgres = PostgresServer(
                self.folder / "redshift",
                self.folder / "redshift.log",
                self._credentials["password"],
            )
            self._postgres.start()
            self._prepare_redshift()
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
            import boto3
            from botocore.config import Config

            assert self._s3_server is not None
            self._s3_client = boto3.client(
                "s3",
                endpoint_url=self._s3_server.endpoint,
                aws_access_key_id=self._credentials["access_key"],
                aws_secret_access_key=self._credentials["secret_key"],
                region_name=REGION,
                config=Config(
                    s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}
                ),
            )
        return self._s3_client

    def glue_client(self) -> Any:
        """Return a client with the boto3 Glue methods."""
        from src.local_cloud.glue_runner import LocalGlueClient

        return LocalGlueClient(self.s3_client(), self.folder / "glue")

    def connect_redshift(self) -> Any:
        """Return a new connection to the local warehouse."""
        from src.local_cloud.redshift.connection import connect

        return connect(s3=self.s3_client(), **self.redshift_address())

    def redshift_address(self) -> dict[str, Any]:
        """Return psycopg2.connect's keyword arguments for the local warehouse."""
        assert self._postgres is not None
        return self._postgres.address()

    def write_client_files(self) -> dict[str, str]:
        """Write connection files for psql and the AWS CLI; returns the lines that use them.

        The files hold the secrets (mode 0600), so that no command line does.
        """
        assert self._s3_server is not None and self._postgres is not None
        address = self.redshift_address()
        service, aws = self.folder / "pg_service.conf", self.folder / "aws_config"
        _write_private(
            service,
            "[concert_demo]\n" + "".join(f"{name}={value}\n" for name, value in address.items()),
        )
        _write_private(
            aws,
            "[profile concert-demo]\n"
            f"region = {REGION}\nendpoint_url = {self._s3_server.endpoint}\n"
            f"aws_access_key_id = {self._credentials['access_key']}\n"
            f"aws_secret_access_key = {self._credentials['secret_key']}\n",
        )
        return {
            "psql": f"PGSERVICEFILE={service} {self._postgres.psql} service=concert_demo",
            "psql_path": self._postgres.psql,
            "aws": f"AWS_CONFIG_FILE={aws} aws --profile concert-demo s3 ls --recursive s3://…",
        }

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder without starting anything."""
        self._take_lock()
        try:
            yield
        finally:
            self._stop()

    def places(self) -> list[Path]:
        """Return every folder that holds state, the warehouse's own included."""
        from src.local_cloud.postgres_server import data_folder

        return [data_folder(self.folder / "redshift"), self.folder]

    # -- keeping the folder --------------------------------------------------------------

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

    def _take_lock(self) -> None:
        lock_file = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock_file.seek(0)
            holder = lock_file.read().strip() or "unknown"
            lock_file.close()
            raise BusyError(
                "another run is using the local cloud",
                where=str(self.folder),
                cause=f"process {holder} holds it",
                hint=f"wait for it, or: DEMO_STATE_DIR=.demo2 python {Path(sys.argv[0]).name}",
            ) from error
        lock_file.truncate(0)
        lock_file.write(str(os.getpid()))
        lock_file.flush()
        self._lock_file = lock_file

    def _read_credentials(self) -> dict[str, str]:
        file = self.folder / "credentials.json"
        try:
            found: dict[str, str] = json.loads(file.read_text())
            return {name: found[name] for name in ("access_key", "secret_key", "password")}
        except FileNotFoundError:
            pass
        except (ValueError, KeyError) as error:
            raise CannotRunError(
                "the local cloud's credentials cannot be read",
                where=str(file),
                hint=f"rm -r {self.folder} (its data can be generated again)",
            ) from error
        fresh = {
            "access_key": "AKIALOCAL" + secrets.token_hex(6).upper(),
            "secret_key": secrets.token_hex(20),
            "password": secrets.token_urlsafe(18),
        }
        _write_private(file, json.dumps(fresh))
        return fresh

    def _prepare_redshift(self) -> None:
        from src.local_cloud.redshift.connection import prepare

        prepare(self.redshift_address())

    def _stop(self) -> None:
        with uninterrupted():  # a second Ctrl-C must not leave a server behind
            if self._postgres is not None:
                self._postgres.stop()
            if self._s3_server is not None:
                self._s3_server.stop()
            if self._lock_file is not None:
                self._lock_file.close()


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    aside.replace(path)
