"""The schedule on AWS: EventBridge Scheduler starts a state machine, whose steps are builds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from src.domain.cycle import Step
from src.errors import CannotRunError, DemoError
from src.infrastructure.aws.account import DEMO_TAG, AwsAccount
from src.infrastructure.aws.answers import MISSING, AwsRefusal, asking, unless_missing
from src.infrastructure.aws.cycle_definition import (
    NAME,
    Places,
    project,
    schedule,
    state_machine,
)
from src.json_object import JsonObject

_MISSING = MISSING | {"StateMachineDoesNotExist"}
_GROUP = "default"
TEMPLATE = "src/infrastructure/cloudformation/operations.json"


@dataclass(frozen=True)
class Part:
    """One thing of the schedule, and how it is removed."""

    name: str
    remove: Callable[[], None]


class CycleSchedule:
    """Makes, shows and removes the schedule; things of that name that others made stay."""

    def __init__(self, account: AwsAccount) -> None:
        self._scheduler = account.client("scheduler")
        self._states = account.client("stepfunctions")
        self._builds = account.client("codebuild")
        self._places = Places(account.region, account.account_id)

    def put(
        self,
        expression: str,
        timezone: str,
        *,
        steps: Sequence[Step],
        source: str,
        environment: Mapping[str, str],
    ) -> list[str]:
        """Make the schedule and what it starts, or bring them up to date; returns their names."""
        places = self._places
        machine = {
            "definition": json.dumps(state_machine(steps, places)),
            "roleArn": places.role("states"),
        }
        builds, states = self._builds, self._states
        wanted = project(places, source, environment)
        self._do(builds.update_project if self._project() else builds.create_project, **wanted)
        if self._machine():
            self._do(states.update_state_machine, stateMachineArn=places.machine, **machine)
        else:
            tags = [{"key": DEMO_TAG[0], "value": DEMO_TAG[1]}]
            self._do(states.create_state_machine, name=NAME, type="STANDARD", tags=tags, **machine)
        found, plan = self._schedule(), schedule(places, expression, timezone)
        call = self._scheduler.update_schedule if found else self._scheduler.create_schedule
        self._do(call, **plan)
        return [part.name for part in self.parts()]

    def stored(self) -> JsonObject | None:
        """Return the schedule as EventBridge has it, None where there is none."""
        return self._schedule()

    def executions(self, count: int = 5) -> list[JsonObject]:
        """Return the newest cycles: their start and status."""
        found = self._do(
            self._states.list_executions, stateMachineArn=self._places.machine, maxResults=count
        )
        return list((found or {}).get("executions", []))

    def parts(self) -> Iterator[Part]:
        """Yield what there is of the schedule, in the order of its removal."""
        if self._schedule():
            remove = partial(self._do, self._scheduler.delete_schedule, Name=NAME, GroupName=_GROUP)
            yield Part(f"schedule {NAME}", remove)
        if self._machine():
            arn = self._places.machine
            yield Part(
                f"state machine {NAME}",
                partial(self._do, self._states.delete_state_machine, stateMachineArn=arn),
            )
        if self._project():
            yield Part(
                f"build project {NAME}", partial(self._do, self._builds.delete_project, name=NAME)
            )

    def _schedule(self) -> JsonObject | None:
        """Return the schedule; a schedule has no tags, so it is known by what it starts."""
        found = self._do(self._scheduler.get_schedule, Name=NAME, GroupName=_GROUP)
        return _own("schedule", found, found and found["Target"]["Arn"] == self._places.machine)

    def _machine(self) -> JsonObject | None:
        arn = self._places.machine
        found = self._do(self._states.describe_state_machine, stateMachineArn=arn)
        if not found or found.get("status") == "DELETING":
            return None
        tags = self._do(self._states.list_tags_for_resource, resourceArn=arn)["tags"]
        return _own("state machine", found, _is_tagged(tags))

    def _project(self) -> JsonObject | None:
        found = self._do(self._builds.batch_get_projects, names=[NAME])["projects"]
        return (
            _own("build project", found[0], _is_tagged(found[0].get("tags", []))) if found else None
        )

    def _do(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        """Return an operation's answer, None where what it names is not there."""
        with asking("AWS", where=NAME, refused=_refused):
            return unless_missing(operation, _MISSING, **arguments)


def _own(kind: str, found: JsonObject | None, is_ours: object) -> JsonObject | None:
    if found and not is_ours:
        raise CannotRunError(
            f"there is a {kind} of that name that the demo did not make",
            where=NAME,
            hint="rename or delete it, then run the same command again",
        )
    return found


def _is_tagged(tags: Sequence[Mapping[str, str]]) -> bool:
    return {"key": DEMO_TAG[0], "value": DEMO_TAG[1]} in [dict(tag) for tag in tags]


def _refused(refusal: AwsRefusal) -> DemoError:
    return CannotRunError(
        f"AWS refused {refusal.operation}",
        where=NAME,
        cause=refusal.text,
        hint=f"deploy {TEMPLATE}, and attach its SchedulePolicy",
    )
