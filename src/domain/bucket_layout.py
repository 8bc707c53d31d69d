"""Where everything is in the two buckets: prefixes, keys, file names, and what expires."""

from __future__ import annotations

import re

RAW_PREFIX = "raw"
PROCESSED_PREFIX = "processed"
QUARANTINE_PREFIX = "quarantine"
SUMMARY_PREFIX = "summary"
MANIFEST_PREFIX = "manifests"
UNLOAD_PREFIX = "unload"
SCRIPT_PREFIX = "scripts"
MODEL_PREFIX = "models"
# What EMRFS, Glue 5.0's way to S3, leaves beside a folder that it wrote: an empty object.
MARKER = "_$folder$"
# The models and the job's scripts stay; the rest is demo data that a run can make again.
EXPIRING: tuple[str, ...] = tuple(
    f"{prefix}/"
    for prefix in (RAW_PREFIX, PROCESSED_PREFIX, QUARANTINE_PREFIX, SUMMARY_PREFIX,
                   MANIFEST_PREFIX, UNLOAD_PREFIX)
)  # fmt: skip
EXPIRING += tuple(
    prefix + MARKER for prefix in (PROCESSED_PREFIX, QUARANTINE_PREFIX, SUMMARY_PREFIX)
)

# Files of a raw data set besides its tables' parts.
MANIFEST_NAME = "_manifest.json"
LEDGER_NAME = "_ledger.jsonl.gz"
TRUTH_NAME = "_truth.parquet"
GENERATED_NAME = "_generated.json"  # the manifest as the generation job left it
MODEL_MANIFEST_NAME = "manifest.json"
MODEL_PACKAGE_NAME = "model.tar.gz"

_RUN = r"\d{8}T\d{6}Z-[0-9a-f]{4}"
_OWN_KEY = re.compile(
    rf"({RAW_PREFIX}|{PROCESSED_PREFIX}|{QUARANTINE_PREFIX}|{SUMMARY_PREFIX}|{MANIFEST_PREFIX})"
    rf"/{_RUN}(?:/|_\$folder\$$)|{UNLOAD_PREFIX}/[a-z_]+-{_RUN}/|{SCRIPT_PREFIX}/"
    r"concert_(?:etl_job|generation_job|modules|demo)-[0-9a-f]{12}\.(?:py|zip)$"
    rf"|{MODEL_PREFIX}/(ticket_sales|venue_popularity)/"
)


def folder(prefix: str, *names: str | int) -> str:
    """Return the key prefix of what is under a prefix and names, with its slash."""
    return "/".join([prefix, *map(str, names), ""])


def part_file(table: str, number: int, extension: str) -> str:
    """Return the path of one part of a table in its raw data set."""
    return f"{table}/part-{number:05d}.{extension}"


def copy_manifest(run_id: str, table: str) -> str:
    """Return the key of the manifest by which a run's COPY finds a table's files."""
    return f"{folder(MANIFEST_PREFIX, run_id)}{table}.manifest"


def job_script(stem: str, sha256: str) -> str:
    """Return the key of a Glue job's script; its digest keeps versions apart."""
    return f"{folder(SCRIPT_PREFIX)}{stem}-{sha256[:12]}.py"


def program_archive(sha256: str) -> str:
    """Return the key of the program as a cycle on AWS runs it."""
    return f"{folder(SCRIPT_PREFIX)}concert_demo-{sha256[:12]}.zip"


def job_library(sha256: str) -> str:
    """Return the key of the modules that a Glue job imports."""
    return f"{folder(SCRIPT_PREFIX)}concert_modules-{sha256[:12]}.zip"


def model_version(name: str, version: int) -> str:
    """Return the key prefix of one version of a saved model."""
    return folder(MODEL_PREFIX, name, "versions", version)


def model_package(name: str, version: int) -> str:
    """Return the key of a version as one file, as SageMaker takes it."""
    return model_version(name, version) + MODEL_PACKAGE_NAME


def model_alias(name: str, alias: str) -> str:
    """Return the key of the file that names the version of an alias."""
    return f"{folder(MODEL_PREFIX, name, 'aliases')}{alias}.json"


def is_own_key(key: str) -> bool:
    """Tell whether an object is one that a run of the demo writes, in any bucket."""
    return _OWN_KEY.match(key) is not None
