"""The services of one local cloud behind one server, each built at its first request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader

from src.json_object import JsonObject
from src.local_cloud.endpoint.dispatch import Dispatcher
from src.local_cloud.endpoint.redshift_data import LocalRedshiftData
from src.local_cloud.endpoint.server import EndpointServer
from src.local_cloud.endpoint.signature import SignatureCheck
from src.local_cloud.endpoint.warehouse_access import (
    LocalIdentity,
    LocalRedshift,
    LocalServerless,
    TemporaryUsers,
)

if TYPE_CHECKING:
    from src.local_cloud.glue.local_glue_client import LocalGlueClient
    from src.local_cloud.kinesis.local_kinesis import LocalKinesis

_LOGIN_S = 60  # for which a password of the Data API's own is good
# The services by the names that AWS_ENDPOINT_URL_... and botocore's configuration use.
SERVICES = ("glue", "kinesis", "redshift-data", "redshift", "redshift-serverless", "sts",
            "sagemaker", "sagemaker-runtime")  # fmt: skip


def engine_path(engine: str) -> str:
    """Return the path below which Glue runs jobs on an engine: none is DuckDB."""
    return "" if engine == "duckdb" else f"/{engine}"


class LocalServices:
    """The server and what it serves; `front` are psycopg2's arguments for the local Redshift.

    `cancel` stops what one of the front's sessions is doing, by its process id.
    """

    def __init__(
        self, key: tuple[str, str], front: JsonObject, users: TemporaryUsers,
        make_s3: Callable[[], Any], folder: Path, *, cancel: Callable[[int], None],
        region: str, loader: Loader,
    ) -> None:  # fmt: skip
        self._front, self._users, self._make_s3 = front, users, make_s3
        self._folder, self._region, self._cancel = folder, region, cancel
        self._built: JsonObject = {}
        self._lock = threading.Lock()
        makers = {
            "glue": lambda: self.glue("duckdb"),
            "spark/glue": lambda: self.glue("spark"),
            "kinesis": self.kinesis,
            "redshift-data": lambda: self._once("redshift-data", self._data_api),
            "redshift": self._redshift,
            "redshift-serverless": lambda: LocalServerless(users, front["port"], region),
            "sts": LocalIdentity,
            "sagemaker": lambda: self._once("sagemaker", self._sagemaker),
            "sagemaker-runtime": lambda: self._once("sagemaker", self._sagemaker),
        }
        self.server = EndpointServer(Dispatcher(makers, SignatureCheck(*key), loader))

    def glue(self, engine: str) -> LocalGlueClient:
        """Return the Glue of one engine."""
        client: LocalGlueClient = self._once(f"glue on {engine}", lambda: self._glue(engine))
        return client

    def kinesis(self) -> LocalKinesis:
        """Return the streams."""
        streams: LocalKinesis = self._once("kinesis", self._kinesis)
        return streams

    def stop(self) -> None:
        """Stop the server, what runs behind it, and its connections."""
        self.server.stop()
        with self._lock:
            built, self._built = self._built, {}
        for service in built.values():
            service.close()

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._built:
                self._built[name] = make()
            return self._built[name]

    def _glue(self, engine: str) -> Any:
        from src.local_cloud.glue.local_glue_client import LocalGlueClient

        return LocalGlueClient(self._make_s3(), self._folder / "glue", engine=engine)

    def _kinesis(self) -> LocalKinesis:
        from src.local_cloud.kinesis.limits import Limits
        from src.local_cloud.kinesis.local_kinesis import LocalKinesis

        file = self._folder / "kinesis" / "streams.sqlite"
        return LocalKinesis(file, region=self._region, limits=Limits())

    def _data_api(self) -> LocalRedshiftData:
        return LocalRedshiftData(self._connect, self._cancel)

    def _sagemaker(self) -> Any:
        from src.local_cloud.sagemaker.local_sagemaker import LocalSageMaker

        return LocalSageMaker(self._make_s3(), self._folder / "sagemaker", region=self._region)

    def _redshift(self) -> LocalRedshift:
        front = self._front
        return LocalRedshift(self._users, front["port"], front["dbname"], self._region)

    def _connect(self, database: str, user: str) -> Any:
        """Connect as a database user, as GetClusterCredentials would let its caller."""
        import psycopg2

        address = {**self._front, "dbname": database}
        if user != address["user"]:
            address["user"], address["password"], _ = self._users.create(user, _LOGIN_S)
        return psycopg2.connect(**address, sslmode="disable")
