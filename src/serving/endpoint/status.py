"""Show what the endpoint serves, and which versions were champions; exit code 1 if it is down."""

from __future__ import annotations

import argparse

from src.commands import as_started
from src.orchestration.command_line import console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command: it has none of its own."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the status; returns 0 where the endpoint is in service, else 1."""
    from src.serving.endpoint import deployment

    console = console_from(arguments)
    with DemoEnvironment(settings, needs_glue=False) as environment:
        facts = deployment.facts_of(environment, deployment.endpoint_of(environment))
    version, champion = facts["version"], facts["champion"]
    served = f" with version {version}" if version else ""
    console.line(f"endpoint {facts['endpoint']}: {facts['status']}{served}")
    for entry in facts["history"]:
        console.line(f"  champion v{entry['version']} since {entry['since']}: {entry['reason']}")
    if facts["failure"]:
        console.line(f"warning: {facts['failure']}")
    if champion and version != champion:
        command = as_started("python -m src.serving deploy")
        console.line(f"next:  {command} (the champion is version {champion})")
    code = 0 if facts["status"] in ("InService", "Updating", "RollingBack") else 1
    print_answer(deployment.answer_of(arguments, facts, facts["status"], code))
    return code
