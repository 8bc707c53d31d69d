"""What settings must be together, and the region as AWS's own tools find it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from src.errors import SettingsError
from src.json_object import JsonView
from src.settings.values import check_day, shown

# S3 general-purpose bucket names; "xn--" and the like are left to S3 itself.
_BUCKET = re.compile(r"^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$")
_ROLE = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")


def is_role(text: str) -> bool:
    """Tell whether a text is the ARN of a role."""
    return _ROLE.match(text) is not None


def found_region(variables: Mapping[str, str]) -> str:
    """Return the region as AWS's own tools find it, by variable or of the profile; "" for none."""
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    given = variables.get("AWS_DEFAULT_REGION", "").strip()
    profile = variables.get("AWS_PROFILE", "").strip() or None
    try:
        found = given or botocore.session.Session(profile=profile).get_config_variable("region")
    except ProfileNotFound as error:
        raise SettingsError(
            f"the region of AWS_PROFILE {profile} cannot be read",
            cause=str(error),
            hint="aws configure list-profiles",
        ) from error
    return str(found or "")


def no_region() -> SettingsError:
    """Return the error for an aws target of which no region is known."""
    return SettingsError(
        "--target aws needs a region: neither AWS_REGION nor AWS_DEFAULT_REGION is set, and the "
        "AWS profile names none",
        where="environment, .env and the AWS configuration",
        hint="export AWS_REGION=us-east-1, or: aws configure set region us-east-1",
    )


def check(settings: JsonView) -> None:
    """Refuse settings that cannot be meant; raises SettingsError."""
    s = settings
    _check_buckets(s["raw_bucket"], s["processed_bucket"])
    if not 0 < s["test_size"] < 1:
        raise SettingsError(
            f"--test-size is {s['test_size']}; it must be between 0 and 1", hint="--test-size 0.2"
        )
    check_day("--as-of", s["as_of"])
    check_day("--since", s["since"])
    _check_roles({"--iam-role": s["iam_role"], "GLUE_ROLE": s["glue_role"],
                  "REDSHIFT_ROLE": s["redshift_role"],
                  "SAGEMAKER_ROLE": s["sagemaker_role"]})  # fmt: skip
    if s["redshift_workgroup"] and s["redshift_cluster"]:
        raise SettingsError(
            "REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set",
            hint="unset the one that is not the warehouse",
        )
    if s["redshift_workgroup"] or s["redshift_cluster"]:
        _check_user(
            s["redshift_user"],
            s["redshift_password"],
            secret=s["redshift_secret"],
            via=s["redshift_via"],
            is_cluster=bool(s["redshift_cluster"]),
        )


def _check_buckets(raw: str, processed: str) -> None:
    """Refuse names that S3 does not take, and one name for both buckets."""
    for option, bucket in (("--raw-bucket", raw), ("--processed-bucket", processed)):
        if not _BUCKET.match(bucket) or ".." in bucket:
            raise SettingsError(
                f"{option} is {shown(bucket)}; it is not a valid S3 bucket name",
                cause="3 to 63 lower-case letters, digits, dots and hyphens, "
                "starting and ending with a letter or digit",
                hint=f"{option} concert-demo-{option[2:5]}",
            )
    if raw == processed:
        raise SettingsError(
            f"--raw-bucket and --processed-bucket are both {raw!r}",
            hint="give each its own bucket",
        )


def _check_roles(roles: Mapping[str, str]) -> None:
    """Refuse what is no ARN of a role; `default` is the warehouse's own."""
    example = "arn:aws:iam::123456789012:role/concert-demo"
    for name, role in roles.items():
        is_default = role == "default" and name == "REDSHIFT_ROLE"
        if role and not is_default and not _ROLE.match(role):
            raise SettingsError(
                f"{name} is {shown(role)}; it is not a role ARN", hint=f"set {name} to {example}"
            )


def _check_user(user: str, password: str, *, secret: str, via: str, is_cluster: bool) -> None:
    """Refuse a user or password that the way to a workgroup or cluster would leave unused."""
    is_data_api = via == "data-api"
    takes_user = bool(password) or (is_data_api and is_cluster)
    unused = {
        "REDSHIFT_PASSWORD": bool(password) and (is_data_api or bool(secret)),
        "REDSHIFT_USER": bool(user) and (bool(secret) or not takes_user),
    }
    for name in (name for name, is_unused in unused.items() if is_unused):
        other = "REDSHIFT_SECRET" if secret else f"REDSHIFT_VIA={via}"
        raise SettingsError(
            f"{name} is set, and {other} makes no use of it",
            where="environment and .env",
            hint=f"unset {name}, or name a secret with both: REDSHIFT_SECRET",
        )
