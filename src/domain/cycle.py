"""The daily cycle as one list of steps: run here one after the other, on AWS a state machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["promoted", "kept", "not needed", "done", "failed", "interrupted"]


@dataclass(frozen=True)
class Step:
    """One step: a command of `python -m src`, and the outcome before it under which it runs."""

    name: str
    title: str
    command: tuple[str, ...]
    after: Outcome | None = None
    attempts: int = 1


# Everything that describes the cycle is made from this list, the state machine too.
CYCLE = (
    Step("Pipeline", "load the next day", ("run", "--next-day"), attempts=2),
    Step("Training", "retrain if needed, and decide", ("train", "--if-needed")),
    Step("Deployment", "deploy the new champion", ("serving", "deploy"), after="promoted"),
)
