"""What a bucket that the demo creates on AWS is given, and what an existing one must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from src.domain.bucket_layout import EXPIRING, MARKER
from src.infrastructure.aws.account import DEMO_TAG, STACK_TAG, partition
from src.json_object import JsonObject


@dataclass(frozen=True)
class BucketSetup:
    """The settings of the demo's own buckets."""

    region: str
    owner: str  # account number: a bucket of another account is never written to
    expire_days: int = 30

    def creation(self) -> JsonObject:
        """Return CreateBucket's configuration; us-east-1 refuses its own name as a constraint.

        The tag is set by the same call, so that a bucket whose run ended right after is recognised.
        """
        configuration: JsonObject = {"Tags": [_tag()]}
        if self.region != "us-east-1":
            configuration["LocationConstraint"] = self.region
        return configuration

    def is_ours(self, tags: list[dict[str, str]]) -> bool:
        """Tell whether a run created the bucket with these tags; a stack keeps its own itself."""
        return _tag() in tags and STACK_TAG not in [tag["Key"] for tag in tags]

    def tagging(self) -> JsonObject:
        """Return PutBucketTagging's argument, for a new bucket: it replaces all tags."""
        return {"Tagging": {"TagSet": [_tag()]}}

    def calls(self, bucket: str) -> Iterator[tuple[str, JsonObject]]:
        """Yield (operation of the S3 client, arguments) of every setting, each of them repeatable.

        No public access, encrypted at rest, TLS only, and demo data that expires.
        """
        yield (
            "put_public_access_block",
            {
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                }
            },
        )
        encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        yield (
            "put_bucket_encryption",
            {"ServerSideEncryptionConfiguration": {"Rules": [encryption]}},
        )
        yield "put_bucket_policy", {"Policy": json.dumps(tls_only(bucket, self.region))}
        yield (
            "put_bucket_lifecycle_configuration",
            {"LifecycleConfiguration": {"Rules": lifecycle_rules(self.expire_days)}},
        )


def tls_only(bucket: str, region: str) -> JsonObject:
    """Return a bucket policy that denies every request without TLS."""
    arn = f"arn:{partition(region)}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def lifecycle_rules(days: int) -> list[JsonObject]:
    """Return rules that expire demo data, and the parts of uploads that never ended."""
    rules: list[JsonObject] = [
        {
            "ID": f"expire-{prefix.rstrip('/').replace(MARKER, '-marker')}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "Expiration": {"Days": days},
        }
        for prefix in EXPIRING
    ]
    unfinished = {
        "ID": "abort-unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    return [*rules, unfinished]


def _tag() -> dict[str, str]:
    return {"Key": DEMO_TAG[0], "Value": DEMO_TAG[1]}
