"""How a setting is declared, and how its value is read from text."""

from __future__ import annotations

import re
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from src.arguments import nearest
from src.errors import SettingsError

Text = Literal["name", "arn", "path"]
# The longest value of each kind, in bytes: Linux's limits for a path, and AWS's for the rest.
_MAX_BYTES: dict[Text, int] = {"name": 255, "arn": 2048, "path": 3500}  # runs add to a path
_MAX_PART_BYTES = 255  # of one folder's or file's name
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHOWN_CHARACTERS = 60


def setting(
    env: str,
    default: Any,
    doc: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    secret: bool = False,
    text: Text = "name",
) -> Any:
    """Declare one setting; `env` is its variable, `default` also fixes its type.

    `text` names what a setting of text holds: it decides how long it may be.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={
            "env": env,
            "doc": doc,
            "choices": choices,
            "min": minimum,
            "max": maximum,
            "secret": secret,
            "text": text,
        },
    )


def read_env_file(path: Path) -> dict[str, str]:
    """Return the entries of a `.env` file; raises SettingsError where it cannot be read."""
    from dotenv import dotenv_values

    try:
        return {k: v for k, v in dotenv_values(path, interpolate=False).items() if v is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read", cause=str(error), hint="cp .env.example .env"
        ) from error


def parse(source: str, raw: Any, spec: Any) -> Any:
    """Convert one value to its setting's type and check its range."""
    kind, meta = type(spec.default), spec.metadata
    value: Any = raw
    if kind in (int, float) and not isinstance(raw, kind):
        try:
            value = kind(str(raw).strip().replace("_", ""))
        except ValueError:
            noun = "whole number" if kind is int else "number"
            raise SettingsError(
                f"{source} is {shown(str(raw))}; it must be a {noun}",
                hint=f"set {source} to a {noun}, for example {spec.default}",
            ) from None
    if kind is str:
        value = str(raw).strip()
        if not value and spec.default:
            raise SettingsError(f"{source} is empty", hint=f"set {source} to {spec.default}")
        _check_text(source, value, spec)
    if meta["choices"] and value not in meta["choices"]:
        near = nearest(value, meta["choices"])
        raise SettingsError(
            f"{source} is {shown(value)}; it must be one of {', '.join(meta['choices'])}",
            hint=f"set {source} to {near or meta['choices'][0]}",
        )
    low, high = meta["min"], meta["max"]
    # `not (low <= value)` also refuses NaN.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise SettingsError(
            f"{source} is {shown(value)}; it must be {bounds}",
            hint=f"set {source} to {spec.default}, its default",
        )
    return value


def shown(value: Any) -> str:
    """Return a value as an error shows it: no control character, and not longer than a line."""
    text = repr(value)
    return (
        text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 4]}{text[0]}..."
    )


def day_of(text: str) -> date | None:
    """Return the date of a text like 2025-10-07, None for any other text."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def check_day(option: str, text: str) -> None:
    """Raise SettingsError for text that is no date; it may be empty."""
    if text and day_of(text) is None:
        raise SettingsError(
            f"{option} is {shown(text)}; it is not a date", hint=f"{option} 2025-10-07"
        )


def _check_text(source: str, value: str, spec: Any) -> None:
    """Raise SettingsError for text that is no name, ARN or path."""
    kind: Text = spec.metadata["text"]
    is_secret = spec.metadata["secret"]
    found = _UNUSABLE.search(value)
    if found:
        what = f"character {found.start() + 1} of {len(value)}, {found[0]!r}"
        if is_secret:
            what = "one of its characters"
        raise SettingsError(
            f"{source} {'' if is_secret else f'is {shown(value)}; it '}holds what is no text",
            cause=f"{what}, is a control character, a line break or a byte that is not UTF-8",
            hint=f"set {source} to plain text",
        )
    size, limit = len(value.encode()), _MAX_BYTES[kind]
    part = ""
    if kind == "path":
        part = max(value.split("/"), key=lambda name: len(name.encode()))
    if size <= limit and len(part.encode()) <= _MAX_PART_BYTES:
        return
    what, size = (f"has {size:,} bytes", limit) if size > limit else (
        f"has a name of {len(part.encode()):,} bytes", _MAX_PART_BYTES
    )  # fmt: skip
    raise SettingsError(
        f"{source} {what}; at most {size:,} are allowed",
        where=None if is_secret else shown(value),
        hint=f"set {source} to a shorter {'path' if kind == 'path' else 'text'}",
    )
