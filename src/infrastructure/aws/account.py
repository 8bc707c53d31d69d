"""The caller's AWS account: clients that all retry alike, and who is calling."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from src.errors import SettingsError, UnreachableError
from src.infrastructure.aws.answers import AwsRefusal, asking
from src.settings.rules import no_region

STACK_TAG = "aws:cloudformation:stack-name"  # on what a CloudFormation stack made
_RENEW = "renew the credentials: aws configure sso, aws configure, or run with --target local"
_CONSOLES = {"aws": "aws.amazon.com", "aws-cn": "amazonaws.cn",
             "aws-us-gov": "amazonaws-us-gov.com", "aws-eusc": "amazonaws-eusc.eu"}  # fmt: skip
DEMO_TAG = ("Project", "concert-data-platform-demo")  # on everything that the demo creates


class AwsAccount:
    """Makes boto3 clients of one region.

    `retry_mode` is botocore's: standard, or adaptive, which also slows down before AWS requests it.
    """

    def __init__(self, region: str, *, retry_mode: str = "standard") -> None:
        if not region:
            raise no_region()
        self.region = region
        self._retry_mode = retry_mode

    def client(self, service: str, *, attempts: int = 6) -> Any:
        """Return a boto3 client; S3 transfers carry and check checksums."""
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": self._retry_mode, "total_max_attempts": attempts},
            connect_timeout=10,
            read_timeout=60,
            request_checksum_calculation="when_supported",
            response_checksum_validation="when_supported",
        )
        return boto3.client(service, region_name=self.region, config=config)

    @cached_property
    def account_id(self) -> str:
        """Return the number of the caller's account; raises UnreachableError without one."""
        with asking("AWS STS", where="AWS STS", refused=_not_identified, hint=_RENEW):
            return str(self.client("sts").get_caller_identity()["Account"])


def _not_identified(refusal: AwsRefusal) -> UnreachableError:
    return UnreachableError(
        "AWS did not return the identity of these credentials",
        where="AWS STS",
        cause=refusal.text,
        hint=_RENEW,
    )


@cache
def partition(region: str) -> str:
    """Return the partition of a region, as ARNs begin with it, by botocore's list of them."""
    import botocore.session
    from botocore.exceptions import UnknownRegionError

    try:
        return str(botocore.session.get_session().get_partition_for_region(region))
    except UnknownRegionError as error:
        raise SettingsError(
            f"AWS_REGION is {region!r}; no such region is known",
            cause=str(error),
            hint="aws configure get region",
        ) from error


def console_domain(region: str) -> str | None:
    """Return the host of a region's console; None for partitions whose consoles are not public."""
    domain = _CONSOLES.get(partition(region))
    return f"{region}.console.{domain}" if domain else None
