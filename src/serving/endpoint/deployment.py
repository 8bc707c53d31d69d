"""What the commands around an endpoint share: the environment's clients, names and versions."""

from __future__ import annotations

import argparse
import hashlib
import re
from pathlib import Path

from src.domain.bucket_layout import model_package
from src.errors import SettingsError
from src.infrastructure.aws.sagemaker_endpoint import ModelEndpoint, Version
from src.infrastructure.storage.model_registry import ModelRegistry, SavedModel
from src.json_object import JsonObject
from src.orchestration.environment import LOCAL_ROLE, DemoEnvironment
from src.reporting.run_report import to_json
from src.serving.model_package import package
from src.serving.predictor import NAME
from src.settings.values import shown

_NAME = re.compile(r"(?=.{1,32}$)[a-zA-Z0-9](-*[a-zA-Z0-9])*")


def endpoint_of(environment: DemoEnvironment) -> ModelEndpoint:
    """Return the endpoint of the settings; raises SettingsError where its name cannot be one."""
    name = environment.settings.endpoint_name
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"DEMO_ENDPOINT is {shown(name)}; it is no name of an endpoint",
            cause="at most 32 letters, digits and hyphens, with a letter or digit at both ends",
            hint="set DEMO_ENDPOINT to concert-demo",
        )
    is_local = environment.local_cloud is not None
    return ModelEndpoint(
        environment.client("sagemaker"),
        name,
        account=None if is_local else environment.account,
        poll_s=poll_s(environment),
    )


def poll_s(environment: DemoEnvironment) -> float:
    """Return how often to look whether SageMaker is done."""
    return 0.05 if environment.local_cloud is not None else 10.0


def registry_of(environment: DemoEnvironment) -> ModelRegistry:
    """Return the registry of models; who changes it is this command."""
    return ModelRegistry(environment.processed_storage, run_id="python -m src.serving")


def uploaded(environment: DemoEnvironment, model: SavedModel) -> Version:
    """Store a version's model.tar.gz beside its files; returns what SageMaker needs to serve it."""
    settings = environment.settings
    is_local = environment.local_cloud is not None
    image, role = settings.serving_image, settings.role_of("sagemaker")
    for value, variable in ((image, "DEMO_SERVING_IMAGE"), (role, "SAGEMAKER_ROLE")):
        if not value and not is_local:
            raise SettingsError(
                f"a deployment on aws needs {variable}",
                where="environment and .env",
                hint=f"set {variable}: docs/guides/SERVING.md, section Deploy",
            )
    body = package(model.files, model.facts)
    key = model_package(NAME, model.version)
    environment.processed_storage.put(key, body)
    return Version(
        model.version,
        environment.processed_storage.uri(key),
        hashlib.sha256(body).hexdigest(),
        image or "local",
        role or LOCAL_ROLE,
        settings.serving_instance,
    )


def put_in_service(environment: DemoEnvironment) -> JsonObject:
    """Deploy the champion; returns the facts of the endpoint and what it served before."""
    endpoint = endpoint_of(environment)
    champion = registry_of(environment).champion(NAME)
    before = version_in(endpoint.describe())
    is_changed = endpoint.deploy(uploaded(environment, champion))
    return {**facts_of(environment, endpoint), "changed": is_changed, "previous_version": before}


def facts_of(environment: DemoEnvironment, endpoint: ModelEndpoint) -> JsonObject:
    """Return an endpoint's status and version, and which version the champion is."""
    found = endpoint.describe() or {}
    champions = registry_of(environment).champions(NAME)
    return {
        "endpoint": endpoint.name,
        "status": found.get("EndpointStatus", "NotDeployed"),
        "version": version_in(found),
        "champion": champions[0].version if champions else None,
        "failure": found.get("FailureReason"),
        "history": [entry.__dict__ for entry in champions[:5]],
    }


def version_in(found: JsonObject | None) -> int | None:
    """Return the version that an endpoint serves, by its configuration's name."""
    parts = (found or {}).get("EndpointConfigName", "").rsplit("-", 2)
    number = parts[1].removeprefix("v") if len(parts) == 3 else ""
    return int(number) if number.isdigit() else None


def keep_up_hint(environment: DemoEnvironment) -> str | None:
    """Return how to keep a local endpoint answering when this command has ended."""
    cloud = environment.local_cloud
    if cloud is None or not cloud.hosts_servers:
        return None
    return "python -m src.local_cloud up keeps it answering for other programs"


def answer_of(arguments: argparse.Namespace, facts: JsonObject, line: str, code: int = 0) -> str:
    """Return the one thing that stdout carries: a line, or with --json what was found."""
    verdict = "failed" if code else "succeeded"
    return to_json({"verdict": verdict, "exit_code": code, **facts}) if arguments.json else line


def rows_file(path: Path) -> Path:
    """Return where the predictions for a file go: beside it."""
    return path.with_name(f"{path.stem}.predictions{path.suffix}")
