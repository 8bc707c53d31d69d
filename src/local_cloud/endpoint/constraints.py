"""What a service model demands of a value beyond its type: lengths, ranges, patterns, enumerations.

botocore checks types, required members and minima only; AWS's services check the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

_SIZED = ("string", "blob", "list", "map")
_SHOWN = 100  # characters of a value that a message repeats


def violations(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a value that botocore accepts, in AWS's words."""
    if isinstance(shape, StructureShape):
        for name, inner in _constrained(shape):
            if name in value:
                step = name[0].lower() + name[1:]
                yield from violations(value[name], inner, f"{path}.{step}" if path else step)
        return
    if broken := _broken(value, shape):
        shown = "" if shape.type_name == "blob" else f"'{str(value)[:_SHOWN]}' "
        yield f"Value {shown}at '{path}' failed to satisfy constraint: Member must {broken}"
    elif isinstance(shape, ListShape) and _is_constrained(shape.member):
        for number, part in enumerate(value, 1):
            yield from violations(part, shape.member, f"{path}.{number}.member")


def _broken(value: Any, shape: Shape) -> str:
    """Return the constraint of its own that a value breaks, or an empty text."""
    limits = shape.metadata
    is_sized = shape.type_name in _SIZED
    measured = len(value) if is_sized else value
    what = "have length" if is_sized else "have value"
    if "max" in limits and measured > limits["max"]:
        return f"{what} less than or equal to {limits['max']}"
    if "min" in limits and measured < limits["min"]:
        return f"{what} greater than or equal to {limits['min']}"
    if "pattern" in limits and not _pattern(limits["pattern"]).fullmatch(value):
        return f"satisfy regular expression pattern: {limits['pattern']}"
    if "enum" in limits and value not in limits["enum"]:
        return f"satisfy enum value set: [{', '.join(limits['enum'])}]"
    return ""


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


@cache
def _constrained(shape: StructureShape) -> list[tuple[str, Shape]]:
    return [(name, inner) for name, inner in shape.members.items() if _is_constrained(inner)]


@cache
def _is_constrained(shape: Shape) -> bool:
    """Tell whether a shape, or one below it, has a constraint; Kinesis's have no circles."""
    if isinstance(shape, StructureShape):
        return bool(_constrained(shape))
    own = shape.metadata.keys() & {"max", "min", "pattern", "enum"}
    return bool(own) or (isinstance(shape, ListShape) and _is_constrained(shape.member))
