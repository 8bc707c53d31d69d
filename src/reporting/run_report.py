"""The JSON report of a run: written for every outcome, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from src import __version__
from src.errors import CannotRunError, DemoError
from src.json_object import JsonObject
from src.reporting.wording import UNSHOWN

SCHEMA_VERSION = 3


RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_TIME = "%Y%m%dT%H%M%SZ"


def new_run_id(now: datetime, folder: Path) -> str:
    """Return an id that sorts behind those of all runs in `folder`: 20261123T005047Z-bed1.

    It is the time, unless the clock was set back: then a second after the newest run's.
    """
    time = f"{now.astimezone(UTC):{_TIME}}"
    newest = max((path.name for path in run_folders(folder)), default="").split("-")[0]
    if newest >= time:
        time = f"{datetime.strptime(newest, _TIME) + timedelta(seconds=1):{_TIME}}"
    return f"{time}-{os.urandom(2).hex()}"


def run_folders(reports: Path) -> list[Path]:
    """Return the folders of all runs in a report folder, the oldest first."""
    try:
        return sorted(path for path in reports.iterdir() if RUN_ID.fullmatch(path.name))
    except OSError:
        return []  # whether it can be written is seen when it is


def to_json(value: Any) -> str:
    """Return strict JSON text; raises TypeError for what has no JSON form.

    What would move a terminal's cursor is written as \\u escapes, as is what UTF-8 cannot hold.
    """
    text = json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False)
    return UNSHOWN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def plain(value: Any) -> Any:
    """Return a value as JSON's own types; numbers stay numbers, NaN becomes null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # numpy scalars
        return plain(value.item())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def write_atomically(path: Path, text: str) -> None:
    """Write a file aside and rename it: readers see the old file or the new one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):  # also where a file stands in the place of the folder
            aside.unlink(missing_ok=True)
        raise CannotRunError(
            "the report cannot be written",
            where=str(path),
            cause=str(error),
            hint="name a writable folder with --report-dir, or free some space",
        ) from error


def environment_facts() -> JsonObject:
    """Return the provenance a report carries."""
    import platform

    return {
        "version": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }


def error_facts(error: DemoError | None) -> dict[str, str | None] | None:
    """Return an error as the report stores it."""
    return None if error is None else error.as_dict()
