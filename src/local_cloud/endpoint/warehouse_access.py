"""The local warehouse as Redshift's two control services show it, and its temporary users."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError

ACCOUNT = "000000000000"
NAME = "concert-demo"  # of the only cluster, and of the only workgroup
HOST = "127.0.0.1"
_CALLER = "concert-demo"
_NAMESPACE = "00000000-0000-4000-8000-000000000000"


class LocalIdentity:
    """STS: who the state folder's key pair is."""

    def get_caller_identity(self) -> JsonObject:
        """Return the local account."""
        arn = f"arn:aws:iam::{ACCOUNT}:user/{_CALLER}"
        return {"UserId": "AIDALOCALCONCERTDEMO", "Account": ACCOUNT, "Arn": arn}


class TemporaryUsers:
    """Passwords of limited life; the front asks whom one stands for."""

    def __init__(self, user: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._user = user
        self._now = now
        self._held: list[tuple[str, str, datetime]] = []
        self._lock = threading.Lock()

    def create(self, name: str, seconds: int) -> tuple[str, datetime]:
        """Return a new password of a user, and until when it is good."""
        password = secrets.token_urlsafe(32)
        until = self._now() + timedelta(seconds=seconds)
        with self._lock:
            self._held = [user for user in self._held if user[2] > self._now()]
            self._held.append((name, password, until))
        return password, until

    def stands_for_owner(self, name: str, password: bytes) -> bool:
        """Tell whether a name and password are those of the warehouse's user, at this time."""
        if name not in (f"IAM:{self._user}", f"IAM:{_CALLER}"):
            return False
        with self._lock:
            held = list(self._held)
        return any(
            name == user and self._now() < until and hmac.compare_digest(password, right.encode())
            for user, right, until in held
        )


class LocalRedshift:
    """The part of boto3's Redshift client by which other clients find and enter a cluster."""

    def __init__(self, users: TemporaryUsers, port: int, database: str, region: str) -> None:
        self._users, self._port, self._database = users, port, database
        self._region = region

    def describe_clusters(self, *, ClusterIdentifier: str = NAME) -> JsonObject:
        """Return the one cluster; ClusterNotFound for another name."""
        _check_cluster(ClusterIdentifier)
        cluster = {
            "ClusterIdentifier": NAME,
            "ClusterStatus": "available",
            "ClusterAvailabilityStatus": "Available",
            "DBName": self._database,
            "MasterUsername": "demo",
            "Endpoint": {"Address": HOST, "Port": self._port},
            "NumberOfNodes": 1,
            "NodeType": "local",
            "PubliclyAccessible": False,
            "Encrypted": False,
            "ClusterNamespaceArn": f"arn:aws:redshift:{self._region}:{ACCOUNT}:"
            f"namespace:{_NAMESPACE}",
        }
        return {"Clusters": [cluster]}

    def get_cluster_credentials(
        self, *, DbUser: str, ClusterIdentifier: str, DbName: str = "",
        DurationSeconds: int = 900, AutoCreate: bool = False, DbGroups: object = (),
    ) -> JsonObject:  # fmt: skip
        """Return a temporary password of a database user."""
        if AutoCreate or DbGroups:
            text = "not emulated by the local cloud: AutoCreate and DbGroups"
            raise AwsError("InvalidParameterValue", text)
        return self._issue(ClusterIdentifier, f"IAM:{DbUser}", DurationSeconds)

    def get_cluster_credentials_with_iam(
        self, *, ClusterIdentifier: str, DbName: str = "", DurationSeconds: int = 900
    ) -> JsonObject:
        """Return a temporary password of the caller's own user."""
        answer = self._issue(ClusterIdentifier, f"IAM:{_CALLER}", DurationSeconds)
        return {**answer, "NextRefreshTime": answer["Expiration"]}

    def _issue(self, cluster: str, user: str, seconds: int) -> JsonObject:
        _check_cluster(cluster)
        _check_duration(seconds, "InvalidParameterValue")
        password, until = self._users.create(user, seconds)
        return {"DbUser": user, "DbPassword": password, "Expiration": until}


class LocalServerless:
    """The part of boto3's Redshift Serverless client with the one workgroup."""

    def __init__(self, users: TemporaryUsers, port: int, region: str) -> None:
        self._users, self._port = users, port
        self._region = region

    def get_workgroup(self, *, workgroupName: str) -> JsonObject:
        """Return the workgroup; ResourceNotFoundException for another name."""
        _check_workgroup(workgroupName)
        return {"workgroup": self._workgroup()}

    def list_workgroups(self) -> JsonObject:
        """Return the one workgroup."""
        return {"workgroups": [self._workgroup()]}

    def get_credentials(
        self, *, workgroupName: str = NAME, dbName: str = "", durationSeconds: int = 900
    ) -> JsonObject:
        """Return a temporary password of the caller's own user."""
        _check_workgroup(workgroupName)
        _check_duration(durationSeconds, "ValidationException")
        user = f"IAM:{_CALLER}"
        password, until = self._users.create(user, durationSeconds)
        return {"dbUser": user, "dbPassword": password, "expiration": until,
                "nextRefreshTime": until}  # fmt: skip

    def _workgroup(self) -> JsonObject:
        return {
            "workgroupName": NAME,
            "workgroupId": _NAMESPACE,
            "workgroupArn": workgroup_arn(self._region),
            "namespaceName": NAME,
            "status": "AVAILABLE",
            "endpoint": {"address": HOST, "port": self._port},
            "port": self._port,
            "publiclyAccessible": False,
        }


def workgroup_arn(region: str) -> str:
    """Return the address of the one workgroup."""
    return f"arn:aws:redshift-serverless:{region}:{ACCOUNT}:workgroup/{_NAMESPACE}"


def _check_cluster(name: str) -> None:
    if name != NAME:
        text = f"Cluster {name} not found; the local cloud's is {NAME}."
        raise AwsError("ClusterNotFound", text, status=404)


def _check_workgroup(name: str) -> None:
    if name != NAME:
        text = f"Workgroup {name} not found; the local cloud's is {NAME}."
        raise AwsError("ResourceNotFoundException", text, resourceName=name)


def _check_duration(seconds: int, code: str) -> None:
    if not 900 <= seconds <= 3600:
        raise AwsError(code, "The credential duration must be between 900 and 3600 seconds.")
