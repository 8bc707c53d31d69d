"""A Glue job as it should be, and a run of it as it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from src.json_object import JsonObject

_LOG_PREFIX = "/aws-glue/concert-demo"
LOG_DAYS = 14  # one of those that CloudWatch Logs takes
_DPU_OF = {"G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8}


@dataclass(frozen=True)
class GlueJob:
    """What the job should be; the definition sent to Glue is built from this alone.

    `library` is a zip file of modules that the script imports, `modules` what pip installs for it.
    """

    name: str
    role: str
    script: Path
    timeout_minutes: int = 60
    workers: int = 2
    worker_type: str = "G.1X"
    glue_version: str = "5.0"
    max_retries: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    library: bytes = b""
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class GlueRun:
    """How a run ended. `dpu_seconds` is what it costs, reported or computed."""

    run_id: str
    state: str
    seconds: float
    attempts: int
    log_group: str | None = None
    dpu_seconds: float | None = None
    console_url: str | None = None
    was_found: bool = False  # started by an earlier command, which did not live to see its end


def generation_job_of(job_name: str) -> str:
    """Return the name of the job that generates, beside the ETL job of this name."""
    return f"{job_name}-generation"


def log_prefix(job_name: str) -> str:
    """Return how the names of a job's log groups begin: no two jobs share one."""
    return f"{_LOG_PREFIX}/{job_name}"


def log_groups(job_name: str) -> tuple[str, str]:
    """Return the groups that Glue 5 writes: the driver's messages, and what the script prints."""
    return f"{log_prefix(job_name)}/error", f"{log_prefix(job_name)}/output"


def definition(job: GlueJob, script_uri: str, library_uri: str = "") -> JsonObject:
    """Return the whole definition of a job, as CreateJob and UpdateJob take it."""
    more = {
        "--extra-py-files": library_uri,
        "--additional-python-modules": ",".join(job.modules),
    }
    return {
        "Role": job.role,
        "Command": {"Name": "glueetl", "ScriptLocation": script_uri, "PythonVersion": "3"},
        "DefaultArguments": {
            "--job-language": "python",
            # Each run gets its files by name: a bookmark would leave out files of earlier runs.
            "--job-bookmark-option": "job-bookmark-disable",
            "--custom-logGroup-prefix": log_prefix(job.name),
            **{name: value for name, value in more.items() if value},
        },
        "GlueVersion": job.glue_version,
        "WorkerType": job.worker_type,
        "NumberOfWorkers": job.workers,
        "Timeout": job.timeout_minutes,
        "MaxRetries": job.max_retries,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
    }


def dpu_seconds(run: JsonObject) -> float | None:
    """Return what a run used: as Glue reports it, or time by workers."""
    if run.get("DPUSeconds") is not None:
        return float(run["DPUSeconds"])
    workers, weight = run.get("NumberOfWorkers"), _DPU_OF.get(run.get("WorkerType", ""))
    if workers is None or weight is None:
        return None
    return float(run.get("ExecutionTime", 0) * workers * weight)
