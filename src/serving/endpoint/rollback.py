"""Make an earlier version of the sales model the champion again, and put it into service."""

from __future__ import annotations

import argparse

from src.orchestration.command_line import console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the version, which is optional."""
    parser.add_argument(
        "version", nargs="?", metavar="VERSION", help="a saved version (default: the champion "
        "before this one)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Roll back the registry, then the endpoint; returns the exit code."""
    from src.orchestration.training import rollback
    from src.serving.endpoint import deployment
    from src.serving.predictor import NAME

    console = console_from(arguments)
    with DemoEnvironment(settings, needs_glue=False) as environment:
        registry = deployment.registry_of(environment)
        steps = rollback.planned(registry, f"{NAME}:{arguments.version or rollback.PREVIOUS}")
        rollback.verify(registry, steps)
        (words,) = rollback.roll_back(registry, steps, "rolled back")
        console.line(f"champion: {words}")
        facts = deployment.put_in_service(environment)
    console.line(f"endpoint {facts['endpoint']}: version {facts['version']} is in service")
    print_answer(
        deployment.answer_of(arguments, {**steps[0].as_facts(), **facts}, facts["endpoint"])
    )
    return 0
