"""The caller's AWS account: clients that all retry alike, and who is calling."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from src.errors import UnreachableError
from src.infrastructure.aws.answers import AwsRefusal, asking

STACK_TAG = "aws:cloudformation:stack-name"  # on what a CloudFormation stack made
_RENEW = "renew the credentials: aws configure sso, aws configure, or run with --target local"
DEMO_TAG = ("Project", "concert-data-platform-demo")  # on everything that the demo creates


class AwsAccount:
    """Makes boto3 clients of one region.

    `retry_mode` is botocore's: standard, or adaptive, which also slows down before AWS requests it.
    """

    def __init__(self, region: str, *, retry_mode: str = "standard") -> None:
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


def partition(region: str) -> str:
    """Return the partition of a region, as ARNs begin with it: aws, aws-cn, aws-us-gov."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
