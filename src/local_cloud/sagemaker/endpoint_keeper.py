"""Keeps endpoints as they should be: starts servers, switches versions, restarts what ended.

One thread does all of it, because a child ends with the thread that started it. What an endpoint
is stands in its file, and changes there in one step: killed at any moment, the version that was
in service answers after the next start.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.sagemaker.model_server import ModelServer, Reply
from src.local_cloud.sagemaker.resources import Resources, now

START_TIMEOUT_S = 180.0  # until /ping is answered; serverless has as long
INVOCATION_TIMEOUT_S = 60.0
RESTART_PAUSE_S = 1.0  # at least, from one start of a server to the next
_TICK_S, _IDLE_TICK_S = 0.02, 0.1
_PING_FAILED = "The primary container for production variant {} did not pass the ping health check."
_INTERRUPTED = "The deployment was interrupted: the local cloud was stopped."
logger = logging.getLogger(__name__)


@dataclass
class _Servers:
    """The children of one endpoint: of the version in service, and of the one that follows it."""

    blue: ModelServer | None = None
    green: ModelServer | None = None
    is_wanted: bool = False  # an endpoint that nothing was asked of has no child
    ready_since: float | None = None  # of green
    failure: str = ""
    attempted: float = float("-inf")  # when a child was started last
    retiring: list[ModelServer] = field(default_factory=list)

    def retire(self, *servers: ModelServer | None) -> None:
        for server in servers:
            if server is not None:
                server.ask_to_stop()
                self.retiring.append(server)

    def all(self) -> list[ModelServer]:
        return [*self.retiring, *(s for s in (self.blue, self.green) if s is not None)]


class EndpointKeeper:
    """Works on the endpoints' files; `make_server` starts a child for a variant."""

    def __init__(
        self, records: Resources, make_server: Callable[[JsonObject], ModelServer]
    ) -> None:
        self._records = records
        self._make_server = make_server
        self._servers: dict[str, _Servers] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._closing = threading.Event()
        with self._lock:
            for record in records.all():
                self._recover(record)
        self._thread = threading.Thread(target=self._work, name="sagemaker", daemon=True)
        self._thread.start()

    def begin(self, name: str, status: str, **changes: object) -> None:
        """Give an endpoint a status that the thread will work on."""
        with self._lock:
            self._of(name).is_wanted = True
            self._update(self._records.load(name), EndpointStatus=status, **changes)

    def close(self) -> None:
        """Stop the thread and every child."""
        self._closing.set()
        self._thread.join()

    # -- invocations ---------------------------------------------------------------------

    def invoke(self, name: str, body: bytes, headers: Mapping[str, str]) -> Reply | None:
        """Return the model's answer; None where none came in time. A child that ends meanwhile
        is started again, and asked once more."""
        deadline, reply = time.monotonic() + INVOCATION_TIMEOUT_S, None
        for _ in range(2):
            server = self._ready(name, deadline)
            left = deadline - time.monotonic()
            if server is None or left <= 0:
                return None
            try:
                reply = server.invoke(body, headers, left)
            except TimeoutError:
                return None
            except (OSError, http.client.HTTPException):
                server.is_ready = False
                continue
            if reply.status >= 500:
                server.errors += 1
            return reply
        return Reply(500, {}, b"the model's server ended while it worked on this request")

    def _ready(self, name: str, deadline: float) -> ModelServer | None:
        """Return a server of the endpoint, once one is ready; None where none is in time."""
        with self._changed:
            while True:
                record, servers = self._records.find(name), self._of(name)
                if record is None or record["EndpointStatus"] in ("Creating", "Failed", "Deleting"):
                    text = f"Endpoint {name} of account 000000000000 not found."
                    raise AwsError("ValidationError", text)
                servers.is_wanted = True
                server = servers.blue
                if record["EndpointStatus"] == "Updating" and servers.ready_since is not None:
                    server = servers.green or servers.blue  # it bakes
                left = deadline - time.monotonic()
                if left <= 0 or (server is not None and server.is_ready):
                    return server if server is not None and server.is_ready else None
                self._changed.wait(min(left, 1.0))

    # -- the thread ----------------------------------------------------------------------

    def _recover(self, record: JsonObject) -> None:
        """End a deployment that a stop interrupted: the version that was in service stays."""
        if record["EndpointStatus"] in ("Updating", "RollingBack"):
            self._in_service(record, FailureReason=_INTERRUPTED)
        elif record["EndpointStatus"] == "Creating":
            self._of(record["EndpointName"]).is_wanted = True

    def _work(self) -> None:
        try:
            pause = _TICK_S
            while not self._closing.wait(pause):
                try:
                    pause = _TICK_S if self._tick() else _IDLE_TICK_S
                except Exception:
                    logger.exception("the local SageMaker met an error")
        finally:
            for servers in self._servers.values():
                for server in servers.all():
                    server.ask_to_stop()
            for servers in self._servers.values():
                for server in servers.all():
                    server.stop(5.0)

    def _tick(self) -> bool:
        """Do the next step for every endpoint; tells whether something is in progress."""
        with self._lock:
            records = self._records.all()
        for record in records:
            servers = self._of(record["EndpointName"])
            before = [server.is_ready for server in servers.all()]
            for server in servers.all():
                if server.asked_to_stop is None:
                    server.look()
            with self._changed:
                newest = self._records.find(record["EndpointName"])
                if newest is not None:
                    self._advance(newest, servers)
                if [server.is_ready for server in servers.all()] != before:
                    self._changed.notify_all()
        with self._lock:
            for servers in self._servers.values():
                servers.retiring = [one for one in servers.retiring if not one.has_stopped()]
            return any(
                servers.retiring or servers.green or not (servers.blue and servers.blue.is_ready)
                for servers in self._servers.values()
                if servers.is_wanted
            )

    def _advance(self, record: JsonObject, servers: _Servers) -> None:
        """Do the next step for one endpoint."""
        status = record["EndpointStatus"]
        if status == "Deleting":
            servers.retire(servers.blue, servers.green)
            servers.blue = servers.green = None
            self._records.delete(record["EndpointName"])
        elif status == "RollingBack":
            servers.retire(servers.green)
            servers.green = None
            self._in_service(record, FailureReason=servers.failure)
        elif status in ("Creating", "Updating"):
            self._deploy(record, servers)
        if status in ("InService", "Updating", "RollingBack") and servers.is_wanted:
            self._keep_blue(record, servers)

    def _keep_blue(self, record: JsonObject, servers: _Servers) -> None:
        blue = servers.blue
        if blue is not None and blue.end is None:
            return
        if time.monotonic() - servers.attempted < RESTART_PAUSE_S:
            return
        servers.retire(blue)
        servers.blue = self._start(record["Variant"], servers)

    def _deploy(self, record: JsonObject, servers: _Servers) -> None:
        pending = record["Pending"]
        if servers.green is None:
            servers.ready_since, servers.failure = None, ""
            servers.green = self._start(pending["Variant"], servers)
        green = servers.green
        if green is not None and green.is_ready:
            since = servers.ready_since = servers.ready_since or time.monotonic()
            if green.errors == 0:
                if time.monotonic() - since >= _baking_s(record):
                    self._switch(record, servers)
                return
            servers.failure = "The new version answered requests with server errors."
        elif green is not None and green.end is None and not green.is_late(START_TIMEOUT_S):
            return
        if green is not None and not servers.failure:
            text = _PING_FAILED.format(pending["Variant"]["VariantName"])
            servers.failure = f"{text} {green.end or ''} {green.last_words}".strip()
        if record["EndpointStatus"] == "Updating":
            self._update(record, EndpointStatus="RollingBack", FailureReason=servers.failure)
            return
        servers.retire(green)
        servers.green = None
        self._update(record, EndpointStatus="Failed", FailureReason=servers.failure)

    def _switch(self, record: JsonObject, servers: _Servers) -> None:
        """Put the new version in service: first in the file, then for requests."""
        pending = record["Pending"]
        self._in_service(
            record, EndpointConfigName=pending["EndpointConfigName"], Variant=pending["Variant"],
            LastDeploymentConfig=pending["Deployment"], FailureReason=None,
        )  # fmt: skip
        old, servers.blue, servers.green = servers.blue, servers.green, None
        servers.retire(old)

    def _in_service(self, record: JsonObject, **changes: object) -> None:
        self._update(record, EndpointStatus="InService", Pending=None, **changes)

    def _start(self, variant: JsonObject, servers: _Servers) -> ModelServer | None:
        servers.attempted = time.monotonic()
        try:
            return self._make_server(variant)
        except Exception as error:  # no such object, no archive: the endpoint's failure
            address = variant["ModelDataUrl"]
            servers.failure = f"Failed to unpack model data from {address}: {error}"
            logger.info("%s", servers.failure)
            return None

    def _of(self, name: str) -> _Servers:
        return self._servers.setdefault(name.lower(), _Servers())

    def _update(self, record: JsonObject, **changes: object) -> None:
        found = {**record, **changes, "LastModifiedTime": now()}
        self._records.save(
            record["EndpointName"], {k: v for k, v in found.items() if v is not None}
        )
        self._changed.notify_all()


def _baking_s(record: JsonObject) -> float:
    """Return for how long a new version has all requests while the old one is kept."""
    policy = record["Pending"]["Deployment"].get("BlueGreenUpdatePolicy", {})
    return float(policy.get("TerminationWaitInSeconds", 0))
