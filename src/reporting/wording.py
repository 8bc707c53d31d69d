"""How texts from outside, sizes and states are worded wherever people read them."""

from __future__ import annotations

import re

from src.json_object import JsonObject

_PROPER = {"s3": "S3", "etl": "ETL", "glue": "Glue", "redshift": "Redshift"}
_WORDS = {"success": "ok", "interrupted": "stopped", "not_run": "not run"}


def status_word(status: str) -> str:
    """Return how people see a stage's status on the console and the page."""
    return _WORDS.get(status, status)


def stage_name(key: str) -> str:
    """Return a stage's key in the report as people read it, on the terminal and the page."""
    return " ".join(_PROPER.get(word, word) for word in key.split("_"))


# What moves a terminal's cursor, colors, hides or turns text: control characters, marks without
# width, marks of direction, and what is no character at all.
UNSHOWN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str, *, line: bool = False) -> str:
    """Return a text from outside as a terminal may get it: escape codes are written out.

    With `line` it also stays on one line.
    """
    safe = UNSHOWN.sub(lambda found: ascii(found[0])[1:-1], text)
    return safe.replace("\n", "\\n") if line else safe


def human_bytes(size: float) -> str:
    """Return a size for reading: 2.1 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: 1 file, 5 files."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


# What the best of those who see so much would reach on generated data.
LIMITS = {
    "columns": "the generator's formula, on what the columns show",
    "knowable": "and the artist's earlier shows: no model is better",
    "oracle": "and each artist's hidden effect",
}


def candidate_words(samples: list[JsonObject], field: str) -> str:
    """Say that the samples with this field are a candidate's; empty where they are not."""
    versions = {
        s["model_version"] for s in samples if field in s and s.get("model_role") == "candidate"
    }
    found = ", ".join(str(version) for version in sorted(versions))
    return f"by version {found}, a candidate that was not promoted" if found else ""
