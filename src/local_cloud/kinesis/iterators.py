"""Tokens that answers give and later calls bring back: shard iterators and pages."""

from __future__ import annotations

import base64
import json
from dataclasses import astuple, dataclass
from typing import Any

from src.local_cloud.endpoint.errors import AwsError

LIFE_MS = 300_000


@dataclass(frozen=True)
class Position:
    """Behind which record of a shard the next read begins, and when that was answered."""

    stream: int
    shard: int
    after: int
    made_ms: int

    def token(self) -> str:
        """Return the shard iterator."""
        return encoded(*astuple(self))

    @classmethod
    def of(cls, token: str, now_ms: int) -> Position:
        """Read a shard iterator; raises AwsError for what is none, or too old."""
        match decoded(token):
            case [int(stream), int(shard), int(after), int(made_ms)]:
                found = cls(stream, shard, after, made_ms)
            case _:
                raise AwsError("InvalidArgumentException", "Invalid ShardIterator.")
        if now_ms - found.made_ms > LIFE_MS:
            text = (
                f"Iterator expired. The iterator was created at time {found.made_ms} while right "
                f"now it is {now_ms} which is further in the future than the tolerated delay of "
                f"{LIFE_MS} milliseconds."
            )
            raise AwsError("ExpiredIteratorException", text)
        return found


def encoded(*values: Any) -> str:
    """Return a token of some values."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def decoded(token: str) -> Any:
    """Return the values of a token, or None for what is none."""
    try:
        return json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except ValueError:
        return None
