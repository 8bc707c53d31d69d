"""The schedule on AWS as commands keep it: with this program's code, and these settings."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from importlib import metadata
from pathlib import Path

from src.commands import DISTRIBUTION, ROOT
from src.domain.bucket_layout import program_archive
from src.domain.cycle import CYCLE, Step
from src.errors import SettingsError
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings

_LEFT_OUT = {"__pycache__", ".DS_Store"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file, so that the same program is the same archive
# What is of this machine: a step on AWS has its own.
_OF_THIS_MACHINE = {"target", "report_dir", "output_dir", "state_dir", "alert_command",
                    "redshift_ca_file"}  # fmt: skip


def steps_of(settings: Settings) -> tuple[Step, ...]:
    """Return the steps of a cycle: on AWS a model is deployed where there is an image for it."""
    if settings.target == "local" or settings.serving_image:
        return CYCLE
    return tuple(step for step in CYCLE if step.command[0] != "serving")


def put_schedule(settings: Settings, expression: str, timezone: str) -> list[str]:
    """Make or update the schedule in the settings' account; returns the names of its parts."""
    from src.infrastructure.aws.cycle_schedule import CycleSchedule

    variables = variables_of(settings)
    archive = archive_of_program()
    key = program_archive(hashlib.sha256(archive).hexdigest())
    with DemoEnvironment(settings, needs_glue=False) as environment:
        schedule = CycleSchedule(environment.account)
        list(schedule.parts())  # refuses what others made before anything is changed
        storage = environment.processed_storage
        storage.ensure_bucket()
        storage.put(key, archive, content_type="application/zip")
        return schedule.put(
            expression,
            timezone,
            steps=steps_of(settings),
            source=f"{storage.bucket}/{key}",
            environment=variables,
        )


def variables_of(settings: Settings) -> dict[str, str]:
    """Return the variables that give a step these settings; raises SettingsError.

    A secret is never one of them: who may read the project could read it.
    """
    if settings.redshift_password:
        raise SettingsError(
            "a cycle on AWS takes no password from a variable",
            where="REDSHIFT_PASSWORD",
            hint="keep it in Secrets Manager and set REDSHIFT_SECRET, or use REDSHIFT_WORKGROUP",
        )
    if settings.input_dir:
        raise SettingsError(
            "a cycle on AWS cannot read a folder of this machine",
            where="DEMO_INPUT_DIR",
            hint="unset DEMO_INPUT_DIR, or run the cycle here: python -m src.operations once",
        )
    return {
        spec.metadata["env"]: str(value)
        for spec in fields(Settings)
        if spec.name not in _OF_THIS_MACHINE and not spec.metadata["secret"]
        and ((value := getattr(settings, spec.name)) != spec.default or spec.name == "aws_region")
    }  # fmt: skip


def archive_of_program(root: Path = ROOT) -> bytes:
    """Return this program as a ZIP archive: the same bytes for the same program."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((root / "src").rglob("*")):
            if path.is_file() and not _LEFT_OUT & set(path.parts):
                _add(archive, path.relative_to(root).as_posix(), path.read_bytes())
        _add(archive, "requirements.txt", "\n".join(_requirements(root)).encode())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    archive.writestr(info, content)


def _requirements(root: Path) -> Iterator[str]:
    """Yield what the program needs: by its file, or by the metadata of the installed package."""
    listed = root / "requirements.txt"
    if listed.is_file():
        yield from listed.read_text(encoding="utf-8").splitlines()
        return
    yield from (one for one in metadata.requires(DISTRIBUTION) or () if "extra ==" not in one)
