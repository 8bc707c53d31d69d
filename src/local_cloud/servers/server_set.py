"""The servers of a state folder: started by one process, reached by others through a file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from src.errors import CannotRunError
from src.local_cloud.servers.postgres_server import (
    USER,
    PostgresServer,
    connect_arguments,
    may_pass,
)
from src.local_cloud.servers.s3_server import S3Credentials, S3Server
from src.waiting import attempts, every

if TYPE_CHECKING:
    from src.local_cloud.endpoint.local_services import LocalServices
    from src.local_cloud.redshift.background_refresh import BackgroundRefresh
    from src.local_cloud.redshift.front.server import Front

ADDRESS_FILE = "servers.json"
TLS_FOLDER = "tls"  # the front's certificate, and ca.pem that clients verify it with
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
    front_port: int  # the port of Redshift's protocol
    aws_port: int  # of the other AWS services' HTTP server
    psql: str
    pid: int

    @property
    def aws_endpoint(self) -> str:
        """Return the URL of every AWS service but S3."""
        return f"http://127.0.0.1:{self.aws_port}"

    def aws_endpoints(self) -> dict[str, str]:
        """Return the endpoint of each service, by botocore's name of it."""
        from src.local_cloud.endpoint.local_services import SERVICES

        return {"s3": self.s3_endpoint, **dict.fromkeys(SERVICES, self.aws_endpoint)}


class Servers:
    """Starts and stops the servers, and publishes in `servers.json` where they listen."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self._folder = folder
        self._credentials = credentials
        self._s3: S3Server | None = None
        self._postgres: PostgresServer | None = None
        self._front: Front | None = None
        self._refresher: BackgroundRefresh | None = None
        self._stream_client: Any = None
        self.services: LocalServices | None = None

    def start(self) -> Address:
        """Start all; returns when they answer."""
        from src.local_cloud.endpoint.local_services import LocalServices
        from src.local_cloud.endpoint.warehouse_access import TemporaryUsers
        from src.local_cloud.redshift.front.certificate import server_context
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
        users, make_s3 = TemporaryUsers(USER), lambda: s3_client(endpoint, secret)
        self._front = Front(
            self._postgres.address(), make_s3, tls=server_context(folder / TLS_FOLDER),
            temporary=users.login, streams=self._streams,
        )  # fmt: skip
        self._front.start()
        self.services = LocalServices(
            (secret.access_key, secret.secret_key),
            connect_arguments(self._front.port, secret.password), users, make_s3,
            folder, cancel=self._front.cancel, region=REGION, loader=shared_loader(),
        )  # fmt: skip
        self.services.server.start()
        self._refresher = self._background_refresh(self._postgres.port)
        address = Address(
            endpoint, self._postgres.port, self._front.port, self.services.server.port,
            self._postgres.psql, os.getpid(),
        )  # fmt: skip
        write_private(folder / ADDRESS_FILE, json.dumps(asdict(address)))
        return address

    def _streams(self) -> Any:
        """Return the client of Kinesis, for the streaming views of the warehouse."""
        if self._stream_client is None and self.services is not None:
            url = f"http://127.0.0.1:{self.services.server.port}"
            self._stream_client = local_client("kinesis", url, self._credentials)
        return self._stream_client

    def _background_refresh(self, port: int) -> BackgroundRefresh:
        from src.local_cloud.redshift.background_refresh import BackgroundRefresh
        from src.local_cloud.redshift.connection import connect

        address = connect_arguments(port, self._credentials.password)
        found = BackgroundRefresh(lambda: connect(s3=None, streams=self._streams, **address))
        found.start()
        return found

    def _prepare(self, postgres: PostgresServer) -> None:
        """Make the warehouse a Redshift; also where it restarts meanwhile."""
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
        if self.services is not None and (way := self.services.server.end) is not None:
            self.services.server.start()
            yield "the AWS endpoint", way

    def stop(self) -> None:
        """Stop what was started."""
        if self._postgres is not None or self._s3 is not None:
            (self._folder / ADDRESS_FILE).unlink(missing_ok=True)
        if self._refresher is not None:
            self._refresher.stop()
        if self.services is not None:
            self.services.stop()
        if self._front is not None:
            self._front.stop()
        if self._postgres is not None:
            self._postgres.stop()
        if self._s3 is not None:
            self._s3.stop()


@cache
def shared_loader() -> Any:
    """Return the reader of AWS's service models; each is read once in a process."""
    from botocore.loaders import create_loader

    return create_loader()


def s3_client(endpoint: str, credentials: Credentials) -> Any:
    """Return a boto3 S3 client for the local server."""
    return local_client("s3", endpoint, credentials)


def local_client(
    service: str, endpoint: str, credentials: Credentials, *, attempts: int | None = None
) -> Any:
    """Return a boto3 client for a local server; what AWS's tools are configured with, in
    the environment or in ~/.aws, does not reach it. `attempts` are boto's own; its default else.
    """
    import boto3
    from botocore import configprovider, session
    from botocore.config import Config

    own = session.Session()
    own.register_component("data_loader", shared_loader())
    store = own.get_component("config_store")
    for name, (_, _, default, _) in configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES.items():
        store.set_config_variable(name, default)
    for name in ("config_file", "credentials_file"):
        store.set_config_variable(name, os.devnull)
    for name in ("s3", "proxies_config"):
        store.set_config_variable(name, None)
    if service == "kinesis":  # botocore's own way takes as long as the rest of a record
        own.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    retries = {"mode": "standard", **({"total_max_attempts": attempts} if attempts else {})}
    return boto3.Session(botocore_session=own).client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries=retries, proxies={}),
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


def _moment(value: Any) -> datetime:
    """Return a time of an answer; one in seconds without the machine's zone."""
    from botocore.utils import parse_timestamp

    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    found: datetime = parse_timestamp(value)
    return found
