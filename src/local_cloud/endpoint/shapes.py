"""Values of requests and answers between Python and AWS's JSON and query protocols, by shape."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.etree import ElementTree as Xml

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.utils import parse_timestamp

_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}


_AS_THEY_ARE = ("string", "integer", "long", "boolean")  # in JSON


@cache
def _converted(shape: StructureShape) -> dict[str, Shape]:
    """Return the members that JSON does not hold as they are."""
    members = shape.members.items()
    return {name: inner for name, inner in members if inner.type_name not in _AS_THEY_ARE}


def from_json(value: Any, shape: Shape) -> Any:
    """Return a JSON value as boto3's caller gave it; what does not fit is left as it is."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        converted = _converted(shape)
        return {
            name: from_json(part, converted[name]) if name in converted else part
            for name, part in value.items()
            if part is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [from_json(part, shape.member) for part in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: from_json(part, shape.value) for name, part in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            return value
    return value


def to_json(value: Any, shape: Shape) -> Any:
    """Return an answer as JSON values; what the shape does not have is left out."""
    if isinstance(shape, StructureShape):
        members, converted = shape.members, _converted(shape)
        return {
            name: to_json(part, converted[name]) if name in converted else part
            for name, part in value.items()
            if part is not None and name in members
        }
    if isinstance(shape, ListShape):
        return [to_json(part, shape.member) for part in value]
    if isinstance(shape, MapShape):
        return {name: to_json(part, shape.value) for name, part in value.items()}
    if shape.type_name == "timestamp":
        return _moment(value).timestamp()
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    return value


def from_query(fields: Mapping[str, str], shape: Shape | None, name: str = "") -> Any:
    """Return the parameters of a query request, or None where none has this name."""
    if isinstance(shape, StructureShape):
        at = f"{name}." if name else ""
        parts = {
            member: from_query(fields, inner, at + str(inner.serialization.get("name", member)))
            for member, inner in shape.members.items()
        }
        found = {member: part for member, part in parts.items() if part is not None}
        return found if found or not name else None
    if isinstance(shape, ListShape):
        return _list_of_query(fields, shape, name)
    text = fields.get(name)
    if text is None or shape is None:
        return None
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if shape.type_name in _NUMBERS:
        try:
            return _NUMBERS[shape.type_name](text)
        except ValueError:
            return text
    return text


def _list_of_query(fields: Mapping[str, str], shape: ListShape, name: str) -> list[Any] | None:
    at = name
    if not shape.serialization.get("flattened"):
        at = f"{name}.{shape.member.serialization.get('name', 'member')}"
    found: list[Any] = []
    while (part := from_query(fields, shape.member, f"{at}.{len(found) + 1}")) is not None:
        found.append(part)
    return found or None


def to_xml(parent: Xml.Element, value: Any, shape: Shape) -> None:
    """Write an answer's value below an element."""
    if isinstance(shape, StructureShape):
        for name, part in value.items():
            if name in shape.members and part is not None:
                inner = shape.members[name]
                to_xml(Xml.SubElement(parent, str(inner.serialization.get("name", name))), part,
                       inner)  # fmt: skip
    elif isinstance(shape, ListShape):
        for part in value:
            tag = str(shape.member.serialization.get("name", "member"))
            to_xml(Xml.SubElement(parent, tag), part, shape.member)
    elif shape.type_name == "boolean":
        parent.text = "true" if value else "false"
    elif shape.type_name == "timestamp":
        parent.text = f"{_moment(value).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    else:
        parent.text = str(value)


def _moment(value: Any) -> datetime:
    moment: datetime = value if isinstance(value, datetime) else parse_timestamp(value)
    return moment
