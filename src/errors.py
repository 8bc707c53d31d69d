"""Every error this project raises on purpose.

DemoError                 base: message, where, cause, hint, exit code
+-- CannotRunError        exit 2: it could not run
|   +-- UsageError            an option or argument is wrong
|   +-- SettingsError         an environment variable or .env entry is wrong or missing
|   +-- UnreachableError      a server, bucket or role does not answer
|   +-- BusyError             another run holds the same state folder
|   +-- InputDataError        the user's own files cannot be used
+-- StageFailedError      exit 1: it ran and a stage failed
    +-- GenerationError       the generated data broke its own rules
    +-- StorageError          S3 refused or lost something
    +-- EtlError              the Glue job did not succeed
    +-- StreamError           Kinesis refused or lost something
    +-- WarehouseError        Redshift refused a statement
    |   +-- LoadError             a COPY or its proof failed
    +-- QualityError          a data-quality check failed
    +-- ModelError            a model cannot be trained, or failed a gate
    +-- ServingError          an endpoint or a transform job did not succeed
"""

from __future__ import annotations

import sys

from src.commands import as_started, install_command
from src.json_object import JsonObject


class DemoError(Exception):
    """Say what happened, where, why, and what to type next.

    `where`, `cause` and `hint` are single lines (or None); `exit_code` is the process's.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        cause: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.cause = cause
        self.hint = hint and as_started(hint)
        self.facts: JsonObject = {}  # what the report keeps of the failed stage

    def as_dict(self) -> dict[str, str | None]:
        """Return the error as the report stores it."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "where": self.where,
            "cause": self.cause,
            "hint": self.hint,
        }


class CannotRunError(DemoError):
    """The run could not start or continue; nothing was evaluated."""

    exit_code = 2


class UsageError(CannotRunError):
    """An option or argument is wrong."""


class SettingsError(CannotRunError):
    """A setting is wrong or missing."""


class UnreachableError(CannotRunError):
    """A server, bucket or role does not answer."""


class BusyError(CannotRunError):
    """Another run holds the same state folder."""


class InputDataError(CannotRunError):
    """The user's own files cannot be used."""


class StageFailedError(DemoError):
    """A stage ran and failed."""


class GenerationError(StageFailedError):
    """The generated data broke its own rules."""


class StorageError(StageFailedError):
    """S3 refused or lost something."""


class EtlError(StageFailedError):
    """The Glue job did not succeed."""


class StreamError(StageFailedError):
    """Kinesis refused or lost something."""


class WarehouseError(StageFailedError):
    """Redshift refused a statement, or the connection to it was lost."""

    passes = False  # another transaction's doing, or the network's: the same again may succeed
    is_lost = False  # the connection is gone: what it was doing may or may not have been done


class LoadError(WarehouseError):
    """A COPY, or the proof of what it loaded, failed."""


class QualityError(StageFailedError):
    """A data-quality check failed."""


class ModelError(StageFailedError):
    """A model cannot be trained, or failed a gate."""


class ServingError(StageFailedError):
    """An endpoint or a transform job did not succeed."""


class SavedModelError(CannotRunError):
    """A saved model is missing, damaged, or of another version."""


def missing_package(error: ModuleNotFoundError) -> CannotRunError:
    """Return the error for a package of requirements.txt that this Python does not have."""
    return CannotRunError(
        f"the package {error.name} is not installed",
        where=sys.executable,
        cause="the requirements were installed into another Python, or not at all",
        hint=f"source .venv/bin/activate, or: {install_command()}",
    )
