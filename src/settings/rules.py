"""What settings must be together, and the region as AWS's own tools find it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from src.errors import SettingsError
from src.settings.values import shown

if TYPE_CHECKING:
    from src.settings import Settings

# S3 general-purpose bucket names; "xn--" and the like are left to S3 itself.
_BUCKET = re.compile(r"^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$")
_ROLE = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")


def found_region(variables: Mapping[str, str]) -> str:
    """Return the region as AWS's own tools find it: by variable, or of the profile."""
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
    if not found:
        raise SettingsError(
            "--target aws needs a region: neither AWS_REGION nor AWS_DEFAULT_REGION is set, and "
            "the AWS profile names none",
            where="environment, .env and the AWS configuration",
            hint="export AWS_REGION=us-east-1, or: aws configure set region us-east-1",
        )
    return str(found)


def check_names(settings: Settings) -> None:
    """Refuse names, roles and users that cannot be meant; raises SettingsError."""
    for option, bucket in (
        ("--raw-bucket", settings.raw_bucket),
        ("--processed-bucket", settings.processed_bucket),
    ):
        if not _BUCKET.match(bucket) or ".." in bucket:
            raise SettingsError(
                f"{option} is {shown(bucket)}; it is not a valid S3 bucket name",
                cause="3 to 63 lower-case letters, digits, dots and hyphens, "
                "starting and ending with a letter or digit",
                hint=f"{option} concert-demo-{option[2:5]}",
            )
    if not 0 < settings.test_size < 1:
        raise SettingsError(
            f"--test-size is {settings.test_size}; it must be between 0 and 1",
            hint="--test-size 0.2",
        )
    if settings.raw_bucket == settings.processed_bucket:
        raise SettingsError(
            f"--raw-bucket and --processed-bucket are both {settings.raw_bucket!r}",
            hint="give each its own bucket",
        )
    _check_roles(settings)


def _check_roles(settings: Settings) -> None:
    example = "arn:aws:iam::123456789012:role/concert-demo"
    for name, role in (
        ("--iam-role", settings.iam_role),
        ("GLUE_ROLE", settings.glue_role),
        ("REDSHIFT_ROLE", settings.redshift_role),
    ):
        is_default = role == "default" and name == "REDSHIFT_ROLE"
        if role and not is_default and not _ROLE.match(role):
            raise SettingsError(
                f"{name} is {shown(role)}; it is not a role ARN", hint=f"set {name} to {example}"
            )
    if settings.redshift_workgroup and settings.redshift_cluster:
        raise SettingsError(
            "REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set",
            hint="unset the one that is not the warehouse",
        )
    _check_user(settings)


def _check_user(settings: Settings) -> None:
    """Refuse a user or password that the way to the warehouse would leave unused."""
    s = settings
    is_data_api = s.redshift_via == "data-api"
    takes_user = bool(s.redshift_password) or (is_data_api and bool(s.redshift_cluster))
    unused = {
        "REDSHIFT_PASSWORD": bool(s.redshift_password) and (is_data_api or bool(s.redshift_secret)),
        "REDSHIFT_USER": bool(s.redshift_user) and (bool(s.redshift_secret) or not takes_user),
    }
    has_endpoint = s.redshift_workgroup or s.redshift_cluster
    for name in (name for name, is_unused in unused.items() if is_unused and has_endpoint):
        other = "REDSHIFT_SECRET" if s.redshift_secret else f"REDSHIFT_VIA={s.redshift_via}"
        raise SettingsError(
            f"{name} is set, and {other} makes no use of it",
            where="environment and .env",
            hint=f"unset {name}, or name a secret with both: REDSHIFT_SECRET",
        )
