"""Checks of what the local target needs: servers that start, and a folder for their data."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from src.errors import DemoError
from src.orchestration.environment import DemoEnvironment, temporary_state_folder
from src.orchestration.size_limits import check_sizes
from src.orchestration.validation.check import Check, Context, Finding, judge
from src.reporting.wording import human_bytes


def servers(context: Context) -> Finding:
    """An S3 server and a warehouse start, in a folder of their own, and do their work."""
    expected = "S3 and the warehouse start and answer"
    with temporary_state_folder() as folder:
        settings = replace(context.settings, target="local", state_dir=str(folder))
        try:
            with DemoEnvironment(settings, needs_glue=False) as environment:
                storage = environment.raw_storage
                storage.ensure_bucket()
                storage.put("probe", b"x")
                answer = environment.redshift.query_value("SELECT 6 * 7")
        except DemoError as error:
            return failure(expected, error)
    return judge(expected, "2 of 2", [] if answer == 42 else [f"6 * 7 gave {answer}"])


def state_folder(context: Context) -> Finding:
    """The folder of the local data can be written, and the requested data set fits there."""
    expected = "a writable folder with room for the data"
    folder = Path(context.settings.state_dir).absolute()
    place = folder
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
        check_sizes(context.settings)
    except OSError as error:
        hint = "set DEMO_STATE_DIR to a writable folder"
        return Finding("failed", expected, f"{place}: {error.strerror}", hint)
    except DemoError as error:
        return failure(expected, error)
    free = human_bytes(shutil.disk_usage(place).free)
    return Finding("passed", expected, f"{free} free")


def failure(expected: str, error: DemoError) -> Finding:
    """Return the finding for an error of this project, which holds what to type next."""
    parts = [part for part in (error.message, error.where, error.cause) if part]
    return Finding("failed", expected, error.message, error.hint, [": ".join(parts)])


CHECKS = (
    Check("local_servers", "the servers of the local target", servers),
    Check("local_state", "the folder of the local data", state_folder),
)
