"""A model's SageMaker endpoint: deployed blue/green, looked at, and removed with all it has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from src.errors import ServingError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount
from src.infrastructure.aws.answers import AwsRefusal, asking, refusal_of
from src.infrastructure.aws.endpoint_watching import RIGHTS_HINT, EndpointWatching, Resource
from src.json_object import JsonObject
from src.waiting import every, poll_until

VARIANT = "AllTraffic"
MEMORY_MB, CONCURRENCY = 1024, 5  # of a serverless endpoint
BAKING_S = 120  # for which alarms watch a new version while the old one is kept
TIMEOUT_S = 1800.0
_WORKING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class Version:
    """What to deploy: a model's package, and the container that serves it."""

    number: int
    package_uri: str
    package_sha256: str
    image: str
    role: str
    instance: str = ""  # an instance type; without one the endpoint is serverless

    def name(self, endpoint: str) -> str:
        """Return the name of its model and configuration: the same content, the same name."""
        parts = (self.package_sha256, self.image, self.role, self.instance)
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"{endpoint}-v{self.number}-{digest[:8]}"

    def variant(self, model: str) -> JsonObject:
        """Return the production variant that serves the model."""
        variant: JsonObject = {"VariantName": VARIANT, "ModelName": model}
        if self.instance:
            return {**variant, "InstanceType": self.instance, "InitialInstanceCount": 1}
        serverless = {"MemorySizeInMB": MEMORY_MB, "MaxConcurrency": CONCURRENCY}
        return {**variant, "ServerlessConfig": serverless}


class ModelEndpoint:
    """Deploys versions to one endpoint, and finds what belongs to it by name and tag.

    `cloudwatch` and `logs` are None where there are no alarms and no logs: locally the server
    itself takes back a version that answers with server errors.
    """

    def __init__(
        self, sagemaker: Any, name: str, *, account: AwsAccount | None = None, poll_s: float = 10.0
    ) -> None:
        self._sagemaker, self._poll_s = sagemaker, poll_s
        self._watching = EndpointWatching(name, VARIANT, account)
        self.name = name

    def describe(self) -> JsonObject | None:
        """Return the endpoint as SageMaker describes it, or None."""
        found: JsonObject | None = self._ask("describe_endpoint", EndpointName=self.name)
        return found

    def deploy(self, version: Version) -> bool:
        """Put a version in service; tells whether anything had to be done.

        Repeating it after a stop at any moment continues. Raises ServingError where SageMaker
        took the version back or could not start it: then the earlier one still answers.
        """
        name = self.define(version)
        config = {"EndpointConfigName": name}
        if self._ask("describe_endpoint_config", **config) is None:
            variants = [version.variant(name)]
            self._do("create_endpoint_config", ProductionVariants=variants, **config, **_TAGS)
        found = self._settled()
        if found is not None and not self._is_own(found["EndpointArn"]):
            raise ServingError(
                f"the endpoint {self.name} was not created by the demo",
                where=found["EndpointArn"],
                cause=f"it has no tag {DEMO_TAG[0]}={DEMO_TAG[1]}",
                hint="set DEMO_ENDPOINT to another name",
            )
        if found is not None and found["EndpointStatus"] == "Failed":
            self._delete_endpoint()
            found = None
        if found is not None and found["EndpointConfigName"] == name:
            self._prune(name)
            return False
        self._watching.ensure_log()
        if found is None:
            self._do("create_endpoint", EndpointName=self.name, **config, **_TAGS)
        else:
            deployment = self._deployment_config()
            self._do("update_endpoint", EndpointName=self.name, DeploymentConfig=deployment,
                     **config)  # fmt: skip
        self._check(self._settled(), name)
        self._prune(name)
        return True

    def define(self, version: Version) -> str:
        """Create the version's model unless it exists; returns its name."""
        name = version.name(self.name)
        if self._ask("describe_model", ModelName=name) is None:
            container = {"Image": version.image, "ModelDataUrl": version.package_uri}
            self._do("create_model", ModelName=name, PrimaryContainer=container,
                     ExecutionRoleArn=version.role, **_TAGS)  # fmt: skip
        return name

    def resources(self) -> Iterator[Resource]:
        """Yield all that belongs to the endpoint, in the order of its removal: what has our tag."""
        found = self.describe()
        if found is not None and self._is_own(found["EndpointArn"]):
            yield Resource(f"endpoint {self.name}", self._delete_endpoint)
        yield from self._watching.resources()
        yield from self._definitions()

    # -- pieces --------------------------------------------------------------------------

    def _definitions(self, but: str = "") -> Iterator[Resource]:
        """Yield the endpoint's configurations, then its models, without those of a name."""
        head = f"{self.name}-v"
        for what, kind in (("EndpointConfig", "endpoint_config"), ("Model", "model")):
            pages = self._sagemaker.get_paginator(f"list_{kind}s").paginate(NameContains=head)
            with asking("SageMaker", where=self.name, refused=self._refused):
                found = [one for page in pages for one in page[f"{what}s"]]
            for one in found:
                name = one[f"{what}Name"]
                if name.startswith(head) and name != but and self._is_own(one[f"{what}Arn"]):
                    delete = partial(self._ask, f"delete_{kind}", **{f"{what}Name": name})
                    yield Resource(f"{kind.replace('_', ' ')} {name}", delete)

    def _prune(self, kept: str) -> None:
        """Remove definitions of versions that are no longer in service."""
        for resource in list(self._definitions(but=kept)):
            resource.remove()

    def _delete_endpoint(self) -> None:
        self._settled()
        self._ask("delete_endpoint", EndpointName=self.name)
        poll_until(
            self.describe, lambda found: found is None,
            pauses_s=every(self._poll_s), timeout_s=TIMEOUT_S,
        )  # fmt: skip

    def _settled(self) -> JsonObject | None:
        """Return the endpoint once nothing is in progress on it."""
        return poll_until(
            self.describe,
            lambda found: found is None or found["EndpointStatus"] not in _WORKING,
            pauses_s=every(self._poll_s), timeout_s=TIMEOUT_S,
        )  # fmt: skip

    def _check(self, found: JsonObject | None, config: str) -> None:
        """Raise ServingError unless the configuration is in service."""
        status = found["EndpointStatus"] if found else "gone"
        if found and status == "InService" and found["EndpointConfigName"] == config:
            return
        stays = status == "InService"
        raise ServingError(
            f"{config} did not come into service"
            + (f"; {found['EndpointConfigName']} still answers" if found and stays else ""),
            where=f"endpoint {self.name}, status {status}",
            cause=(found or {}).get("FailureReason") or "SageMaker gave no reason",
            hint="python -m src.serving status",
        )

    def _deployment_config(self) -> JsonObject:
        """Return how an update goes: all traffic at once, the old version kept while it bakes."""
        alarms = [{"AlarmName": name} for name in self._watching.ensure_alarms()]
        policy = {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": BAKING_S if alarms else 0,
        }
        if not alarms:
            return {"BlueGreenUpdatePolicy": policy}
        return {"BlueGreenUpdatePolicy": policy, "AutoRollbackConfiguration": {"Alarms": alarms}}

    def _is_own(self, arn: str) -> bool:
        tags = (self._ask("list_tags", ResourceArn=arn) or {}).get("Tags", [])
        return {"Key": DEMO_TAG[0], "Value": DEMO_TAG[1]} in tags

    def _ask(self, operation: str, **arguments: Any) -> Any:
        """Return an operation's answer, or None where the thing is not there."""
        try:
            return self._do(operation, **arguments)
        except ServingError as error:
            refusal = refusal_of(error)
            if refusal and refusal.message.startswith("Could not find"):
                return None  # SageMaker's code for it is ValidationException, as for all else
            raise

    def _do(self, operation: str, **arguments: Any) -> Any:
        with asking("SageMaker", where=f"endpoint {self.name}", refused=self._refused):
            return getattr(self._sagemaker, operation)(**arguments)

    def _refused(self, refusal: AwsRefusal) -> ServingError:
        is_conversion = "erverless" in refusal.message and "convert" in refusal.message.lower()
        return ServingError(
            f"SageMaker refused {refusal.operation}",
            where=f"endpoint {self.name}",
            cause=refusal.text,
            hint="python -m src.serving undeploy, then deploy again"
            if is_conversion
            else RIGHTS_HINT,
        )


_TAGS = {"Tags": [{"Key": DEMO_TAG[0], "Value": DEMO_TAG[1]}]}
