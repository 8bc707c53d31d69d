"""What each identity must be allowed to do on AWS, and why; the template grants just this.

A resource is written with the names of the demo's own things in braces, as `names_of` gives
them. `validate_demo_pipeline.py --target aws` simulates the operator's in IAM.
"""

from __future__ import annotations

from dataclasses import dataclass

from src.domain.bucket_layout import (
    MANIFEST_PREFIX,
    PROCESSED_PREFIX,
    QUARANTINE_PREFIX,
    RAW_PREFIX,
    SCRIPT_PREFIX,
    SUMMARY_PREFIX,
    UNLOAD_PREFIX,
)
from src.infrastructure.aws.account import partition
from src.infrastructure.aws.glue_job import LOG_GROUP
from src.settings import Settings


@dataclass(frozen=True)
class Permission:
    """Actions on resources, and what they are needed for."""

    name: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    reason: str
    needed: str = "always"  # or workgroup, cluster, secret, data-api, glue, cleanup, validate


_BUCKETS = ("{raw}", "{processed}")
_OBJECTS = ("{raw}/*", "{processed}/*")
_RAW = f"{{raw}}/{RAW_PREFIX}/*"


def _processed(*prefixes: str, end: str = "/*") -> tuple[str, ...]:
    return tuple(f"{{processed}}/{prefix}{end}" for prefix in prefixes)


OPERATOR = (
    Permission(
        "Buckets",
        ("s3:CreateBucket", "s3:TagResource", "s3:ListBucket", "s3:GetBucketTagging",
         "s3:PutBucketTagging", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration",
         "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"),
        _BUCKETS,
        "create the two buckets protected, or find that they exist",
    ),
    Permission(
        "Objects",
        ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
        _OBJECTS,
        "upload raw data, script and manifests; read counts, models and what UNLOAD wrote",
    ),
    Permission(
        "GlueJob",
        ("glue:GetJob", "glue:CreateJob", "glue:UpdateJob", "glue:TagResource",
         "glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"),
        ("{job}",),
        "keep the job as the code defines it, run it, watch it, stop it on Ctrl-C",
        "glue",
    ),
    Permission(
        "PassGlueRole", ("iam:PassRole",), ("{glue_role}",), "give the job its role", "glue"
    ),
    Permission(
        "Workgroup",
        ("redshift-serverless:GetWorkgroup", "redshift-serverless:GetCredentials"),
        ("{workgroup}",),
        "find the endpoint, and connect with temporary credentials",
        "workgroup",
    ),
    Permission(
        "Cluster",
        ("redshift:DescribeClusters", "redshift:GetClusterCredentialsWithIAM"),
        ("{cluster}", "{database}"),
        "find the endpoint, and connect with temporary credentials",
        "cluster",
    ),
    Permission(
        "Secret",
        ("secretsmanager:GetSecretValue",),
        ("{secret}",),
        "connect as the warehouse's admin user",
        "secret",
    ),
    Permission(
        "DataApi",
        ("redshift-data:ExecuteStatement", "redshift-data:DescribeStatement",
         "redshift-data:GetStatementResult", "redshift-data:CancelStatement"),
        ("*",),
        "send SQL without a route to the warehouse; statements have no resource to name",
        "data-api",
    ),
    Permission(
        "Validate",
        ("iam:GetRole", "iam:SimulatePrincipalPolicy"),
        ("*",),
        "let validate_demo_pipeline.py look at the roles and at the caller's permissions",
        "validate",
    ),
    Permission(
        "CleanUp",
        ("s3:DeleteBucket", "s3:ListBucketVersions", "s3:DeleteObjectVersion", "glue:DeleteJob",
         "glue:GetTags"),
        (*_BUCKETS, *_OBJECTS, "{job}"),
        "remove what the demo made",
        "cleanup",
    ),
)  # fmt: skip

GLUE = (
    Permission(
        "ReadRaw",
        ("s3:GetObject",),
        (_RAW, *_processed(SCRIPT_PREFIX, UNLOAD_PREFIX)),
        "read raw data, the script, and the keys that a merge's rows may refer to",
    ),
    Permission("ListBuckets", ("s3:ListBucket",), _BUCKETS, "find files below a prefix"),
    Permission(
        "WriteProcessed",
        ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        _processed(PROCESSED_PREFIX, QUARANTINE_PREFIX, SUMMARY_PREFIX, end="*"),
        "write clean rows, rejected rows and counts, and replace those of an earlier run",
    ),
    Permission(
        "WriteLogs",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        ("{logs}",),
        "write the job's log",
    ),
    Permission(
        "WriteMetrics",
        ("cloudwatch:PutMetricData",),
        ("*",),
        "write the job's metrics; metrics have no resource to name",
    ),
)

REDSHIFT = (
    Permission(
        "CopyFrom",
        ("s3:GetObject",),
        (_RAW, *_processed(PROCESSED_PREFIX, QUARANTINE_PREFIX, MANIFEST_PREFIX)),
        "COPY by manifest: clean rows, rejected rows, and with --etl direct raw ones",
    ),
    Permission(
        "FindFiles",
        ("s3:ListBucket", "s3:GetBucketLocation"),
        _BUCKETS,
        "COPY looks for its files and their region",
    ),
    Permission(
        "UnloadTo",
        ("s3:PutObject", "s3:GetObject"),
        _processed(UNLOAD_PREFIX),
        "UNLOAD of training data, and of the keys that a merge's rows may refer to",
    ),
)  # fmt: skip


def names_of(settings: Settings, account_id: str) -> dict[str, str]:
    """Return the ARNs of the demo's things in an account, by the names used above."""
    s = settings
    head = f"arn:{partition(s.aws_region)}"
    place = f"{s.aws_region}:{account_id}"
    return {
        "raw": f"{head}:s3:::{s.raw_bucket}",
        "processed": f"{head}:s3:::{s.processed_bucket}",
        "job": f"{head}:glue:{place}:job/{s.glue_job_name}",
        "glue_role": s.role_of("glue"),
        "workgroup": f"{head}:redshift-serverless:{place}:workgroup/*",
        "cluster": f"{head}:redshift:{place}:cluster:{s.redshift_cluster}",
        "database": f"{head}:redshift:{place}:dbname:{s.redshift_cluster}/{s.redshift_database}",
        "secret": s.redshift_secret,
        "logs": f"{head}:logs:{place}:log-group:{LOG_GROUP}*",
    }


def needed_by(settings: Settings) -> list[Permission]:
    """Return the operator's permissions that a run with these settings uses."""
    s = settings
    needed = {"always"}
    needed |= {"glue"} if s.etl == "glue" else set()
    needed |= {"secret"} if s.redshift_secret else set()
    needed |= {"data-api"} if s.redshift_via == "data-api" else set()
    needed |= {"workgroup"} if s.redshift_workgroup else set()
    needed |= {"cluster"} if s.redshift_cluster else set()
    return [permission for permission in OPERATOR if permission.needed in needed]
