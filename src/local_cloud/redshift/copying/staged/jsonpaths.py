"""The jsonpaths file of a COPY: which part of each document fills which column."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.copy_failures import LoadError
from src.local_cloud.redshift.copying.source_objects import read_object
from src.sql.quoting import literal

_LONGEST = 1 << 20  # bytes of a jsonpaths file
NO_ARRAY = "Invalid JSONPath format: Not an array or index out of range."
_DOTS = re.compile(r"^\$(\.[^.\[\]'\"]+(\[[0-9]+\])*)+$")
_BRACKETS = re.compile(r"^\$(\[('[^']*'|\"[^\"]*\"|[0-9]+)\])+$")
_STEP = re.compile(r"\.([^.\[\]]+)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[([0-9]+)\]")


@dataclass(frozen=True)
class JsonPath:
    """One path: its steps, numbers where they point into an array."""

    steps: tuple[str | int, ...]

    @property
    def sql(self) -> str:
        """Return the steps as PostgreSQL's text[] literal."""
        return _sql_array(self.steps)

    @property
    def arrays(self) -> list[tuple[str, int]]:
        """Return, for each step into an array, the array's own path and the index."""
        return [
            (_sql_array(self.steps[:at]), step)
            for at, step in enumerate(self.steps)
            if isinstance(step, int)
        ]


def read_paths(command: CopyCommand, width: int, s3: Any) -> list[JsonPath] | None:
    """Return the paths of the command's file, or None where documents are read by key.

    A file whose top key is not "jsonpaths" means 'auto', as on Redshift.
    """
    if not command.json.startswith("s3://"):
        return None
    try:
        with closing(read_object(command.json, s3)) as body:
            content = json.loads(body.read(_LONGEST))
    except (ValueError, RecursionError) as error:
        raise LoadError("The JSONPaths file is not valid JSON", context=command.json) from error
    if not isinstance(content, dict) or "jsonpaths" not in content:
        return None
    found = content["jsonpaths"]
    paths = [_parsed(text) for text in (found if isinstance(found, list) else [found])]
    if len(paths) != width:
        raise LoadError(
            "Number of jsonpaths and the number of columns should match. "
            f"JSONPath size: {len(paths)}, Number of columns in table or column list: {width}",
            context=command.json,
        )
    return paths


def _parsed(text: Any) -> JsonPath:
    if not isinstance(text, str) or not (_DOTS.match(text) or _BRACKETS.match(text)):
        raise LoadError(
            "Invalid JSONPath format. Supported notations are 'dot-notation' and "
            f"'bracket-notation': {text}",
        )
    steps: list[str | int] = []
    for dotted, single, double, index in _STEP.findall(text):
        steps.append(int(index) if index else dotted or single or double)
    return JsonPath(tuple(steps))


def _sql_array(steps: tuple[str | int, ...]) -> str:
    return "ARRAY[" + ", ".join(literal(str(step)) for step in steps) + "]::text[]"
