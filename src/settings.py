"""Settings: read once from options, the environment and `.env`, then passed down frozen."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from src.errors import SettingsError

Target = Literal["local", "aws"]

# S3 general-purpose bucket names; "xn--" and the like are left to S3 itself.
_BUCKET = re.compile(r"^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$")
_ROLE = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")


def _setting(
    env: str,
    default: Any,
    doc: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    secret: bool = False,
) -> Any:
    """Declare one setting; `env` is its variable, `default` also fixes its type."""
    return field(
        default=default,
        repr=not secret,
        metadata={
            "env": env,
            "doc": doc,
            "choices": choices,
            "min": minimum,
            "max": maximum,
            "secret": secret,
        },
    )


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on, besides its data."""

    target: Target = _setting(
        "DEMO_TARGET", "local", "Where to run; aws must be said out loud.", choices=("local", "aws")
    )
    artists: int = _setting("DEMO_ARTISTS", 1000, "Artists to generate.", minimum=1)
    venues: int = _setting("DEMO_VENUES", 500, "Venues to generate.", minimum=1)
    concerts: int = _setting("DEMO_CONCERTS", 10_000, "Concerts to generate.", minimum=1)
    sales: int = _setting("DEMO_SALES", 50_000, "Ticket-sale rows to generate.", minimum=1)
    seed: int = _setting("DEMO_SEED", 42, "Same seed, same data.", minimum=0, maximum=2**63 - 1)
    defect_rate: float = _setting(
        "DEMO_DEFECT_RATE",
        0.01,
        "Defective rows added on top, as a share of the valid rows.",
        minimum=0,
        maximum=0.5,
    )
    raw_format: Literal["json", "csv", "parquet"] = _setting(
        "DEMO_RAW_FORMAT", "json", "Format of the raw files.", choices=("json", "csv", "parquet")
    )
    etl: Literal["glue", "direct"] = _setting(
        "DEMO_ETL",
        "glue",
        "glue runs the Glue job; direct lets Redshift's COPY and SQL do the cleaning.",
        choices=("glue", "direct"),
    )
    load_mode: Literal["replace", "merge"] = _setting(
        "DEMO_LOAD_MODE",
        "replace",
        "replace the tables' rows, or merge by key.",
        choices=("replace", "merge"),
    )
    input_dir: str = _setting(
        "DEMO_INPUT_DIR", "", "Folder with your own files, instead of generated data."
    )
    raw_bucket: str = _setting("DEMO_RAW_BUCKET", "concert-demo-raw", "S3 bucket for raw data.")
    processed_bucket: str = _setting(
        "DEMO_PROCESSED_BUCKET",
        "concert-demo-processed",
        "S3 bucket for Parquet, quarantine and scripts.",
    )
    iam_role: str = _setting(
        "DEMO_IAM_ROLE", "", "Role that Glue and Redshift assume (required on aws)."
    )
    max_rejected_share: float = _setting(
        "DEMO_MAX_REJECTED_SHARE",
        0.1,
        "Verification fails above this share of rejected rows.",
        minimum=0,
        maximum=1,
    )
    test_size: float = _setting(
        "DEMO_TEST_SIZE", 0.2, "Share of the newest concerts that models are judged on."
    )
    random_state: int = _setting(
        "DEMO_RANDOM_STATE", 42, "Same state, same models.", minimum=0, maximum=2**32 - 1
    )
    coverage: float = _setting(
        "DEMO_COVERAGE",
        0.9,
        "Share of outcomes the prediction intervals are to hold.",
        minimum=0.5,
        maximum=0.99,
    )
    output_dir: str = _setting("DEMO_OUTPUT_DIR", "models", "Folder for local copies of models.")
    report_dir: str = _setting("DEMO_REPORT_DIR", "reports", "Folder the reports go to.")
    state_dir: str = _setting(
        "DEMO_STATE_DIR", ".demo", "Folder of the local servers and their data."
    )
    aws_region: str = _setting("AWS_REGION", "us-east-1", "AWS region.")
    glue_job_name: str = _setting("GLUE_JOB_NAME", "concert-etl", "Name of the Glue job.")
    glue_timeout_minutes: int = _setting(
        "GLUE_TIMEOUT_MINUTES", 60, "Longest run of the Glue job.", minimum=1, maximum=2880
    )
    redshift_host: str = _setting("REDSHIFT_HOST", "", "Redshift endpoint (required on aws).")
    redshift_port: int = _setting("REDSHIFT_PORT", 5439, "Redshift port.", minimum=1, maximum=65535)
    redshift_database: str = _setting("REDSHIFT_DATABASE", "dev", "Redshift database.")
    redshift_user: str = _setting("REDSHIFT_USER", "", "Redshift user (required on aws).")
    redshift_password: str = _setting(
        "REDSHIFT_PASSWORD", "", "Redshift password (required on aws).", secret=True
    )

    def public(self) -> dict[str, Any]:
        """Return the settings a report may show: all but the secrets."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata["secret"]}


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = Path(".env"),
    may_lack: bool = False,
) -> Settings:
    """Build Settings: options win over the environment, which wins over `.env`.

    Raises SettingsError naming the variable, the value and what is allowed; with `may_lack`,
    settings that the aws target needs may be missing.
    """
    variables: dict[str, str] = {}
    if env_file is not None and env_file.is_file():
        variables.update(_read_env_file(env_file))
    variables.update(os.environ if environ is None else environ)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        name, env = spec.name, spec.metadata["env"]
        if name in given:
            option = "--" + name.replace("_", "-")
            values[name] = _parse(option, given[name], spec)
        elif variables.get(env, "") != "":
            values[name] = _parse(env, variables[env], spec)
    settings = Settings(**values)
    _check_names(settings)
    if settings.target == "aws" and not may_lack:
        missing = missing_for_aws(settings)
        if missing:
            raise SettingsError(
                f"--target aws needs {', '.join(missing)}",
                where="environment and .env",
                hint=f"cp .env.example .env, then fill in {missing[0]}",
            )
    return settings


def missing_for_aws(settings: Settings) -> list[str]:
    """Return the variables of settings that the aws target needs and that are not set."""
    needed = ("iam_role", "redshift_host", "redshift_user", "redshift_password")
    return [
        spec.metadata["env"]
        for spec in fields(Settings)
        if spec.name in needed and not getattr(settings, spec.name)
    ]


def _read_env_file(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        return {k: v for k, v in dotenv_values(path, interpolate=False).items() if v is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read", cause=str(error), hint="cp .env.example .env"
        ) from error


def _parse(source: str, raw: Any, spec: Any) -> Any:
    """Convert one value to its setting's type and check its range."""
    kind, meta = type(spec.default), spec.metadata
    value: Any = raw
    if kind in (int, float) and not isinstance(raw, kind):
        try:
            value = kind(str(raw).strip().replace("_", ""))
        except ValueError:
            noun = "whole number" if kind is int else "number"
            raise SettingsError(
                f"{source} is {str(raw)!r}; it must be a {noun}",
                hint=f"set {source} to a {noun}, for example {spec.default}",
            ) from None
    if kind is str:
        value = str(raw).strip()
    if meta["choices"] and value not in meta["choices"]:
        raise SettingsError(
            f"{source} is {value!r}; it must be one of {', '.join(meta['choices'])}",
            hint=f"set {source} to {meta['choices'][0]}",
        )
    low, high = meta["min"], meta["max"]
    # `not (low <= value)` also refuses NaN.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise SettingsError(
            f"{source} is {value}; it must be {bounds}",
            hint=f"set {source} to {spec.default}, its default",
        )
    return value


def _check_names(settings: Settings) -> None:
    for option, bucket in (
        ("--raw-bucket", settings.raw_bucket),
        ("--processed-bucket", settings.processed_bucket),
    ):
        if not _BUCKET.match(bucket) or ".." in bucket:
            raise SettingsError(
                f"{option} is {bucket!r}; it is not a valid S3 bucket name",
                cause="3 to 63 lower-case letters, digits, dots and hyphens, "
                "starting and ending with a letter or digit",
                hint=f"{option} concert-demo-{option[2:5]}",
            )
    if not 0 < settings.test_size < 1:
        raise SettingsError(
            f"--test-size is {settings.test_size}; it must lie between 0 and 1",
            hint="--test-size 0.2",
        )
    if settings.raw_bucket == settings.processed_bucket:
        raise SettingsError(
            f"--raw-bucket and --processed-bucket are both {settings.raw_bucket!r}",
            hint="give each its own bucket",
        )
    if settings.iam_role and not _ROLE.match(settings.iam_role):
        raise SettingsError(
            f"--iam-role is {settings.iam_role!r}; it is not a role ARN",
            hint="--iam-role arn:aws:iam::123456789012:role/concert-demo",
        )
