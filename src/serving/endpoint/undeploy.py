"""Remove the endpoint with all that belongs to it; saved models stay."""

from __future__ import annotations

import argparse

from src.orchestration.command_line import console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command: it has none of its own."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove what there is, and print it; returns the exit code."""
    from src.serving.endpoint import deployment

    console = console_from(arguments)
    removed = []
    with DemoEnvironment(settings, needs_glue=False) as environment:
        endpoint = deployment.endpoint_of(environment)
        for resource in list(endpoint.resources()):
            resource.remove()
            removed.append(resource.name)
            console.line(f"removed  {resource.name}")
    if not removed:
        console.line(f"endpoint {endpoint.name} has nothing to remove")
    print_answer(
        deployment.answer_of(arguments, {"removed": removed}, "\n".join(removed) or "nothing")
    )
    return 0
