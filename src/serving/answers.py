"""What a command prints on stdout: one line, or with --json what it found."""

from __future__ import annotations

import argparse

from src.json_object import JsonObject
from src.reporting.run_report import to_json


def answer_of(arguments: argparse.Namespace, facts: JsonObject, line: str, code: int = 0) -> str:
    """Return the one thing that stdout carries."""
    verdict = "failed" if code else "succeeded"
    return to_json({"verdict": verdict, "exit_code": code, **facts}) if arguments.json else line
