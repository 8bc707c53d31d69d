"""Checks a request's Signature Version 4 with botocore's own signer."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SIGV4_TIMESTAMP, UNSIGNED_PAYLOAD, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from src.local_cloud.endpoint.errors import AwsError

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request,\s*"
    r"SignedHeaders=([\w;-]+),\s*Signature=([0-9a-f]{64})"
)
_CLOCK_SKEW = timedelta(minutes=15)
_REQUIRED = {"host", "x-amz-date"}


@dataclass(frozen=True)
class Request:
    """An HTTP request as it was received; names of headers are in lower case."""

    method: str
    path: str  # with the query
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Scope:
    """What a signature is good for."""

    service: str
    region: str


def _now() -> datetime:
    return datetime.now(UTC)


class SignatureCheck:
    """Accepts what the state folder's key pair has signed."""

    def __init__(
        self, access_key: str, secret_key: str, now: Callable[[], datetime] = _now
    ) -> None:
        self._key = Credentials(access_key, secret_key)
        self._now = now

    def scope(self, request: Request) -> Scope:
        """Return the service and region that a request names, without proof."""
        text = request.headers.get("authorization", "")
        if not text:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token",
                           status=403)  # fmt: skip
        found = _AUTHORIZATION.fullmatch(text.strip())
        if found is None:
            text = "Authorization header requires Credential, SignedHeaders and Signature of SigV4"
            raise AwsError("IncompleteSignatureException", text, status=400)
        return Scope(service=found[4], region=found[3])

    def check(self, request: Request) -> None:
        """Raise AwsError unless the signature is the key pair's, of this request, and fresh."""
        scope = self.scope(request)
        found = _AUTHORIZATION.fullmatch(request.headers["authorization"].strip())
        assert found is not None
        access_key, day, signed, given = found[1], found[2], found[5].split(";"), found[6]
        known = hmac.compare_digest(access_key, self._key.access_key or "")
        if not known or "x-amz-security-token" in request.headers:
            text = "The security token included in the request is invalid."
            raise AwsError("UnrecognizedClientException", text, status=403)
        stamp = request.headers.get("x-amz-date", "")
        self._check_time(stamp, day)
        if not set(signed) >= _REQUIRED or not self._is_right_body(request):
            raise _mismatch()
        if not hmac.compare_digest(self._signature(request, scope, signed, stamp), given):
            raise _mismatch()

    def _signature(self, request: Request, scope: Scope, signed: list[str], stamp: str) -> str:
        headers = {name: request.headers.get(name, "") for name in signed}
        url = f"http://{request.headers.get('host', '')}{request.path}"
        again = AWSRequest(method=request.method, url=url, headers=headers, data=request.body)
        again.context["timestamp"] = stamp
        signer = _Signer(self._key, scope.service, scope.region)
        canonical = signer.canonical_request(again)
        return str(signer.signature(signer.string_to_sign(again, canonical), again))

    def _is_right_body(self, request: Request) -> bool:
        digest = request.headers.get("x-amz-content-sha256")
        if digest is None or digest == UNSIGNED_PAYLOAD:
            return digest is None  # without TLS the body must be signed
        return hmac.compare_digest(digest, hashlib.sha256(request.body).hexdigest())

    def _check_time(self, stamp: str, day: str) -> None:
        try:
            at = datetime.strptime(stamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
        except ValueError:
            text = "Authorization header requires existence of an 'X-Amz-Date' header."
            raise AwsError("IncompleteSignatureException", text, status=400) from None
        if not stamp.startswith(day):
            raise _mismatch()
        now = self._now()
        if abs(now - at) > _CLOCK_SKEW:
            text = f"Signature expired: {stamp} is not within 15 minutes of {now:%Y%m%dT%H%M%SZ}"
            raise AwsError("InvalidSignatureException", text, status=403)


class _Signer(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs exactly the headers that the request's own signer has signed."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers


def _mismatch() -> AwsError:
    text = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method."
    )
    return AwsError("InvalidSignatureException", text, status=403)
