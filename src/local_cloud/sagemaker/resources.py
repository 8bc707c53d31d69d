"""What was created in the local SageMaker: a JSON file each, written whole or not at all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its word in ARNs and messages, the start of its fields' names."""

    word: str
    field: str
    missing: str = "ValidationException"
    exists: str = "ValidationException"


MODEL = Kind("model", "Model")
CONFIG = Kind("endpoint-config", "EndpointConfig")
ENDPOINT = Kind("endpoint", "Endpoint")
JOB = Kind("transform-job", "TransformJob", "ResourceNotFound", "ResourceInUse")


def now() -> str:
    """Return the time as the files keep it."""
    return datetime.now(UTC).isoformat()


class Resources:
    """The resources of one kind, with the errors that SageMaker has for them."""

    def __init__(self, folder: Path, kind: Kind, region: str) -> None:
        self.kind = kind
        self._folder = folder / f"{kind.word}s"
        self._head = f"arn:aws:sagemaker:{region}:000000000000:{kind.word}/"

    def arn(self, name: str) -> str:
        """Return a resource's ARN."""
        return self._head + name.lower()

    def create(self, name: str, fields: JsonObject) -> JsonObject:
        """Add a resource; returns its ARN as the answer has it."""
        if not _NAME.fullmatch(name):
            text = (
                f"1 validation error detected: Value '{name}' at '{self.kind.field}Name' failed "
                "to satisfy constraint: Member must satisfy regular expression pattern: "
                "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
            )
            raise AwsError("ValidationException", text)
        if self.find(name) is not None:
            what = self.kind.word.replace("-", " ")
            text = f'Cannot create already existing {what} "{self.arn(name)}".'
            raise AwsError(self.kind.exists, text)
        head = {f"{self.kind.field}Name": name, f"{self.kind.field}Arn": self.arn(name)}
        self.save(name, {**head, "CreationTime": now(), "LastModifiedTime": now(), **fields})
        return {f"{self.kind.field}Arn": self.arn(name)}

    def find(self, name: str) -> JsonObject | None:
        """Return a resource, or None."""
        if not _NAME.fullmatch(name):
            return None
        try:
            found: JsonObject = json.loads(self._file(name).read_text())
        except FileNotFoundError:
            return None
        return found

    def load(self, name: str) -> JsonObject:
        """Return a resource; raises SageMaker's error where there is none."""
        found = self.find(name)
        if found is None:
            raise AwsError(self.kind.missing, self.missing_text(name))
        return found

    def missing_text(self, name: str) -> str:
        """Return SageMaker's message for a resource that is not there."""
        if self.kind is JOB:
            return f"Could not find requested job with name: {name}"
        what = self.kind.word.replace("-", " ")
        return f'Could not find {what} "{self.arn(name)}".'

    def save(self, name: str, resource: JsonObject) -> None:
        """Write a resource in place of what it was."""
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps(resource, indent=1))
        aside.replace(file)

    def delete(self, name: str) -> None:
        """Remove a resource; raises where there is none."""
        self.load(name)
        self._file(name).unlink(missing_ok=True)

    def all(self) -> list[JsonObject]:
        """Return every resource, the newest first."""
        found = [json.loads(file.read_text()) for file in self._folder.glob("*.json")]
        return sorted(found, key=lambda one: str(one["CreationTime"]), reverse=True)

    def listed(self, contains: str, limit: int) -> list[JsonObject]:
        """Return the newest resources whose name contains a text, as a List call has them."""
        name = f"{self.kind.field}Name"
        return [one for one in self.all() if contains in one[name]][:limit]

    def _file(self, name: str) -> Path:
        return self._folder / f"{name.lower()}.json"
