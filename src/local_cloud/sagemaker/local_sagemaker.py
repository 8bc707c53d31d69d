"""The part of boto3's SageMaker clients that deploys and invokes models; all of it in files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.sagemaker.endpoint_keeper import EndpointKeeper
from src.local_cloud.sagemaker.model_server import PROGRAM, ModelServer
from src.local_cloud.sagemaker.resources import CONFIG, ENDPOINT, JOB, MODEL, Resources
from src.local_cloud.sagemaker.transform_jobs import TransformJobs

MAX_BODY = 6_291_456  # bytes of an invocation
MAX_SERVERLESS_BODY = 4 * 1024 * 1024
_LIMIT = 100  # of a list's page
_HEADERS = {"ContentType": "content-type", "Accept": "accept",
            "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
            "InferenceId": "x-amzn-sagemaker-inference-id"}  # fmt: skip


class LocalSageMaker:
    """Models, endpoint configurations, endpoints and transform jobs; what runs is a child each.

    A model's image is not looked at: every container is `program`.
    """

    def __init__(
        self, s3: Any, folder: Path, *, region: str, program: Sequence[str] = PROGRAM
    ) -> None:
        self._s3 = s3
        self._program = program
        self._running = folder / "running"
        shutil.rmtree(self._running, ignore_errors=True)  # left by a process that was killed
        self._models = Resources(folder, MODEL, region)
        self._configs = Resources(folder, CONFIG, region)
        self._endpoints = Resources(folder, ENDPOINT, region)
        self._jobs = TransformJobs(Resources(folder, JOB, region), s3, self._start)
        self._keeper = EndpointKeeper(self._endpoints, self._start)

    def close(self) -> None:
        """Stop every child."""
        self._jobs.close()
        self._keeper.close()

    # -- models --------------------------------------------------------------------------

    def create_model(
        self, *, ModelName: str, PrimaryContainer: JsonObject, ExecutionRoleArn: str = "",
        Tags: Sequence[JsonObject] = (),
    ) -> JsonObject:  # fmt: skip
        """Define a model: an image, and where its model.tar.gz is."""
        _only(PrimaryContainer, "PrimaryContainer", "Image", "ModelDataUrl", "Environment")
        if not PrimaryContainer.get("ModelDataUrl", "").startswith("s3://"):
            text = "not emulated by the local cloud: a container without ModelDataUrl in S3"
            raise AwsError("ValidationException", text)
        fields = {"PrimaryContainer": PrimaryContainer, "ExecutionRoleArn": ExecutionRoleArn}
        return self._models.create(ModelName, {**fields, "Tags": list(Tags)})

    def describe_model(self, *, ModelName: str) -> JsonObject:
        """Return a model."""
        return self._models.load(ModelName)

    def list_models(self, *, NameContains: str = "", MaxResults: int = _LIMIT) -> JsonObject:
        """Return models, the newest first."""
        return {"Models": self._models.listed(NameContains, MaxResults)}

    def delete_model(self, *, ModelName: str) -> None:
        """Remove a model; endpoints that serve it keep it."""
        self._models.delete(ModelName)

    # -- endpoint configurations ---------------------------------------------------------

    def create_endpoint_config(
        self, *, EndpointConfigName: str, ProductionVariants: list[JsonObject],
        Tags: Sequence[JsonObject] = (),
    ) -> JsonObject:  # fmt: skip
        """Define what an endpoint runs; it has one variant here."""
        if len(ProductionVariants) != 1:
            text = "not emulated by the local cloud: more than one production variant"
            raise AwsError("ValidationException", text)
        (variant,) = ProductionVariants
        _only(variant, "ProductionVariant", "VariantName", "ModelName", "ServerlessConfig",
              "InstanceType", "InitialInstanceCount", "InitialVariantWeight",
              "ContainerStartupHealthCheckTimeoutInSeconds")  # fmt: skip
        if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
            text = "A production variant needs ServerlessConfig, or InstanceType and instances."
            raise AwsError("ValidationException", text)
        memory = variant.get("ServerlessConfig", {}).get("MemorySizeInMB", 1024)
        if memory not in range(1024, 6145, 1024):
            text = f"Value {memory} at 'MemorySizeInMB' must be one of 1024, 2048, ... 6144"
            raise AwsError("ValidationException", text)
        self._models.load(variant["ModelName"])
        fields = {"ProductionVariants": ProductionVariants, "Tags": list(Tags)}
        return self._configs.create(EndpointConfigName, fields)

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> JsonObject:
        """Return an endpoint configuration."""
        return self._configs.load(EndpointConfigName)

    def list_endpoint_configs(
        self, *, NameContains: str = "", MaxResults: int = _LIMIT
    ) -> JsonObject:
        """Return endpoint configurations, the newest first."""
        return {"EndpointConfigs": self._configs.listed(NameContains, MaxResults)}

    def delete_endpoint_config(self, *, EndpointConfigName: str) -> None:
        """Remove an endpoint configuration."""
        self._configs.delete(EndpointConfigName)

    # -- endpoints -----------------------------------------------------------------------

    def create_endpoint(
        self, *, EndpointName: str, EndpointConfigName: str, Tags: Sequence[JsonObject] = ()
    ) -> JsonObject:
        """Begin an endpoint: Creating, then InService or Failed."""
        pending = self._pending(EndpointConfigName, {})
        fields = {"EndpointConfigName": EndpointConfigName, "EndpointStatus": "Creating",
                  "Pending": pending, "Variant": pending["Variant"]}  # fmt: skip
        created = self._endpoints.create(EndpointName, {**fields, "Tags": list(Tags)})
        self._keeper.begin(EndpointName, "Creating")
        return created

    def update_endpoint(
        self, *, EndpointName: str, EndpointConfigName: str,
        DeploymentConfig: JsonObject | None = None,
    ) -> JsonObject:  # fmt: skip
        """Begin a deployment: Updating, then InService; RollingBack where the new one fails."""
        record = self._endpoints.load(EndpointName)
        if record["EndpointStatus"] != "InService":
            state = record["EndpointStatus"]
            text = f'Cannot update endpoint "{record["EndpointArn"]}" in state {state}.'
            raise AwsError("ValidationException", text)
        pending = self._pending(EndpointConfigName, DeploymentConfig or {})
        if pending["Variant"]["IsServerless"] != record["Variant"]["IsServerless"]:
            text = "Cannot convert an endpoint from or to Serverless Inference."
            raise AwsError("ValidationException", text)
        self._keeper.begin(EndpointName, "Updating", Pending=pending, FailureReason=None)
        return {"EndpointArn": record["EndpointArn"]}

    def describe_endpoint(self, *, EndpointName: str) -> JsonObject:
        """Return an endpoint with its status."""
        record = self._endpoints.load(EndpointName)
        variant = {"VariantName": record["Variant"]["VariantName"]}
        answer = {**record, "ProductionVariants": [variant]}
        if record["EndpointStatus"] == "Updating":
            name = record["Pending"]["EndpointConfigName"]
            answer["PendingDeploymentSummary"] = {"EndpointConfigName": name}
        return answer

    def list_endpoints(self, *, NameContains: str = "", MaxResults: int = _LIMIT) -> JsonObject:
        """Return endpoints, the newest first."""
        return {"Endpoints": self._endpoints.listed(NameContains, MaxResults)}

    def delete_endpoint(self, *, EndpointName: str) -> None:
        """Begin an endpoint's end: Deleting, then it is gone."""
        record = self._endpoints.load(EndpointName)
        if record["EndpointStatus"] in ("Updating", "RollingBack"):
            text = f'Cannot update in-progress endpoint "{record["EndpointArn"]}".'
            raise AwsError("ValidationException", text)
        self._keeper.begin(EndpointName, "Deleting")

    def list_tags(self, *, ResourceArn: str) -> JsonObject:
        """Return the tags that a resource was created with."""
        for kind in (self._models, self._configs, self._endpoints):
            for one in kind.all():
                if one[f"{kind.kind.field}Arn"] == ResourceArn:
                    return {"Tags": one["Tags"]}
        raise AwsError("ValidationException", f'Could not find resource "{ResourceArn}".')

    # -- transform jobs ------------------------------------------------------------------

    def create_transform_job(self, **job: Any) -> JsonObject:
        """Begin a transform job: InProgress, then Completed, Failed or Stopped."""
        model = self._models.load(job["ModelName"])
        return self._jobs.create(_container(model), job)

    def describe_transform_job(self, *, TransformJobName: str) -> JsonObject:
        """Return a transform job with its status."""
        return self._jobs.records.load(TransformJobName)

    def list_transform_jobs(
        self, *, NameContains: str = "", MaxResults: int = _LIMIT
    ) -> JsonObject:
        """Return transform jobs, the newest first."""
        return {"TransformJobSummaries": self._jobs.records.listed(NameContains, MaxResults)}

    def stop_transform_job(self, *, TransformJobName: str) -> None:
        """Stop a transform job that is in progress."""
        self._jobs.stop(TransformJobName)

    # -- sagemaker-runtime ---------------------------------------------------------------

    def invoke_endpoint(self, *, EndpointName: str, Body: bytes = b"", **given: str) -> JsonObject:
        """Hand a request to the model, and its answer back; ModelError for one of 400 and above."""
        unknown = ", ".join(sorted(set(given) - set(_HEADERS)))
        if unknown:
            text = f"not emulated by the local cloud: InvokeEndpoint with {unknown}"
            raise AwsError("ValidationError", text)
        record = self._endpoints.find(EndpointName) or {"Variant": {"IsServerless": False}}
        limit = MAX_SERVERLESS_BODY if record["Variant"]["IsServerless"] else MAX_BODY
        if len(Body) > limit:
            text = f"HTTP content length exceeded {limit} bytes."
            raise AwsError("413", text, status=413)
        headers = {_HEADERS[name]: value for name, value in given.items()}
        reply = self._keeper.invoke(EndpointName, Body, headers)
        if reply is None:
            raise _model_error(0, "Your invocation timed out while waiting for a response from "
                               "container primary.")  # fmt: skip
        if reply.status >= 400:
            raise _model_error(reply.status, reply.body.decode("utf-8", "replace"))
        variant = record["Variant"]["VariantName"]
        answer: JsonObject = {"Body": reply.body, "InvokedProductionVariant": variant}
        for name in ("ContentType", "CustomAttributes"):
            if _HEADERS[name] in reply.headers:
                answer[name] = reply.headers[_HEADERS[name]]
        return answer

    # -- pieces --------------------------------------------------------------------------

    def _pending(self, config: str, deployment: JsonObject) -> JsonObject:
        """Return all that a deployment needs, so that what it names may be deleted."""
        _only(deployment, "DeploymentConfig", "BlueGreenUpdatePolicy")
        policy = deployment.get("BlueGreenUpdatePolicy", {})
        routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
        if routing["Type"] != "ALL_AT_ONCE":
            text = f"not emulated by the local cloud: traffic routing {routing['Type']}"
            raise AwsError("ValidationException", text)
        (variant,) = self._configs.load(config)["ProductionVariants"]
        container = _container(self._models.load(variant["ModelName"]))
        return {
            "EndpointConfigName": config,
            "Deployment": deployment,
            "Variant": {**container, "VariantName": variant["VariantName"],
                        "IsServerless": "ServerlessConfig" in variant},
        }  # fmt: skip

    def _start(self, container: JsonObject) -> ModelServer:
        bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
        body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return ModelServer(
            self._running, body, container["Environment"], program=self._program
        )  # fmt: skip


def _container(model: Mapping[str, Any]) -> JsonObject:
    container = model["PrimaryContainer"]
    return {"ModelDataUrl": container["ModelDataUrl"],
            "Environment": container.get("Environment", {})}  # fmt: skip


def _only(given: Mapping[str, Any], what: str, *known: str) -> None:
    """Refuse fields that would be passed over."""
    unknown = ", ".join(sorted(set(given) - set(known)))
    if unknown:
        text = f"not emulated by the local cloud: {what} with {unknown}"
        raise AwsError("ValidationException", text)


def _model_error(status: int, message: str) -> AwsError:
    side = "client" if 400 <= status < 500 else "server"
    text = f'Received {side} error ({status}) from primary with message "{message[:2000]}".'
    return AwsError("ModelError", text, status=424, OriginalStatusCode=status,
                    OriginalMessage=message)  # fmt: skip
