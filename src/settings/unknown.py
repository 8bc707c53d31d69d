"""Variables that look like settings and are none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from src.arguments import did_you_mean
from src.settings import Settings
from src.settings.values import read_env_file


def unknown_variables(
    environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")
) -> list[str]:
    """Return a line on each DEMO_* variable that is no setting: where it is, what was meant."""
    known = {spec.metadata["env"] for spec in fields(Settings)}
    in_file = read_env_file(env_file) if env_file.is_file() else {}
    found = []
    for where, names in (
        (str(env_file), in_file),
        ("the environment", os.environ if environ is None else environ),
    ):
        for name in names:
            if name.startswith("DEMO_") and name not in known:
                guess = did_you_mean(name, known) or ".env.example lists the settings"
                found.append(f"{name} in {where} is no setting and has no effect: {guess}")
    return found
