"""Checks of what the aws target needs: settings, credentials, buckets, role, job, warehouse.

They only look: nothing is created or changed in the account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.errors import DemoError, SettingsError
from src.infrastructure.aws.answers import (
    AWS_ERRORS,
    DENIED,
    MISSING,
    MOVED,
    code_of,
    in_short,
    unless_missing,
)
from src.infrastructure.aws.permissions import Permission, names_of, needed_by
from src.infrastructure.aws.sagemaker_permissions import serving_names, serving_needs
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.orchestration.validation.check import Check, Context, Finding, judge
from src.orchestration.validation.local_target import failure
from src.settings import missing_for_aws

WAREHOUSES = ("redshift.amazonaws.com", "redshift-serverless.amazonaws.com")
_MOST_RESULTS = 1000  # of one call of SimulatePrincipalPolicy; a permission has a dozen


def settings(context: Context) -> Finding:
    """Every setting that the aws target needs is set."""
    missing = [f"{name} is not set" for name in missing_for_aws(context.settings)]
    missing += [] if context.settings.aws_region else ["AWS_REGION is not set"]
    hint = "cp .env.example .env, then fill them in"
    return judge("the role and the warehouse are set", "they are", missing, hint)


def credentials(context: Context) -> Finding:
    """AWS accepts the credentials."""
    expected = "AWS accepts the credentials"
    hint = "aws configure sso, aws configure, or export AWS_PROFILE"

    def look() -> Finding:
        caller = _environment(context).account.client("sts").get_caller_identity()
        return Finding("passed", expected, f"account {caller['Account']}, {caller['Arn']}")

    return _asking(expected, hint, look)


def buckets(context: Context) -> Finding:
    """Each bucket belongs to this account, or can be created."""
    expected, hint = "each is usable, or free", "name other buckets: --raw-bucket NAME"

    def look() -> Finding:
        client = _environment(context).account.client("s3")
        names = (context.settings.raw_bucket, context.settings.processed_bucket)
        states = {name: _bucket_state(client, name) for name in names}
        region = context.settings.aws_region
        problems = [
            f"{name} belongs to another AWS account" for name, s in states.items() if s == "taken"
        ]
        problems += [
            f"{name} is {state}, the demo in {region}"
            for name, state in states.items()
            if state.startswith("in ") and state != f"in {region}"
        ]
        found = ", ".join(f"{name} is {state}" for name, state in states.items())
        return judge(expected, found, problems, hint)

    return _asking(expected, hint, look)


def _bucket_state(client: Any, name: str) -> str:
    try:
        answer = client.head_bucket(Bucket=name)
    except AWS_ERRORS as error:
        code = code_of(error)
        if code in MISSING:
            return "free"
        if code in DENIED:
            return "taken"
        if code in MOVED:
            return "in another region"
        raise
    region = answer.get("BucketRegion")
    return f"in {region}" if region else "usable"


def role(context: Context) -> Finding:
    """The roles exist, and Glue and Redshift may assume theirs."""
    expected = "Glue and Redshift may assume their roles"
    s = context.settings
    roles = {
        "glue.amazonaws.com": s.role_of("glue") if s.etl == "glue" else "",
        "redshift": s.role_of("redshift"),
    }
    named = {service: arn for service, arn in roles.items() if arn and arn != "default"}
    if not named:
        if roles["redshift"] == "default":
            return Finding("passed", expected, "the warehouse's default role")
        return _lacks(expected, "DEMO_IAM_ROLE")
    names = " ".join(sorted({arn.split("/")[-1] for arn in named.values()}))
    hint = f"check the ARN and its trust policy: aws iam get-role --role-name {names}"

    def look() -> Finding:
        client = _environment(context).account.client("iam")
        problems = []
        for service, arn in named.items():
            document = client.get_role(RoleName=arn.split("/")[-1])["Role"]
            if document["Arn"] != arn:
                problems.append(f"the account's role is {document['Arn']}")
            accepted = WAREHOUSES if service == "redshift" else (service,)
            if not _trusted(document["AssumeRolePolicyDocument"]).intersection(accepted):
                problems.append(f"{accepted[0]} may not assume {arn}")
        return judge(expected, "they may", problems, hint)

    return _asking(expected, hint, look)


def _trusted(policy: JsonObject) -> set[str]:
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
        job = unless_missing(_environment(context).account.client("glue").get_job, JobName=name)
        found = f"job {name} exists" if job else f"job {name} will be created"
        return Finding("passed", expected, found)

    return _asking(expected, hint, look)


def permissions(context: Context) -> Finding:
    """IAM allows the caller each action of a run."""
    expected = "each action that a run needs is allowed"
    hint = (
        "attach OperatorPolicy of src/infrastructure/cloudformation/concert-demo.yaml to the caller"
    )

    def look() -> Finding:
        account = _environment(context).account
        caller = account.client("sts").get_caller_identity()
        client = account.client("iam")
        kind = caller["Arn"].split(":")[5].partition("/")[0]
        if kind == "root":
            return Finding("passed", expected, "the account's root may do everything")
        if kind == "federated-user":
            note = "not simulated: IAM cannot simulate a federated user"
            return Finding("skipped", expected, note, hint)
        source = _policy_source(client, caller)
        names = names_of(context.settings, caller["Account"], _workgroup_arn(context))
        names |= serving_names(context.settings, caller["Account"])
        denied, asked = [], 0
        for permission in (*needed_by(context.settings), *serving_needs(context.settings)):
            asked += len(permission.actions)
            denied += _denied(client, source, caller["UserId"], permission, names)
        problems = [f"{action} is denied, needed to {reason}" for action, reason in denied]
        return judge(expected, f"{asked} actions are allowed", problems, hint)

    found = _asking(expected, hint, look)
    if found.verdict == "failed" and any(code in found.found for code in DENIED):
        note = f"not simulated: {found.found}; it needs iam:SimulatePrincipalPolicy"
        return Finding("skipped", expected, note, hint)
    return found


def _policy_source(client: Any, caller: JsonObject) -> str:
    """Return the user or role whose policies count for a caller."""
    arn = str(caller["Arn"])
    _, partition, _, _, number, resource = arn.split(":", 5)
    kind, _, name = resource.partition("/")
    if kind != "assumed-role":
        return arn
    role_name = name.split("/")[0]
    try:
        return str(client.get_role(RoleName=role_name)["Role"]["Arn"])
    except AWS_ERRORS as error:
        if code_of(error) not in DENIED:
            raise
        return f"arn:{partition}:iam::{number}:role/{role_name}"  # of a role without a path


def _workgroup_arn(context: Context) -> str:
    """Return the workgroup's ARN, which ends in a number of AWS's; "" where it is not shown."""
    name = context.settings.redshift_workgroup
    if not name:
        return ""
    client = _environment(context).account.client("redshift-serverless")
    try:
        return str(client.get_workgroup(workgroupName=name)["workgroup"]["workgroupArn"])
    except AWS_ERRORS:
        return ""


def _denied(
    client: Any, source: str, user_id: str, permission: Permission, names: dict[str, str]
) -> list[tuple[str, str]]:
    """Return the actions of a permission that IAM would deny, each with what it is for."""
    resources = [resource.format(**names) for resource in permission.resources]
    context = {key: value.replace("${aws:userid}", user_id) for key, value in permission.condition}
    if permission.condition:
        context["aws:userid"] = user_id
    answer = client.simulate_principal_policy(
        PolicySourceArn=source,
        ActionNames=list(permission.actions),
        ResourceArns=[resource for resource in resources if resource],
        ContextEntries=[
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ],
        MaxItems=_MOST_RESULTS,
    )
    denied = {
        result["EvalActionName"]
        for result in answer["EvaluationResults"]
        # A policy that looks at what a simulation does not have may still allow the action.
        if result["EvalDecision"] != "allowed" and not result.get("MissingContextValues")
    }
    return [(action, permission.reason) for action in permission.actions if action in denied]


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
    hint = "set REDSHIFT_WORKGROUP, REDSHIFT_CLUSTER or REDSHIFT_HOST to a Redshift"
    return judge(expected, version, problems, hint)


def _environment(context: Context) -> DemoEnvironment:
    """Return an environment that is never entered: it starts nothing."""
    return DemoEnvironment(context.settings)


def _lacks(expected: str, *names: str) -> Finding:
    hint = "cp .env.example .env, then fill it in"
    return Finding("skipped", expected, f"not evaluated: {', '.join(names)} is not set", hint)


def _asking(expected: str, hint: str, look: Callable[[], Finding]) -> Finding:
    """Return what `look` finds, or the finding that AWS did not let it look."""
    try:
        return look()
    except AWS_ERRORS as error:
        return Finding("failed", expected, in_short(error), hint)
    except SettingsError as error:  # such as no region
        return failure(expected, error)


CHECKS = (
    Check("aws_settings", "the settings of the aws target", settings),
    Check("aws_credentials", "who is calling AWS", credentials),
    Check("aws_buckets", "the two S3 buckets", buckets),
    Check("aws_role", "the roles that Glue and Redshift assume", role),
    Check("aws_permissions", "what the caller may do", permissions),
    Check("aws_glue", "the Glue job", glue),
    Check("aws_warehouse", "the Redshift warehouse", warehouse),
)
