"""The schedule of a state folder: what is due when, and what became of it; written atomically."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

from src.errors import CannotRunError
from src.json_object import JsonObject
from src.orchestration.operations.cycle import CycleResult
from src.reporting.run_report import plain, write_atomically
from src.services.operations.schedule_expression import Schedule, read_schedule

_KEPT = 20  # results


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule, the newest due time that has been dealt with, and the newest results."""

    expression: str
    timezone: str
    start: datetime
    last_due: datetime | None = None
    results: tuple[JsonObject, ...] = field(default=())

    @property
    def schedule(self) -> Schedule:
        """Return the schedule as it is evaluated."""
        return read_schedule(self.expression, self.timezone, self.start)

    def dealt_with(self, due: datetime, result: CycleResult | None) -> StoredSchedule:
        """Return the schedule after a due time; it is never due again."""
        entry: JsonObject = {"due": due.isoformat(), "outcome": "skipped", "exit_code": None}
        if result is not None:
            entry = plain(asdict(result)) | {"due": due.isoformat(), "exit_code": result.exit_code}
        return replace(self, last_due=due, results=(*self.results, entry)[-_KEPT:])


class ScheduleStore:
    """Reads and writes the schedule of a state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "schedule.json"

    def read(self) -> StoredSchedule | None:
        """Return the schedule, None where there is none; raises CannotRunError."""
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
            last = raw["last_due"]
            return StoredSchedule(
                raw["expression"],
                raw["timezone"],
                datetime.fromisoformat(raw["start"]),
                datetime.fromisoformat(last) if last else None,
                tuple(raw["results"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise CannotRunError(
                "the schedule cannot be read",
                where=str(self.path),
                cause=f"{type(error).__name__}: {error}",
                hint="python -m src.operations remove",
            ) from error

    def write(self, schedule: StoredSchedule) -> None:
        """Write the schedule, whole or not at all; raises CannotRunError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRunError(
                "the state folder cannot be written", where=str(self.path.parent), cause=str(error)
            ) from error
        write_atomically(self.path, json.dumps(plain(asdict(schedule)), indent=2) + "\n")

    def remove(self) -> bool:
        """Remove the schedule; tells whether there was one."""
        there = self.path.exists()
        self.path.unlink(missing_ok=True)
        return there
