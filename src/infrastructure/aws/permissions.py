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
from src.infrastructure.aws.glue_job import generation_job_of, log_prefix
from src.settings import Settings


@dataclass(frozen=True)
class Permission:
    """Actions on resources, and what they are needed for; each action on each of the resources.

    `condition` holds by the keys of IAM what a request must carry: simulations are given it.
    """

    name: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    reason: str
    needed: str = "always"  # or what of the settings needs it, or cleanup, validate
    condition: tuple[tuple[str, str], ...] = ()


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
        ("{job}", "{generation_job}"),
        "keep the jobs as the code defines them, run them, watch them, stop them on Ctrl-C",
        "glue",
    ),
    Permission(
        "PassGlueRole", ("iam:PassRole",), ("{glue_role}",), "give the job its role", "glue",
        (("iam:PassedToService", "glue.amazonaws.com"),),
    ),
    Permission(
        "JobLogs",
        ("logs:CreateLogGroup", "logs:TagResource", "logs:PutRetentionPolicy",
         "logs:GetLogEvents"),
        ("{logs}", "{generation_logs}"),
        "create the job's log groups with an end, and show the log of a failed run",
        "glue",
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
        ("redshift:DescribeClusters",),
        ("{cluster}",),
        "find the endpoint",
        "cluster",
    ),
    Permission(
        "ClusterIdentity",
        ("redshift:GetClusterCredentialsWithIAM",),
        ("{database}",),
        "connect with temporary credentials of the caller's own identity",
        "cluster-identity",
    ),
    Permission(
        "ClusterUser",
        ("redshift:GetClusterCredentials",),
        ("{database}", "{database_user}"),
        "let the Data API connect as the database user of REDSHIFT_USER",
        "cluster-user",
    ),
    Permission(
        "Secret",
        ("secretsmanager:GetSecretValue",),
        ("{secret}",),
        "connect as the warehouse's admin user",
        "secret",
    ),
    Permission(
        "SendSql",
        ("redshift-data:ExecuteStatement",),
        ("{warehouse}",),
        "send SQL without a route to the warehouse",
        "data-api",
    ),
    Permission(
        "OwnSessions",
        ("redshift-data:ExecuteStatement",),
        ("*",),
        "send the later statements of a session, which names no warehouse",
        "data-api",
        (("redshift-data:session-owner-iam-userid", "${aws:userid}"),),
    ),
    Permission(
        "OwnStatements",
        ("redshift-data:DescribeStatement", "redshift-data:GetStatementResult",
         "redshift-data:CancelStatement"),
        ("*",),
        "wait for own statements and read their rows; statements have no resource to name",
        "data-api",
        (("redshift-data:statement-owner-iam-userid", "${aws:userid}"),),
    ),
    Permission(
        "Stream",
        ("kinesis:DescribeStreamSummary", "kinesis:CreateStream", "kinesis:AddTagsToStream",
         "kinesis:PutRecords"),
        ("{stream}",),
        "create the stream with its tag, and put live sales on it",
        "stream",
    ),
    Permission(
        "ValidateRoles",
        ("iam:GetRole",),
        ("{glue_role}", "{redshift_role}"),
        "let validate_demo_pipeline.py look at the roles",
        "validate",
    ),
    Permission(
        "Simulate",
        ("iam:SimulatePrincipalPolicy",),
        ("*",),
        "let validate_demo_pipeline.py look at the permissions of the caller, any user or role",
        "validate",
    ),
    Permission(
        "CleanBuckets",
        ("s3:DeleteBucket", "s3:ListBucketVersions"),
        _BUCKETS,
        "remove the buckets that a run created",
        "cleanup",
    ),
    Permission(
        "CleanObjects",
        ("s3:DeleteObject", "s3:DeleteObjectVersion"),
        _OBJECTS,
        "remove what runs wrote",
        "cleanup",
    ),
    Permission(
        "CleanJob",
        ("glue:GetTags", "glue:DeleteJob"),
        ("{job}", "{generation_job}"),
        "remove the jobs that a run created",
        "cleanup",
    ),
    Permission(
        "CleanStream",
        ("kinesis:ListTagsForStream", "kinesis:DeleteStream"),
        ("{stream}",),
        "remove the stream that a producer created",
        "cleanup",
    ),
    Permission(
        "CleanLogs",
        ("logs:ListTagsForResource", "logs:DeleteLogGroup"),
        ("{logs}", "{generation_logs}"),
        "remove the log groups that a run created",
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
    Permission(
        "ListBuckets",
        ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"),
        _BUCKETS,
        "find files below a prefix, and the uploads of a task that failed",
    ),
    Permission(
        "WriteRaw",
        ("s3:PutObject",),
        (_RAW,),
        "store the files of a data set where they are generated, with --generate-on glue",
    ),
    Permission(
        "WriteProcessed",
        ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
        _processed(PROCESSED_PREFIX, QUARANTINE_PREFIX, SUMMARY_PREFIX, end="*"),
        "write clean rows, rejected rows and counts, and replace those of an earlier run",
    ),
    Permission(
        "WriteLogs",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        ("{logs}", "{generation_logs}"),
        "write the job's log",
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
    Permission(
        "ReadStream",
        ("kinesis:DescribeStreamSummary", "kinesis:DescribeStream", "kinesis:ListShards",
         "kinesis:GetShardIterator", "kinesis:GetRecords"),
        ("{stream}",),
        "streaming ingestion: REFRESH of the view over the stream",
    ),
    Permission(
        "FindStreams",
        ("kinesis:ListStreams",),
        ("*",),
        "streaming ingestion looks for its stream; a list has no resource to name",
    ),
)  # fmt: skip


def names_of(settings: Settings, account_id: str, workgroup_arn: str = "") -> dict[str, str]:
    """Return the ARNs of the demo's things in an account, by the names used above.

    A workgroup's ARN ends in a number of AWS's; a wildcard stands for one that is not given.
    """
    s = settings
    head = f"arn:{partition(s.aws_region)}"
    place = f"{s.aws_region}:{account_id}"
    redshift = f"{head}:redshift:{place}"
    generation_job = generation_job_of(s.glue_job_name)
    names = {
        "raw": f"{head}:s3:::{s.raw_bucket}",
        "processed": f"{head}:s3:::{s.processed_bucket}",
        "job": f"{head}:glue:{place}:job/{s.glue_job_name}",
        "generation_job": f"{head}:glue:{place}:job/{generation_job}",
        "glue_role": s.role_of("glue"),
        "redshift_role": s.role_of("redshift"),
        "workgroup": workgroup_arn or f"{head}:redshift-serverless:{place}:workgroup/*",
        "cluster": f"{redshift}:cluster:{s.redshift_cluster}",
        "database": f"{redshift}:dbname:{s.redshift_cluster}/{s.redshift_database}",
        "database_user": f"{redshift}:dbuser:{s.redshift_cluster}/{s.redshift_user}",
        "secret": _secret_arn(s.redshift_secret, f"{head}:secretsmanager:{place}:secret:"),
        "stream": f"{head}:kinesis:{place}:stream/{s.stream}",
        "logs": f"{head}:logs:{place}:log-group:{log_prefix(s.glue_job_name)}/*",
        "generation_logs": f"{head}:logs:{place}:log-group:{log_prefix(generation_job)}/*",
    }
    return {**names, "warehouse": names["workgroup" if s.redshift_workgroup else "cluster"]}


def _secret_arn(secret: str, head: str) -> str:
    """Return a secret's ARN: six characters of AWS's follow its name."""
    return f"{head}{secret}-??????" if secret and not secret.startswith("arn:") else secret


def needed_by(settings: Settings) -> list[Permission]:
    """Return the operator's permissions that a run with these settings uses."""
    s = settings
    is_temporary = not s.redshift_secret and not s.redshift_password
    takes_user = s.redshift_via == "data-api" and bool(s.redshift_user) and not s.redshift_secret
    needed = {"always"}
    needed |= {"glue"} if "glue" in (s.etl, s.generate_on) else set()
    needed |= {"secret"} if s.redshift_secret else set()
    needed |= {"data-api"} if s.redshift_via == "data-api" else set()
    needed |= {"workgroup"} if s.redshift_workgroup else set()
    needed |= {"cluster"} if s.redshift_cluster and s.redshift_via == "driver" else set()
    if s.redshift_cluster and is_temporary:
        needed |= {"cluster-user" if takes_user else "cluster-identity"}
    return [permission for permission in OPERATOR if permission.needed in needed]
