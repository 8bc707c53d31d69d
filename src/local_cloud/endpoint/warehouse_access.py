"""The local warehouse as Redshift's two control services show it, and its temporary users."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError

ACCOUNT = "000000000000"
NAME = "concert-demo"  # of the only cluster, and of the only workgroup
HOST = "127.0.0.1"
_CALLER = "concert-demo"
_NAME = re.compile(r"[a-z_][a-z0-9_+.@-]{0,62}")  # of a user or a group
_NAMESPACE = "00000000-0000-4000-8000-000000000000"


def is_name(name: str) -> bool:
    """Tell whether a user or a group may have a name."""
    return bool(_NAME.fullmatch(name)) and name != "public"


class LocalIdentity:
    """STS: who the state folder's key pair is."""

    def get_caller_identity(self) -> JsonObject:
        """Return the local account."""
        arn = f"arn:aws:iam::{ACCOUNT}:user/{_CALLER}"
        return {"UserId": "AIDALOCALCONCERTDEMO", "Account": ACCOUNT, "Arn": arn}


@dataclass(frozen=True)
class Login:
    """A database user that a temporary password stands for."""

    user: str
    may_create: bool = False  # where there is none of that name
    groups: tuple[str, ...] = ()  # that the user is in while the session lasts


class TemporaryUsers:
    """Passwords of limited life; the front asks whom one stands for."""

    def __init__(self, user: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._user = user
        self._now = now
        self._held: list[tuple[str, str, datetime, Login]] = []
        self._lock = threading.Lock()

    def create(
        self, name: str, seconds: int, *, may_create: bool = False, groups: tuple[str, ...] = ()
    ) -> tuple[str, str, datetime]:
        """Return a database user's name for a login, a new password, and until when it is good."""
        shown = f"{'IAMA' if may_create else 'IAM'}:{name}"
        login = Login(self._user if name == _CALLER else name, may_create, groups)
        password = secrets.token_urlsafe(32)
        until = self._now() + timedelta(seconds=seconds)
        with self._lock:
            self._held = [held for held in self._held if held[2] > self._now()]
            self._held.append((shown, password, until, login))
        return shown, password, until

    def login(self, name: str, password: bytes) -> Login | None:
        """Return the user that a name and password are good for at this time."""
        with self._lock:
            held = list(self._held)
        found = [
            login
            for shown, right, until, login in held
            if name == shown
            and self._now() < until
            and hmac.compare_digest(password, right.encode())
        ]
        return found[0] if found else None


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
        DurationSeconds: int = 900, AutoCreate: bool = False,
        DbGroups: Sequence[str] = (),
    ) -> JsonObject:  # fmt: skip
        """Return a temporary password of a database user."""
        _check_cluster(ClusterIdentifier)
        for name in (DbUser, *DbGroups):
            if not is_name(name):
                raise AwsError("InvalidParameterValue", f"The name {name!r} is not allowed.")
        return self._issue(DbUser, DurationSeconds, may_create=AutoCreate, groups=tuple(DbGroups))

    def get_cluster_credentials_with_iam(
        self, *, ClusterIdentifier: str, DbName: str = "", DurationSeconds: int = 900
    ) -> JsonObject:
        """Return a temporary password of the caller's own user."""
        _check_cluster(ClusterIdentifier)
        answer = self._issue(_CALLER, DurationSeconds)
        return {**answer, "NextRefreshTime": answer["Expiration"]}

    def _issue(
        self, user: str, seconds: int, may_create: bool = False, groups: tuple[str, ...] = ()
    ) -> JsonObject:
        _check_duration(seconds, "InvalidParameterValue")
        name, password, until = self._users.create(
            user, seconds, may_create=may_create, groups=groups
        )
        return {"DbUser": name, "DbPassword": password, "Expiration": until}


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
        user, password, until = self._users.create(_CALLER, durationSeconds)
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
