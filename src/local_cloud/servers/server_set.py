"""The two servers of a state folder: started by one process, reached by others through a file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from src.errors import CannotRunError
from src.local_cloud.servers.postgres_server import USER, PostgresServer, may_pass
from src.local_cloud.servers.s3_server import S3Credentials, S3Server
from src.waiting import attempts, every

if TYPE_CHECKING:
    from src.local_cloud.redshift.front.server import Front

ADDRESS_FILE = "servers.json"
REGION = "us-east-1"
PREPARE_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Credentials:
    """The secrets of one state folder."""

    access_key: str
    secret_key: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class Address:
    """Where the servers of a state folder listen, and who runs them; no secret is in it."""

    s3_endpoint: str
    redshift_port: int  # PostgreSQL's own
    front_port: int  # the one that speaks Redshift
    psql: str
    pid: int


class Servers:
    """Starts and stops both servers, and says in `servers.json` where they listen."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self._folder = folder
        self._credentials = credentials
        self._s3: S3Server | None = None
        self._postgres: PostgresServer | None = None
        self._front: Front | None = None

    def start(self) -> Address:
        """Start both; returns when they answer."""
        from src.local_cloud.redshift.front.server import Front

        folder, secret = self._folder, self._credentials
        (folder / ADDRESS_FILE).unlink(missing_ok=True)
        key = S3Credentials(secret.access_key, secret.secret_key)
        self._s3 = S3Server(folder / "s3", folder / "s3.log", key)
        self._s3.start()
        self._postgres = PostgresServer(
            folder / "redshift", folder / "redshift.log", secret.password
        )
        self._postgres.start()
        self._prepare(self._postgres)
        endpoint = self._s3.endpoint
        self._front = Front(self._postgres.address(), lambda: s3_client(endpoint, secret))
        self._front.start()
        address = Address(
            endpoint, self._postgres.port, self._front.port, self._postgres.psql, os.getpid()
        )
        write_private(folder / ADDRESS_FILE, json.dumps(asdict(address)))
        return address

    def _prepare(self, postgres: PostgresServer) -> None:
        """Make the warehouse a Redshift; also where it restarts meanwhile, which takes moments."""
        import psycopg2

        from src.local_cloud.redshift.connection import prepare

        try:
            attempts(
                lambda: prepare(postgres.superuser_address(), USER),
                may_repeat=may_pass,
                pauses_s=every(0.1),
                timeout_s=PREPARE_TIMEOUT_S,
            )
        except psycopg2.OperationalError as error:
            raise postgres.failed("the local warehouse does not stay up") from error

    def restart_ended(self) -> Iterator[tuple[str, str]]:
        """Start again what has ended, where it was; yield each one's name, and how it ended."""
        s3, postgres = self._s3, self._postgres
        if s3 is not None and s3.end is not None:
            end = s3.end
            s3.start()
            yield "the S3 server", end
        if postgres is not None and postgres.end is not None:
            end = postgres.end
            postgres.restart()
            self._prepare(postgres)
            yield "the warehouse", end

    def stop(self) -> None:
        """Stop what was started."""
        if self._postgres is not None or self._s3 is not None:
            (self._folder / ADDRESS_FILE).unlink(missing_ok=True)
        if self._front is not None:
            self._front.stop()
        if self._postgres is not None:
            self._postgres.stop()
        if self._s3 is not None:
            self._s3.stop()


def s3_client(endpoint: str, credentials: Credentials) -> Any:
    """Return a boto3 S3 client for the local server; what AWS's tools are configured with, in
    the environment or in ~/.aws, does not reach it.
    """
    import boto3
    from botocore import configprovider, session
    from botocore.config import Config

    own = session.Session()
    store = own.get_component("config_store")
    for name, (_, _, default, _) in configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES.items():
        store.set_config_variable(name, default)
    for name in ("config_file", "credentials_file"):
        store.set_config_variable(name, os.devnull)
    for name in ("s3", "proxies_config"):
        store.set_config_variable(name, None)
    return boto3.Session(botocore_session=own).client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}),
    )


def published_address(folder: Path) -> Address | None:
    """Return where a folder's running servers listen, or None while they start."""
    try:
        return Address(**json.loads((folder / ADDRESS_FILE).read_text()))
    except FileNotFoundError:
        return None


def read_credentials(folder: Path) -> Credentials:
    """Return the folder's secrets; the first call makes them."""
    file = folder / "credentials.json"
    try:
        return Credentials(**json.loads(file.read_text()))
    except FileNotFoundError:
        pass
    except (ValueError, TypeError) as error:
        raise CannotRunError(
            "the local cloud's credentials cannot be read",
            where=str(file),
            hint=f"rm -r {quote(str(folder))} (its data can be generated again)",
        ) from error
    fresh = Credentials(
        access_key="AKIALOCAL" + secrets.token_hex(6).upper(),
        secret_key=secrets.token_hex(20),
        password=secrets.token_urlsafe(18),
    )
    write_private(file, json.dumps(asdict(fresh)))
    return fresh


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    aside.replace(path)
