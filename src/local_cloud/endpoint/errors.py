"""The errors of AWS's services, as an answer carries them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class AwsError(ClientError):  # type: ignore[misc]  # botocore has no types
    """An error answer: what boto3 raises for it, with its HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        response = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
            **members,
        }
        super().__init__(response, "request")


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an error's answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
