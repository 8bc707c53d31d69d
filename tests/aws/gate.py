"""IAM in front of the services that tests serve: who calls, and whether the policies allow it."""

import io
import json
import re
from urllib.parse import parse_qsl

import botocore.session

from src.local_cloud.endpoint.dispatch import Dispatcher, _as_xml
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.endpoint.shapes import from_query
from tests.aws.calls import needs, s3_call, s3_needs

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[\w-]+/([\w-]+)/")
_SERVICES = {"monitoring": "cloudwatch", "states": "stepfunctions"}  # as botocore calls them
_OF_SCHEDULER = {"GET": "GetSchedule", "POST": "CreateSchedule", "PUT": "UpdateSchedule",
                 "DELETE": "DeleteSchedule"}  # fmt: skip
_READ = ("CreateBucket", "DeleteObjects")  # whose bodies say what is needed


class Gate:
    """Knows identities by their access keys; a key that it does not know is an administrator's."""

    def __init__(self):
        self.identities = {}
        self.denied = []
        self.workgroup_arn = ""

    def check(self, key, found):
        """Return the first thing that an identity may not do, or None."""
        rights = self.identities.get(key)
        for need in found if rights else ():
            if not rights.allows(need):
                self.denied.append((rights.arn, need))
                what = f"{need.action} on resource: {need.resource}"
                return f"User: {rights.arn} is not authorized to perform: {what}"
        return None

    def in_front_of(self, application):
        """Return a WSGI application behind the gate."""

        def guarded(environ, start_response):
            found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
            key, service = found.groups() if found else ("", "")
            service = _SERVICES.get(service, service)
            if key not in self.identities:
                return application(environ, start_response)
            if service == "s3":
                refused = self._s3(key, environ)
                return _xml(start_response, refused) if refused else application(
                    environ, start_response)  # fmt: skip
            return self._other(key, service, environ, start_response, application)

        return guarded

    def _s3(self, key, environ):
        path = environ["PATH_INFO"] + "?" + environ.get("QUERY_STRING", "")
        is_read = environ["REQUEST_METHOD"] in ("POST", "PUT") and "/" not in path.strip("/?")
        body = _body(environ) if is_read or "delete" in path.partition("?")[2] else b""
        call = s3_call(environ["REQUEST_METHOD"], path, body)
        return self.check(key, s3_needs(*call, body))

    def _other(self, key, service, environ, start_response, application):
        body = _body(environ)
        model = botocore.session.get_session().get_service_model(service)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if "/operation/" in environ["PATH_INFO"]:  # CBOR: of CloudWatch, which lists alarms only
            name, given = environ["PATH_INFO"].rpartition("/")[2], {"AlarmNames": []}
        elif service == "scheduler":  # by method and path
            name = _OF_SCHEDULER[environ["REQUEST_METHOD"]]
            given = {"Name": environ["PATH_INFO"].rpartition("/")[2], **json.loads(body or "{}")}
        elif target:
            name, given = target.rpartition(".")[2], json.loads(body)
        else:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
            name = fields["Action"]
            given = from_query(fields, model.operation_model(name).input_shape) or {}
        if service == "cloudwatch":
            given.setdefault("AlarmNames", [])
        refused = self.check(key, needs(service, name, given, self.workgroup_arn))
        if refused:
            if not target and service != "scheduler":
                return _xml(start_response, refused)
            text = json.dumps({"__type": "AccessDeniedException", "message": refused})
            return _answer(start_response, "400 Bad Request", text.encode())
        if name == "SimulatePrincipalPolicy":  # which moto does not know
            answer = self.identities[key].simulate(**given)
            body = _as_xml(model.operation_model(name), answer, "0").body
            return _answer(start_response, "200 OK", body)
        if name == "UpdateProject":  # nor this
            return _answer(start_response, "200 OK", b"{}")
        return application(environ, start_response)


def _body(environ):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _xml(start_response, message):
    error = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
    text = f"<ErrorResponse>{error}</ErrorResponse>" if "iam:" in message else error
    return _answer(start_response, "403 Forbidden", text.encode())


def _answer(start_response, status, body):
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]


def guarded_dispatcher(gate, key):
    """Return the endpoint's dispatcher with the gate before its services."""

    class Guarded(Dispatcher):
        def _read(self, request):
            operation, given, service = super()._read(request)
            known = {**given, "aws:userid": gate.identities[key].user_id}
            name = operation.service_model.service_name
            refused = gate.check(key, needs(name, operation.name, known, gate.workgroup_arn))
            if refused:
                raise AwsError("AccessDeniedException", refused, status=400)
            return operation, given, service

    return Guarded
