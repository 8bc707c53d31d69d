"""Requests of a service whose operations are paths, and their answers: AWS's rest-json protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.model import OperationModel, ServiceModel

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.endpoint.signature import Request


def read_rest(request: Request, model: ServiceModel) -> tuple[OperationModel, JsonObject]:
    """Return the operation of a path, and its parameters of path, headers and body."""
    path = urlsplit(request.path).path
    for name in model.operation_names:
        operation = model.operation_model(name)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
        found = re.fullmatch(pattern, path)
        if found and operation.http["method"] == request.method:
            return operation, _parameters(request, operation, found.groupdict())
    raise AwsError("UnknownOperationException", f"no operation has the path {path}", status=404)


def _parameters(
    request: Request, operation: OperationModel, labels: Mapping[str, str]
) -> JsonObject:
    shape = operation.input_shape
    found: JsonObject = {}
    if shape is None:
        return found
    for name, member in shape.members.items():
        where = member.serialization.get("location")
        if where == "uri":
            found[name] = unquote(labels[member.serialization["name"]])
        if where == "header":
            value = request.headers.get(member.serialization["name"].lower())
            found |= {name: value} if value is not None else {}
    if shape.serialization.get("payload"):
        found[shape.serialization["payload"]] = request.body
    return found


def answer_parts(
    operation: OperationModel, result: Mapping[str, Any]
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an operation's answer."""
    shape = operation.output_shape
    headers: dict[str, str] = {}
    if shape is None:
        return b"", headers
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header" and name in result:
            headers[member.serialization["name"]] = str(result[name])
    body: bytes = result.get(shape.serialization.get("payload", ""), b"")
    return body, headers
