"""One request of an AWS SDK: checked, read by botocore's model, handed on, and answered."""

from __future__ import annotations

import inspect
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as Xml

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from src.json_object import JsonObject
from src.local_cloud.endpoint.constraints import violations
from src.local_cloud.endpoint.errors import AwsError, status_of
from src.local_cloud.endpoint.rest import answer_parts, read_rest
from src.local_cloud.endpoint.shapes import from_json, from_query, to_json, to_xml
from src.local_cloud.endpoint.signature import Request, SignatureCheck

# The code of a request that the model does not allow, where it is not ValidationException.
_INVALID = {"glue": "InvalidInputException", "redshift": "InvalidParameterValue",
            "sts": "ValidationError", "sagemaker-runtime": "ValidationError"}  # fmt: skip
# Services that check what botocore does not, by their models: src/local_cloud/endpoint/constraints.
_CONSTRAINED = ("kinesis",)
# Services that share a signing name with another, and whose operations are paths.
_OF_PATHS = {"sagemaker": "sagemaker-runtime"}
# Query services have codes of their own for what is wrong with a signature.
_QUERY_CODES = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnknownOperationException": "InvalidAction",
}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Dispatcher:
    """Hands operations to objects with boto3-shaped methods.

    `services` maps a service's name, or `path/name` for one that is reached below a path of its
    own, to what returns its object; it is called at the service's first request.
    """

    def __init__(
        self, services: Mapping[str, Callable[[], Any]], check: SignatureCheck, loader: Loader
    ) -> None:
        self._services = services
        self._check = check
        self._loader = loader
        self._models: dict[str, ServiceModel] = {}

    def answer(self, request: Request) -> Answer:
        """Return the answer of a request, whatever it is."""
        request_id = str(uuid.uuid4())
        is_query = request.headers.get("content-type", "").startswith(
            "application/x-www-form-urlencoded"
        )
        try:
            operation, parameters, service = self._read(request)
            protocol = operation.service_model.metadata["protocol"]
            is_query = protocol == "query"
            result = _call(service, operation, parameters)
            write = {"query": _as_xml, "rest-json": _as_rest}.get(protocol, _as_json)
            return write(operation, result, request_id)
        except ClientError as error:
            return _failed(error, request_id, is_query=is_query)
        except Exception:
            logger.exception("the AWS endpoint met an error")
            text = "internal error of the local AWS endpoint"
            failure = AwsError("InternalFailure", text, status=500)
            return _failed(failure, request_id, is_query=is_query)

    def _read(self, request: Request) -> tuple[OperationModel, JsonObject, Any]:
        scope = self._check.scope(request)
        self._check.check(request)
        if scope.service in _OF_PATHS and "x-amz-target" not in request.headers:
            name = _OF_PATHS[scope.service]
            operation, parameters = read_rest(request, self._model(name))
            return operation, parameters, self._services[name]()
        url = urlsplit(request.path)
        key = f"{url.path.strip('/')}/{scope.service}".lstrip("/")
        if key not in self._services:
            text = f"the local cloud has no service {key}"
            raise AwsError("UnknownOperationException", text, status=404)
        model = self._model(scope.service)
        if model.metadata["protocol"] == "query":
            fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), True))
            operation = _operation(model, fields.get("Action", ""))
            parameters = from_query(fields, operation.input_shape) or {}
        else:
            prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
            operation = _operation(model, name if prefix == model.metadata["targetPrefix"] else "")
            parameters = _json_parameters(request.body, operation)
        return operation, parameters, self._services[key]()

    def _model(self, name: str) -> ServiceModel:
        if name not in self._models:
            description = self._loader.load_service_model(name, "service-2")
            self._models[name] = ServiceModel(description, name)
        return self._models[name]


def _operation(model: ServiceModel, name: str) -> OperationModel:
    if name not in model.operation_names:
        text = f"{model.service_name} has no operation {name or 'of this target'}"
        raise AwsError("UnknownOperationException", text, status=404)
    return model.operation_model(name)


def _json_parameters(body: bytes, operation: OperationModel) -> JsonObject:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise AwsError("SerializationException", "the request's body is no JSON object")
    if operation.input_shape is None:
        return given
    parameters: JsonObject = from_json(given, operation.input_shape)
    return parameters


def _call(service: Any, operation: OperationModel, parameters: JsonObject) -> Any:
    name = operation.service_model.service_name
    invalid = _INVALID.get(name, "ValidationException")
    if operation.input_shape is not None:
        report = ParamValidator().validate(parameters, operation.input_shape)
        if report.has_errors():
            raise AwsError(invalid, report.generate_report())
        wrong = violations(parameters, operation.input_shape) if name in _CONSTRAINED else ()
        if found := list(islice(wrong, 10)):
            count = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
            raise AwsError(invalid, f"{count} detected: {'; '.join(found)}")
    method = getattr(service, xform_name(operation.name), None)
    if method is None:
        text = f"{operation.name} is not emulated by the local cloud"
        raise AwsError("NotImplementedException", text, status=501)
    signature = inspect.signature(method)
    try:
        signature.bind(**parameters)
    except TypeError:
        unknown = ", ".join(sorted(set(parameters) - set(signature.parameters)))
        text = f"not emulated by the local cloud: {operation.name} with {unknown}"
        raise AwsError(invalid, text) from None
    return method(**parameters)


def _as_json(operation: OperationModel, result: Any, request_id: str) -> Answer:
    shape = operation.output_shape
    body = json.dumps(to_json(result, shape) if shape is not None else {}).encode()
    return Answer(200, "application/x-amz-json-1.1", body, request_id)


def _as_rest(operation: OperationModel, result: Any, request_id: str) -> Answer:
    body, headers = answer_parts(operation, result)
    kind = headers.pop("Content-Type", "application/octet-stream")
    return Answer(200, kind, body, request_id, headers)


def _as_xml(operation: OperationModel, result: Any, request_id: str) -> Answer:
    namespace = operation.service_model.metadata.get("xmlNamespace", "")
    root = Xml.Element(f"{operation.name}Response", xmlns=namespace)
    if (shape := operation.output_shape) is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        to_xml(Xml.SubElement(root, wrapper), result, shape)
    Xml.SubElement(Xml.SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
    return Answer(200, "text/xml", Xml.tostring(root), request_id)


def _failed(error: ClientError, request_id: str, *, is_query: bool) -> Answer:
    status, details = status_of(error), error.response["Error"]
    code, message = details.get("Code", "InternalFailure"), details.get("Message", "")
    if is_query:
        root = Xml.Element("ErrorResponse")
        fields = Xml.SubElement(root, "Error")
        Xml.SubElement(fields, "Type").text = "Sender" if status < 500 else "Receiver"
        Xml.SubElement(fields, "Code").text = _QUERY_CODES.get(code, code)
        Xml.SubElement(fields, "Message").text = message
        Xml.SubElement(root, "RequestId").text = request_id
        return Answer(status, "text/xml", Xml.tostring(root), request_id)
    more = {k: v for k, v in error.response.items() if k not in ("Error", "ResponseMetadata")}
    body = json.dumps({"__type": code, "message": message, "Message": message, **more})
    return Answer(
        status, "application/x-amz-json-1.1", body.encode(), request_id, {"x-amzn-errortype": code}
    )
