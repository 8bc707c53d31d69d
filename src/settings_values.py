"""How a setting is declared, and how its value is read from text."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any

from src.errors import SettingsError


def setting(
    env: str,
    default: Any,
    doc: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    secret: bool = False,
) -> Any:
    """Declare one setting; `env` is its variable, `default` also fixes its type."""
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
                f"{source} is {str(raw)!r}; it must be a {noun}",
                hint=f"set {source} to a {noun}, for example {spec.default}",
            ) from None
    if kind is str:
        value = str(raw).strip()
    if meta["choices"] and value not in meta["choices"]:
        raise SettingsError(
            f"{source} is {value!r}; it must be one of {', '.join(meta['choices'])}",
            hint=f"set {source} to {meta['choices'][0]}",
        )
    low, high = meta["min"], meta["max"]
    # `not (low <= value)` also refuses NaN.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise SettingsError(
            f"{source} is {value}; it must be {bounds}",
            hint=f"set {source} to {spec.default}, its default",
        )
    return value
