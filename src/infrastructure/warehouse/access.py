"""The way into a Redshift on AWS: its endpoint, whose credentials, and a connection over TLS."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from src.errors import SettingsError, UnreachableError
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.aws.answers import AwsRefusal, asking
from src.json_object import JsonObject
from src.settings import Settings

AMAZON_ROOTS = Path(__file__).with_name("amazon_trust_roots.pem")
CONNECT_TIMEOUT_S = 15
STATEMENT_TIMEOUT_MS = 30 * 60 * 1000
_CREDENTIALS_S = 3600  # what both services grant at most
_RENEWED_BEFORE = timedelta(minutes=5)


@dataclass(frozen=True)
class Credentials:
    """A database user, until when."""

    user: str
    password: str
    expires: datetime | None = None

    def __repr__(self) -> str:
        """Return who, never the password."""
        return f"Credentials({self.user!r}, expires={self.expires})"


class WarehouseAccess:
    """Connects to a Serverless workgroup, a provisioned cluster, or a host that is named.

    Credentials come from Secrets Manager, from the settings, or are temporary ones of the
    caller's IAM identity, renewed before they expire. Failures are UnreachableErrors.
    """

    def __init__(
        self,
        account: AwsAccount,
        settings: Settings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._account = account
        self._settings = settings
        self._now = now
        self._temporary: Credentials | None = None

    @property
    def is_serverless(self) -> bool:
        """Tell whether the warehouse is Serverless, which shows its SYS views only."""
        s = self._settings
        return bool(s.redshift_workgroup) or ".redshift-serverless." in s.redshift_host

    @property
    def address(self) -> str:
        """Return how messages name the warehouse."""
        s = self._settings
        if s.redshift_host:
            return f"{s.redshift_host}:{s.redshift_port}/{s.redshift_database}"
        kind = "workgroup" if s.redshift_workgroup else "cluster"
        return f"{kind} {s.redshift_workgroup or s.redshift_cluster}/{s.redshift_database}"

    @cached_property
    def endpoint(self) -> tuple[str, int]:
        """Return host and port, requested from AWS where no host is set."""
        s = self._settings
        if s.redshift_host:
            return s.redshift_host, s.redshift_port
        if s.redshift_workgroup:
            client = self._account.client("redshift-serverless")
            found = self._ask(client.get_workgroup, workgroupName=s.redshift_workgroup)["workgroup"]
            place = found.get("endpoint") or {}
            self._check_state(found["status"], "AVAILABLE", place, "")
            return str(place["address"]), int(place["port"])
        client = self._account.client("redshift")
        answer = self._ask(client.describe_clusters, ClusterIdentifier=s.redshift_cluster)
        found = answer["Clusters"][0]
        place = found.get("Endpoint") or {}
        command = f"aws redshift resume-cluster --cluster-identifier {s.redshift_cluster}"
        self._check_state(found["ClusterStatus"], "available", place, command)
        return str(place["Address"]), int(place["Port"])

    def _check_state(self, state: str, good: str, place: JsonObject, command: str) -> None:
        if state == good and place:
            return
        hint = command if state == "paused" else "wait until it is available, then run it again"
        raise UnreachableError(
            f"the warehouse is {state.lower()}, not available", where=self.address, hint=hint
        )

    def credentials(self) -> Credentials:
        """Return whom to connect as; temporary credentials are good for at least five minutes."""
        s = self._settings
        if s.redshift_secret:
            return self._from_secret(s.redshift_secret)
        if s.redshift_password:
            return Credentials(s.redshift_user, s.redshift_password)
        held = self._temporary
        if held is None or held.expires is None or held.expires - _RENEWED_BEFORE < self._now():
            self._temporary = held = self._new_temporary()
        return held

    def _from_secret(self, name: str) -> Credentials:
        client = self._account.client("secretsmanager")
        text = self._ask(client.get_secret_value, SecretId=name).get("SecretString")
        try:
            found = json.loads(text)
            return Credentials(found["username"], found["password"])
        except (ValueError, TypeError, KeyError):
            raise SettingsError(
                f"secret {name} does not hold a database user",
                cause="it must be a JSON object with username and password",  # never its content
                hint="set REDSHIFT_SECRET to the secret of the warehouse's admin user",
            ) from None

    def _new_temporary(self) -> Credentials:
        s = self._settings
        if s.redshift_workgroup:
            answer = self._ask(
                self._account.client("redshift-serverless").get_credentials,
                workgroupName=s.redshift_workgroup,
                dbName=s.redshift_database,
                durationSeconds=_CREDENTIALS_S,
            )
            return Credentials(answer["dbUser"], answer["dbPassword"], answer["expiration"])
        answer = self._ask(
            self._account.client("redshift").get_cluster_credentials_with_iam,
            ClusterIdentifier=s.redshift_cluster,
            DbName=s.redshift_database,
            DurationSeconds=_CREDENTIALS_S,
        )
        return Credentials(answer["DbUser"], answer["DbPassword"], answer["Expiration"])

    def connect(self) -> Any:
        """Return a new psycopg2 connection, or one that goes through the Data API."""
        if self._settings.redshift_via == "data-api":
            from src.infrastructure.warehouse.data_api import DataApiConnection

            return DataApiConnection(self._account.client("redshift-data"), self.data_api_target())
        import psycopg2

        host, port = self.endpoint
        credentials = self.credentials()
        return psycopg2.connect(
            host=host,
            port=port,
            dbname=self._settings.redshift_database,
            user=credentials.user,
            password=credentials.password,
            sslmode=self._settings.redshift_sslmode,
            sslrootcert=self._settings.redshift_ca_file or str(AMAZON_ROOTS),
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives=1,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=6,
            application_name="concert-demo",
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        )

    def data_api_target(self) -> dict[str, str]:
        """Return the arguments by which the Data API finds the warehouse and the user."""
        s = self._settings
        target = {"Database": s.redshift_database}
        if s.redshift_workgroup:
            target["WorkgroupName"] = s.redshift_workgroup
        else:
            target["ClusterIdentifier"] = s.redshift_cluster
        if s.redshift_secret:
            target["SecretArn"] = s.redshift_secret
        elif s.redshift_user and s.redshift_cluster:
            target["DbUser"] = s.redshift_user
        return target

    def _ask(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        with asking("AWS", where=self.address, refused=self._refused):
            return operation(**arguments)

    def _refused(self, refusal: AwsRefusal) -> UnreachableError:
        return UnreachableError(
            f"AWS refused {refusal.operation}, required to connect to the warehouse",
            where=self.address,
            cause=refusal.text,
            hint="python validate_demo_pipeline.py --target aws",
        )
