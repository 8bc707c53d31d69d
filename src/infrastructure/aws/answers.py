"""What AWS answers where it does not do what was asked: the one place that reads its errors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from src.errors import DemoError, UnreachableError
from src.json_object import JsonObject

AWS_ERRORS = (ClientError, BotoCoreError)
MISSING = frozenset(
    ["404", "NoSuchBucket", "NoSuchEntity", "EntityNotFoundException", "ResourceNotFoundException"]
)
DENIED = frozenset(
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"]
)
MOVED = frozenset(["301", "PermanentRedirect"])
PASSING = frozenset(
    ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded",
     "OperationTimeoutException", "InternalServiceException", "ServiceUnavailableException"]
)  # fmt: skip
NETWORK_HINT = "check the network and AWS_REGION, then run the same command again"


@dataclass(frozen=True)
class AwsRefusal:
    """An operation that AWS refused, with the code and message it gave."""

    operation: str
    code: str
    message: str
    response: JsonObject = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """Return code and message in one line."""
        return f"{self.code}: {self.message}"


def refusal_of(error: BaseException | None) -> AwsRefusal | None:
    """Return what AWS refused with an error, or with the one it was made of; None elsewhere."""
    for one in (error, getattr(error, "__cause__", None)):
        if isinstance(one, ClientError):
            details = one.response["Error"]
            code, message = str(details.get("Code", "")), str(details.get("Message", ""))
            return AwsRefusal(one.operation_name, code, message, one.response)
    return None


def code_of(error: BaseException | None) -> str:
    """Return AWS's code of an error, or of the one it was made of; "" without one."""
    refusal = refusal_of(error)
    return refusal.code if refusal else ""


def in_short(error: Exception) -> str:
    """Return one line for an error of AWS: which operation, or what kept it from AWS."""
    refusal = refusal_of(error)
    text = f"{refusal.operation}: {refusal.code}" if refusal else f"{type(error).__name__}: {error}"
    return text.splitlines()[0]


def unless_missing(
    operation: Callable[..., Any], missing: Collection[str] = MISSING, **arguments: Any
) -> Any:
    """Return an operation's answer, or None where what it names is not there."""
    try:
        return operation(**arguments)
    except ClientError as error:
        if code_of(error) in missing:
            return None
        raise


@contextmanager
def asking(
    service: str,
    *,
    where: str,
    refused: Callable[[AwsRefusal], DemoError],
    hint: str = NETWORK_HINT,
) -> Iterator[None]:
    """Turn what AWS refuses into `refused`'s error, and its silence into an UnreachableError."""
    try:
        yield
    except ClientError as error:
        refusal = refusal_of(error)
        raise refused(refusal or AwsRefusal(service, "", str(error))) from error
    except NoCredentialsError as error:
        raise UnreachableError(
            "no AWS credentials were found",
            where=where,
            cause=str(error),
            hint="aws configure sso, aws configure, or run with --target local",
        ) from error
    except BotoCoreError as error:
        raise UnreachableError(
            f"{service} does not answer", where=where, cause=str(error), hint=hint
        ) from error
