"""The embedded AWS: servers of S3, Redshift and the other services over one state folder."""

from __future__ import annotations

import errno
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any, Literal, NoReturn

from src.commands import started_command
from src.errors import BusyError, CannotRunError, UnreachableError, UsageError
from src.json_object import JsonObject
from src.local_cloud.servers.folder_lock import FolderLock as FolderLock  # noqa: PLC0414 (exported)
from src.local_cloud.servers.postgres_server import connect_arguments
from src.local_cloud.servers.processes import without_libpq_variables
from src.local_cloud.servers.server_set import (
    REGION,
    TLS_FOLDER,
    Address,
    Credentials,
    Servers,
    local_client,
    published_address,
    read_credentials,
    s3_client,
    write_private,
)
from src.local_cloud.state_folders import state_folders
from src.signals import uninterrupted
from src.waiting import every, poll_until

ATTACH_TIMEOUT_S = 60.0
WATCH_S = 0.1
MAX_RESTARTS = 5  # of both servers together, within
RESTARTS_WITHIN_S = 60.0
Role = Literal["run", "host", "visitor"]


class LocalCloud:
    """Starts the servers on entry and stops them on exit; use it as a context manager.

    Everything lives below `folder`: objects as plain files in s3/, the warehouse in redshift/,
    logs, and the credentials that only this folder's owner may read. Servers that another
    process keeps up are used, and left running.

    `role` names what the folder is used for. A "run" works on the data, one at a time. A "host"
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
        self.hosts_servers = False  # whether they end with this process
        self._environment = ExitStack()

    def claim(self) -> None:
        """Take the folder for this role; raises BusyError where another process has it."""
        with usable(self.folder):
            self._create_folder()
            if self._role == "run":
                self._take(self._run_lock)
            if self._role == "host":
                self._take(self._server_lock)

    def __enter__(self) -> LocalCloud:
        self._environment.enter_context(without_libpq_variables())
        try:
            self.claim()
            with usable(self.folder):
                self._credentials = read_credentials(self.folder)
                self._address = self._attach_or_start(self._credentials)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    # -- what a run uses -----------------------------------------------------------------

    def s3_client(self) -> Any:
        """Return a boto3 S3 client for the local server."""
        if self._s3_client is None:
            address, secret = self._entered()
            self._s3_client = s3_client(address.s3_endpoint, secret)
        return self._s3_client

    def glue_client(self, engine: str = "duckdb") -> Any:
        """Return a boto3 Glue client for the local server; the engine is duckdb or spark."""
        from src.local_cloud.endpoint.local_services import engine_path

        address, secret = self._entered()
        return local_client("glue", address.aws_endpoint + engine_path(engine), secret)

    def warm_up_glue(self, engine: str = "duckdb") -> None:
        """Start the engine of the next job run already, where the servers are of this process.

        It ends with the thread that calls this, so call it from the main one.
        """
        if self._servers is not None and self._servers.services is not None:
            self._servers.services.glue(engine).warm_up()

    def connect_redshift(self) -> Any:
        """Return a new connection to the local warehouse."""
        from src.local_cloud.redshift.connection import connect

        streams = cache(lambda: self.aws_client("kinesis"))
        return connect(s3=self.s3_client(), streams=streams, **self.redshift_address())

    def redshift_address(self) -> JsonObject:
        """Return psycopg2.connect's keyword arguments for the local warehouse."""
        address, secret = self._entered()
        return connect_arguments(address.redshift_port, secret.password)

    def front_address(self) -> JsonObject:
        """Return the arguments by which any PostgreSQL client reaches the local Redshift."""
        address, secret = self._entered()
        return connect_arguments(address.front_port, secret.password)

    def aws_client(self, service: str, *, attempts: int | None = None) -> Any:
        """Return a boto3 client of the AWS endpoint that is up now, also after a restart."""
        address, secret = self._entered()
        return local_client(service, address.aws_endpoint, secret, attempts=attempts)

    def write_client_files(self) -> dict[str, str]:
        """Write connection files for psql and the AWS CLI; returns the lines that use them.

        The files hold the secrets (mode 0600), so that no command line does.
        """
        address, secret = self._entered()
        service, aws = self.folder / "pg_service.conf", self.folder / "aws_config"
        ca = self.folder / TLS_FOLDER / "ca.pem"
        fields = self.front_address().items()
        write_private(service, "[concert_demo]\n" + "".join(f"{k}={v}\n" for k, v in fields))
        write_private(
            aws,
            "[profile concert-demo]\n"
            f"region = {REGION}\nservices = concert-demo\n"
            f"aws_access_key_id = {secret.access_key}\n"
            f"aws_secret_access_key = {secret.secret_key}\n"
            "[services concert-demo]\n"
            + "".join(
                f"{name.replace('-', '_')} =\n  endpoint_url = {url}\n"
                for name, url in address.aws_endpoints().items()
            ),
        )
        variables = {
            "AWS_ACCESS_KEY_ID": secret.access_key,
            "AWS_SECRET_ACCESS_KEY": secret.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            **self.endpoint_variables(),
        }
        write_private(
            self.folder / "aws.env",
            "".join(f"export {name}={value}\n" for name, value in variables.items()),
        )
        return {
            "psql": f"PGSERVICEFILE={quote(str(service))} {quote(address.psql)} "
            "service=concert_demo",
            "psql_path": address.psql,
            "client": f"127.0.0.1:{address.front_port}, database dev, user demo, "
            f"password in {service}",
            "tls": f"sslmode=require; verify-ca and verify-full with sslrootcert={quote(str(ca))}; "
            f"redshift_connector: SSL_CERT_FILE={quote(str(ca))}",
            "aws": f"AWS_CONFIG_FILE={quote(str(aws))} aws --profile concert-demo s3 ls",
            "aws_env": f". {quote(str(self.folder / 'aws.env'))}",
        }

    def endpoint_variables(self) -> dict[str, str]:
        """Return the variables by which every AWS SDK reaches the local services."""
        return {
            f"AWS_ENDPOINT_URL_{name.replace('-', '_').upper()}": url
            for name, url in self._entered()[0].aws_endpoints().items()
        }

    def delete(self) -> None:
        """Delete all state, the warehouse's own folder included; raises BusyError in use."""
        try:
            with usable(self.folder):
                self._take(self._run_lock)
                self._take(self._server_lock)
                for place in state_folders(self.folder):
                    shutil.rmtree(place)
        finally:
            self._stop()

    def watch(self, report: Callable[[str], None], pause_s: float = WATCH_S) -> NoReturn:
        """Restart each server of this host that ends; raises where one does not stay up."""
        if self._servers is None:
            raise _not_entered(self.folder)
        servers = self._servers
        ended: deque[float] = deque(maxlen=MAX_RESTARTS)

        def look() -> None:
            for name, end in servers.restart_ended():
                report(f"{name} ended ({end}) and was started again")
                ended.append(time.monotonic())
                if len(ended) == MAX_RESTARTS and ended[-1] - ended[0] < RESTARTS_WITHIN_S:
                    raise UnreachableError(
                        f"{name} does not stay up",
                        where=str(self.folder),
                        cause=f"the servers ended {MAX_RESTARTS} times "
                        f"within {RESTARTS_WITHIN_S:.0f} s, at last with {end}",
                        hint=f"read {quote(str(self.folder))}/*.log, then: "
                        "python -m src.local_cloud up",
                    )

        poll_until(look, pauses_s=every(pause_s))
        raise AssertionError("unreachable")

    # -- keeping the folder --------------------------------------------------------------

    def _entered(self) -> tuple[Address, Credentials]:
        if self._address is None or self._credentials is None:
            raise _not_entered(self.folder)
        # Where the servers are now: their host may have been started again.
        return published_address(self.folder) or self._address, self._credentials

    def _create_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n")

    def _take(self, lock: FolderLock) -> None:
        if lock.is_held or lock.take():
            return
        holder = lock.holder()
        hint = "wait until it has ended, then run the same command again"
        if lock is self._server_lock:
            hint = "where `python -m src.local_cloud up` runs, press Ctrl-C; " + hint
        elif started_command() == "run":
            hint = (
                "wait for it, or give the same command a folder of its own: DEMO_STATE_DIR=.demo2"
            )
        raise BusyError(
            "another run is using the local cloud",
            where=str(self.folder),
            cause=f"process {holder} holds it",
            hint=hint,
        )

    def _attach_or_start(self, credentials: Credentials) -> Address:
        """Return the address of servers that are up or coming up, else of our own."""

        def look() -> Address | bool | None:
            if self._server_lock.is_held or self._server_lock.take():
                return True
            address = published_address(self.folder)
            is_up = address is not None and str(address.pid) == self._server_lock.holder()
            return address if is_up else None

        found = poll_until(look, pauses_s=every(0.05), timeout_s=ATTACH_TIMEOUT_S)
        if isinstance(found, Address):
            return found
        if found is None:
            raise UnreachableError(
                f"the local servers did not start within {ATTACH_TIMEOUT_S:.0f} s",
                where=str(self.folder),
                cause=f"process {self._server_lock.holder()} is starting them",
                hint="end that process, then run the same command again",
            )
        if self._role == "visitor":
            self._take(self._run_lock)
        self._servers, self.hosts_servers = Servers(self.folder, credentials), True
        return self._servers.start()

    def _stop(self) -> None:
        with uninterrupted():  # a second Ctrl-C must not leave a server behind
            if self._servers is not None:
                self._servers.stop()
                self._servers = None
            self._server_lock.release()
            self._run_lock.release()
            self._environment.close()


def _not_entered(folder: Path) -> UsageError:
    return UsageError(
        "the local cloud is not started",
        where=str(folder),
        hint="with LocalCloud(folder) as cloud: ...",
    )


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Turn the system's refusal of a file in the state folder into an error that names it."""
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        hint = "set DEMO_STATE_DIR to a folder that you may write"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = f"free some space (df -h {quote(str(folder))}), then run the same command again"
        raise CannotRunError(
            "the local cloud's folder cannot be written",
            where=str(place),
            cause=error.strerror or str(error),
            hint=hint,
        ) from error
