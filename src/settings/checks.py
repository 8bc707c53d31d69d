"""What settings must be together, besides what each must be alone."""

from __future__ import annotations

import re

from src.errors import SettingsError
from src.json_object import JsonView
from src.settings.values import check_day, shown

# S3 general-purpose bucket names; "xn--" and the like are left to S3 itself.
_BUCKET = re.compile(r"^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$")
_ROLE = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")


def check_names(settings: JsonView) -> None:
    """Raise SettingsError for names that AWS does not take, and days that are none."""
    for option, bucket in (
        ("--raw-bucket", settings["raw_bucket"]),
        ("--processed-bucket", settings["processed_bucket"]),
    ):
        if not _BUCKET.match(bucket) or ".." in bucket:
            raise SettingsError(
                f"{option} is {shown(bucket)}; it is not a valid S3 bucket name",
                cause="3 to 63 lower-case letters, digits, dots and hyphens, "
                "starting and ending with a letter or digit",
                hint=f"{option} concert-demo-{option[2:5]}",
            )
    if not 0 < settings["test_size"] < 1:
        raise SettingsError(
            f"--test-size is {settings['test_size']}; it must be between 0 and 1",
            hint="--test-size 0.2",
        )
    if settings["raw_bucket"] == settings["processed_bucket"]:
        raise SettingsError(
            f"--raw-bucket and --processed-bucket are both {settings['raw_bucket']!r}",
            hint="give each its own bucket",
        )
    check_day("--as-of", settings["as_of"])
    check_day("--since", settings["since"])
    _check_roles(settings)


def _check_roles(settings: JsonView) -> None:
    example = "arn:aws:iam::123456789012:role/concert-demo"
    for name, role in (
        ("--iam-role", settings["iam_role"]),
        ("GLUE_ROLE", settings["glue_role"]),
        ("REDSHIFT_ROLE", settings["redshift_role"]),
        ("SAGEMAKER_ROLE", settings["sagemaker_role"]),
    ):
        is_default = role == "default" and name == "REDSHIFT_ROLE"
        if role and not is_default and not _ROLE.match(role):
            raise SettingsError(
                f"{name} is {shown(role)}; it is not a role ARN", hint=f"set {name} to {example}"
            )
    if settings["redshift_workgroup"] and settings["redshift_cluster"]:
        raise SettingsError(
            "REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set",
            hint="unset the one that is not the warehouse",
        )
