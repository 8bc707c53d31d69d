"""Settings: read once from options, the environment and `.env`, then passed down frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

from src.errors import SettingsError
from src.json_object import JsonObject, JsonView
from src.settings.rules import check, found_region, no_region
from src.settings.values import parse, read_env_file, setting

Target = Literal["local", "aws"]


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on, besides its data."""

    target: Target = setting(
        "DEMO_TARGET", "local", "Where to run; aws only when selected.", choices=("local", "aws")
    )
    artists: int = setting("DEMO_ARTISTS", 1000, "Artists to generate.", minimum=1)
    venues: int = setting("DEMO_VENUES", 500, "Venues to generate.", minimum=1)
    concerts: int = setting("DEMO_CONCERTS", 10_000, "Concerts to generate.", minimum=1)
    sales: int = setting("DEMO_SALES", 50_000, "Ticket-sale rows to generate.", minimum=1)
    seed: int = setting("DEMO_SEED", 42, "Same seed, same data.", minimum=0, maximum=2**63 - 1)
    as_of: str = setting(
        "DEMO_AS_OF",
        "",
        "Day that the generated data describes, from 2025-09-30 on, its default: 2025-10-07.",
    )
    since: str = setting(
        "DEMO_SINCE",
        "",
        "With --as-of: leave out the sales that a data set of this day holds already.",
    )
    defect_rate: float = setting(
        "DEMO_DEFECT_RATE",
        0.01,
        "Defective rows added on top, as a share of the valid rows.",
        minimum=0,
        maximum=0.5,
    )
    workers: int = setting(
        "DEMO_WORKERS",
        0,
        "Processes that generate data; 0 is one for each core.",
        minimum=0,
        maximum=256,
    )
    generate_on: Literal["workers", "glue"] = setting(
        "DEMO_GENERATE_ON",
        "workers",
        "workers generates in processes of this machine; glue runs a Spark job for it.",
        choices=("workers", "glue"),
    )
    raw_format: Literal["json", "csv", "parquet"] = setting(
        "DEMO_RAW_FORMAT", "json", "Format of the raw files.", choices=("json", "csv", "parquet")
    )
    etl: Literal["glue", "direct"] = setting(
        "DEMO_ETL",
        "glue",
        "glue runs the Glue job; direct lets Redshift's COPY and SQL do the cleaning.",
        choices=("glue", "direct"),
    )
    etl_engine: Literal["duckdb", "spark"] = setting(
        "DEMO_ETL_ENGINE",
        "duckdb",
        "What runs the Glue job on the local target; on aws it is Glue's Spark.",
        choices=("duckdb", "spark"),
    )
    load_mode: Literal["replace", "merge"] = setting(
        "DEMO_LOAD_MODE",
        "replace",
        "replace the tables' rows, or merge by key.",
        choices=("replace", "merge"),
    )
    input_dir: str = setting(
        "DEMO_INPUT_DIR", "", "Folder with your own files, instead of generated data.", text="path"
    )
    null_values: str = setting(
        "DEMO_NULL_VALUES",
        "",
        "Texts that mean no value, besides an empty one and \\N; with commas: NULL,N/A,nan.",
    )
    raw_bucket: str = setting("DEMO_RAW_BUCKET", "concert-demo-raw", "S3 bucket for raw data.")
    processed_bucket: str = setting(
        "DEMO_PROCESSED_BUCKET",
        "concert-demo-processed",
        "S3 bucket for Parquet, quarantine and scripts.",
    )
    stream: str = setting("DEMO_STREAM", "concert-demo-sales", "Kinesis stream of live sales.")
    iam_role: str = setting(
        "DEMO_IAM_ROLE",
        "",
        "Role that Glue and Redshift assume (on aws, this or one for each).",
        text="arn",
    )
    glue_role: str = setting(
        "GLUE_ROLE", "", "Role of the Glue job, if it is not DEMO_IAM_ROLE.", text="arn"
    )
    redshift_role: str = setting(
        "REDSHIFT_ROLE",
        "",
        "Role of COPY and UNLOAD, if it is not DEMO_IAM_ROLE; `default` is the warehouse's own.",
        text="arn",
    )
    sagemaker_role: str = setting(
        "SAGEMAKER_ROLE", "", "Role of the model's endpoint, if not DEMO_IAM_ROLE.", text="arn"
    )
    serving_image: str = setting(
        "DEMO_SERVING_IMAGE", "", "Container image of the model's server in ECR.", text="arn"
    )
    serving_instance: str = setting(
        "DEMO_SERVING_INSTANCE", "", "Instance type of the endpoint; empty is serverless."
    )
    endpoint_name: str = setting("DEMO_ENDPOINT", "concert-demo", "Name of the model's endpoint.")
    expire_days: int = setting(
        "DEMO_EXPIRE_DAYS",
        30,
        "Days after which the demo's objects expire in buckets that a run created on aws.",
        minimum=1,
        maximum=3650,
    )
    max_rejected_share: float = setting(
        "DEMO_MAX_REJECTED_SHARE",
        0.1,
        "Verification fails above this share of rejected rows.",
        minimum=0,
        maximum=1,
    )
    test_size: float = setting(
        "DEMO_TEST_SIZE", 0.2, "Share of the newest concerts that models are tested on."
    )
    random_state: int = setting(
        "DEMO_RANDOM_STATE", 42, "Same state, same models.", minimum=0, maximum=2**32 - 1
    )
    coverage: float = setting(
        "DEMO_COVERAGE",
        0.9,
        "Share of outcomes the prediction intervals are to hold.",
        minimum=0.5,
        maximum=0.99,
    )
    output_dir: str = setting(
        "DEMO_OUTPUT_DIR", "models", "Folder for local copies of models.", text="path"
    )
    report_dir: str = setting(
        "DEMO_REPORT_DIR", "reports", "Folder the reports go to.", text="path"
    )
    cloudwatch: Literal["off", "on"] = setting(
        "DEMO_CLOUDWATCH",
        "off",
        "On aws: send each run's metrics to CloudWatch, which charges for them.",
        choices=("off", "on"),
    )
    alert_command: str = setting(
        "DEMO_ALERT_COMMAND",
        "",
        "Program that gets each change of an alarm's state as a line of JSON on stdin.",
        text="path",
    )
    alert_webhook: str = setting(
        "DEMO_ALERT_WEBHOOK",
        "",
        "Address that each change of an alarm's state is posted to, as JSON with `text`.",
        text="arn",
        secret=True,
    )
    openlineage_url: str = setting(
        "OPENLINEAGE_URL", "", "Server that gets each run's lineage, such as Marquez.", text="path"
    )
    openlineage_api_key: str = setting(
        "OPENLINEAGE_API_KEY", "", "Key of that server.", text="arn", secret=True
    )
    datazone_domain: str = setting("DEMO_DATAZONE_DOMAIN", "", "DataZone domain for lineage.")
    state_dir: str = setting(
        "DEMO_STATE_DIR", ".demo", "Folder of the local servers and their data.", text="path"
    )
    aws_region: str = setting(
        "AWS_REGION",
        "us-east-1",
        "AWS region; on aws without it AWS_DEFAULT_REGION or the profile's, else it is refused.",
    )
    retry_mode: Literal["standard", "adaptive"] = setting(
        "AWS_RETRY_MODE",
        "standard",
        "How calls to AWS are retried.",
        choices=("standard", "adaptive"),
    )
    glue_job_name: str = setting("GLUE_JOB_NAME", "concert-etl", "Name of the Glue job.")
    glue_timeout_minutes: int = setting(
        "GLUE_TIMEOUT_MINUTES", 60, "Longest run of the Glue job.", minimum=1, maximum=2880
    )
    glue_version: str = setting(
        "GLUE_VERSION", "5.0", "Version of Glue; 5.1 was not tried.", choices=("5.0", "5.1")
    )
    glue_worker_type: str = setting(
        "GLUE_WORKER_TYPE", "G.1X", "Kind of Glue worker.", choices=("G.1X", "G.2X", "G.4X", "G.8X")
    )
    glue_workers: int = setting(
        "GLUE_WORKERS", 2, "Glue workers; Spark needs two.", minimum=2, maximum=299
    )
    glue_max_retries: int = setting(
        "GLUE_MAX_RETRIES", 0, "Attempts that Glue adds to a failed run.", minimum=0, maximum=10
    )
    redshift_workgroup: str = setting(
        "REDSHIFT_WORKGROUP", "", "Serverless workgroup: endpoint and credentials come from AWS."
    )
    redshift_cluster: str = setting(
        "REDSHIFT_CLUSTER", "", "Provisioned cluster: endpoint and credentials come from AWS."
    )
    redshift_host: str = setting(
        "REDSHIFT_HOST", "", "Redshift endpoint, where it is not to be read from AWS."
    )
    redshift_port: int = setting("REDSHIFT_PORT", 5439, "Redshift port.", minimum=1, maximum=65535)
    redshift_database: str = setting("REDSHIFT_DATABASE", "dev", "Redshift database.")
    redshift_secret: str = setting(
        "REDSHIFT_SECRET", "", "Secret in Secrets Manager that holds user and password.", text="arn"
    )
    redshift_user: str = setting("REDSHIFT_USER", "", "Redshift user, with REDSHIFT_PASSWORD.")
    redshift_password: str = setting(
        "REDSHIFT_PASSWORD",
        "",
        "Redshift password; without it and a secret, credentials are temporary ones.",
        secret=True,
    )
    redshift_via: Literal["driver", "data-api"] = setting(
        "REDSHIFT_VIA",
        "driver",
        "Connect with the driver, or send SQL through the Redshift Data API (no route needed).",
        choices=("driver", "data-api"),
    )
    redshift_sslmode: Literal["verify-full", "verify-ca", "require"] = setting(
        "REDSHIFT_SSLMODE",
        "verify-full",
        "How far the warehouse's certificate is checked.",
        choices=("verify-full", "verify-ca", "require"),
    )
    redshift_ca_file: str = setting(
        "REDSHIFT_CA_FILE", "", "Root certificates to trust, instead of Amazon's.", text="path"
    )

    @property
    def null_texts(self) -> tuple[str, ...]:
        """Return the texts of DEMO_NULL_VALUES."""
        return tuple(filter(None, (text.strip() for text in self.null_values.split(","))))

    def role_of(self, service: Literal["glue", "redshift", "sagemaker"]) -> str:
        """Return the role that a service assumes: its own, else the common one; "" for none."""
        return getattr(self, f"{service}_role") or self.iam_role

    def public(self) -> JsonObject:
        """Return the settings a report may show: all but the secrets."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata["secret"]}


def load_settings(
    overrides: JsonView | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = Path(".env"),
    may_lack: bool = False,
) -> Settings:
    """Build Settings: options win over the environment, which wins over `.env`.

    The local target takes DEMO_* and OPENLINEAGE_* variables only: what other programs are
    configured with does not change it. Raises SettingsError naming the variable, the value and
    what is allowed; with `may_lack`, settings that the aws target needs may be missing.
    """
    variables: dict[str, str] = {}
    if env_file is not None and env_file.is_file():
        variables.update(read_env_file(env_file))
    variables.update(os.environ if environ is None else environ)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values: JsonObject = {}
    for spec in fields(Settings):  # the target is the first
        name, env = spec.name, spec.metadata["env"]
        if name in given:
            option = "--" + name.replace("_", "-")
            values[name] = parse(option, given[name], spec)
        elif variables.get(env, "").strip() and (
            env.startswith(("DEMO_", "OPENLINEAGE_")) or values.get("target") == "aws"
        ):
            values[name] = parse(env, variables[env], spec)
    settings = Settings(**values)
    check(asdict(settings))
    if settings.target == "aws" and "aws_region" not in values:
        settings = replace(settings, aws_region=found_region(variables))
    if settings.target == "aws" and not may_lack:
        missing = missing_for_aws(settings)
        if missing:
            raise SettingsError(
                f"--target aws needs {', '.join(missing)}",
                where="environment and .env",
                hint=f"cp .env.example .env, then fill in {missing[0]}",
            )
        if not settings.aws_region:
            raise no_region()
    return settings


def state_folder() -> Path:
    """Return the folder of the local servers, as the scripts have it."""
    spec = next(spec for spec in fields(Settings) if spec.name == "state_dir")
    variables = {**(read_env_file(Path(".env")) if Path(".env").is_file() else {}), **os.environ}
    env = spec.metadata["env"]
    return Path(parse(env, variables.get(env, "").strip() or spec.default, spec)).absolute()


def missing_for_aws(settings: Settings) -> list[str]:
    """Return the variables of settings that the aws target needs and that are not set."""
    s = settings
    missing = []
    if not s.iam_role and not (
        s.redshift_role and (s.glue_role or "glue" not in (s.etl, s.generate_on))
    ):
        missing.append("DEMO_IAM_ROLE")
    if not (s.redshift_workgroup or s.redshift_cluster):
        if not s.redshift_host or s.redshift_via == "data-api":
            missing.append("REDSHIFT_WORKGROUP")
        elif not s.redshift_secret:
            missing += [] if s.redshift_user else ["REDSHIFT_USER"]
            missing += [] if s.redshift_password else ["REDSHIFT_PASSWORD"]
    return missing
