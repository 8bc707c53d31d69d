"""Checks of what the aws target needs: settings, credentials, buckets, role, job, warehouse.

They only look: nothing is created or changed in the account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.errors import DemoError
from src.orchestration.environment import DemoEnvironment
from src.orchestration.validation.check import Check, Context, Finding, judge
from src.orchestration.validation.local_target import failure
from src.settings import missing_for_aws

ASSUMED_BY = ("glue.amazonaws.com", "redshift.amazonaws.com")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")
_MISSING = ("404", "NoSuchBucket", "NoSuchEntity", "EntityNotFoundException")


def settings(context: Context) -> Finding:
    """Every setting that the aws target needs is there."""
    missing = [f"{name} is not set" for name in missing_for_aws(context.settings)]
    hint = "cp .env.example .env, then fill them in"
    return judge("the role and the warehouse are set", "they are", missing, hint)


def credentials(context: Context) -> Finding:
    """AWS knows who is calling."""
    expected = "AWS accepts the credentials"
    hint = "aws configure sso, aws configure, or export AWS_PROFILE"

    def look() -> Finding:
        caller = _environment(context).account.client("sts").get_caller_identity()
        return Finding("passed", expected, f"account {caller['Account']}, {caller['Arn']}")

    return _asking(expected, hint, look)


def buckets(context: Context) -> Finding:
    """Each bucket is ours to use, or free to be created."""
    expected, hint = "each is usable, or free", "name other buckets: --raw-bucket NAME"

    def look() -> Finding:
        client = _environment(context).account.client("s3")
        names = (context.settings.raw_bucket, context.settings.processed_bucket)
        states = {name: _bucket_state(client, name) for name in names}
        problems = [
            f"{name} belongs to somebody else" for name, s in states.items() if s == "taken"
        ]
        found = ", ".join(f"{name} is {state}" for name, state in states.items())
        return judge(expected, found, problems, hint)

    return _asking(expected, hint, look)


def _bucket_state(client: Any, name: str) -> str:
    from botocore.exceptions import ClientError

    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            return "free"
        if code in _DENIED:
            return "taken"
        raise
    return "usable"


def role(context: Context) -> Finding:
    """The role exists, and Glue and Redshift may assume it."""
    expected = "Glue and Redshift may assume the role"
    arn = context.settings.iam_role
    if not arn:
        return _lacks(expected, "DEMO_IAM_ROLE")
    hint = f"check the ARN and its trust policy: aws iam get-role --role-name {arn.split('/')[-1]}"

    def look() -> Finding:
        client = _environment(context).account.client("iam")
        document = client.get_role(RoleName=arn.split("/")[-1])["Role"]
        if document["Arn"] != arn:
            return Finding("failed", expected, f"the account's role is {document['Arn']}", hint)
        trusted = _trusted(document["AssumeRolePolicyDocument"])
        problems = [
            f"{service} may not assume it" for service in ASSUMED_BY if service not in trusted
        ]
        return judge(expected, "both may", problems, hint)

    return _asking(expected, hint, look)


def _trusted(policy: dict[str, Any]) -> set[str]:
    """Return the services that a trust policy lets assume the role."""
    found: set[str] = set()
    for statement in policy.get("Statement", []):
        principal = statement.get("Principal", {})
        if statement.get("Effect") == "Allow" and isinstance(principal, dict):
            services = principal.get("Service", [])
            found |= {services} if isinstance(services, str) else set(services)
    return found


def glue(context: Context) -> Finding:
    """Glue lets us look at its jobs."""
    expected, name = "Glue answers", context.settings.glue_job_name
    hint = "allow glue:GetJob, glue:CreateJob, glue:UpdateJob, glue:StartJobRun, glue:GetJobRun"

    def look() -> Finding:
        from botocore.exceptions import ClientError

        try:
            _environment(context).account.client("glue").get_job(JobName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return Finding("passed", expected, f"job {name} will be created")
        return Finding("passed", expected, f"job {name} exists")

    return _asking(expected, hint, look)


def warehouse(context: Context) -> Finding:
    """The warehouse lets us in, and is a Redshift."""
    expected = "Redshift answers"
    lacking = [name for name in missing_for_aws(context.settings) if name != "DEMO_IAM_ROLE"]
    if lacking:
        return _lacks(expected, *lacking)
    try:
        version = _environment(context).redshift_version()
    except DemoError as error:
        return failure(expected, error)
    problems = [] if "Redshift" in version else [f"this is {version[:60]}"]
    hint = "set REDSHIFT_HOST to the endpoint of a Redshift workgroup or cluster"
    return judge(expected, version, problems, hint)


def _environment(context: Context) -> DemoEnvironment:
    """Return an environment that is never entered: it starts nothing."""
    return DemoEnvironment(context.settings)


def _lacks(expected: str, *names: str) -> Finding:
    hint = "cp .env.example .env, then fill it in"
    return Finding("skipped", expected, f"not looked: {', '.join(names)} is not set", hint)


def _asking(expected: str, hint: str, look: Callable[[], Finding]) -> Finding:
    """Return what `look` finds, or the finding that AWS did not let it look."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return look()
    except ClientError as error:
        found = f"{error.operation_name}: {error.response['Error']['Code']}"
    except BotoCoreError as error:
        found = f"{type(error).__name__}: {error}"
    return Finding("failed", expected, found.splitlines()[0], hint)


CHECKS = (
    Check("aws_settings", "the settings of the aws target", settings),
    Check("aws_credentials", "who is calling AWS", credentials),
    Check("aws_buckets", "the two S3 buckets", buckets),
    Check("aws_role", "the role that Glue and Redshift assume", role),
    Check("aws_glue", "the Glue job", glue),
    Check("aws_warehouse", "the Redshift warehouse", warehouse),
)
