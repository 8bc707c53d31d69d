"""The job definitions of the local Glue: JSON files, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from botocore.exceptions import ClientError

from src.json_object import JsonObject

_JOB_FIELDS = frozenset(
    [
        "Name",
        "Role",
        "Command",
        "DefaultArguments",
        "NonOverridableArguments",
        "Description",
        "GlueVersion",
        "WorkerType",
        "NumberOfWorkers",
        "Timeout",
        "MaxRetries",
        "ExecutionProperty",
        "Tags",
    ]
)


class JobDefinitions:
    """Keeps definitions in a folder, with the errors of Glue's API."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, job: JsonObject) -> None:
        """Add a definition; AlreadyExistsException where there is one of that name."""
        _check_fields(job, "CreateJob")
        if self._file(job["Name"]).exists():
            raise glue_error("AlreadyExistsException", f"Job {job['Name']} exists", "CreateJob")
        self._save(job)

    def overwrite(self, name: str, job: JsonObject) -> None:
        """Replace a whole definition, as UpdateJob does: what is not given is gone."""
        before = self.load(name, "UpdateJob")
        if "Role" not in job or "Command" not in job:
            raise glue_error("InvalidInputException", "Role and Command are required", "UpdateJob")
        _check_fields(job, "UpdateJob")
        kept = {"Tags": before["Tags"]} if "Tags" in before else {}  # which JobUpdate has not
        self._save({**job, **kept, "Name": name})

    def load(self, name: str, operation: str) -> JsonObject:
        """Return a definition; EntityNotFoundException where there is none."""
        try:
            job: JsonObject = json.loads(self._file(name).read_text())
        except FileNotFoundError:
            text = f"Job {name} is not found"
            raise glue_error("EntityNotFoundException", text, operation) from None
        return job

    def all(self) -> list[JsonObject]:
        """Return every definition, in the order of their names."""
        found = [json.loads(file.read_text()) for file in self._folder.glob("*.json")]
        return sorted(found, key=lambda job: str(job["Name"]))

    def delete(self, name: str) -> None:
        """Forget a definition; one that is not there is no error."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe=' ')}.json"  # a name is no path

    def _save(self, job: JsonObject) -> None:
        file = self._file(job["Name"])
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps(job, indent=2))
        aside.replace(file)


def _check_fields(job: JsonObject, operation: str) -> None:
    unknown = set(job) - _JOB_FIELDS
    if unknown:
        text = f"not emulated by the local Glue: {', '.join(sorted(unknown))}"
        raise glue_error("InvalidInputException", text, operation)


def glue_error(code: str, message: str, operation: str) -> ClientError:
    """Return the error that boto3 raises for an answer of Glue's."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
