"""Put the champion into service on a SageMaker endpoint, in place of the version before it."""

from __future__ import annotations

import argparse

from src.commands import as_started
from src.orchestration.command_line import console_from, print_answer
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command: it has none of its own."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Deploy, and print the endpoint's name; returns the exit code."""
    from src.serving.endpoint import deployment

    console = console_from(arguments)
    with DemoEnvironment(settings, needs_glue=False) as environment:
        if settings.target == "aws":
            console.line(f"cost: {cost_of(settings)}")
        facts = deployment.put_in_service(environment)
        hint = deployment.keep_up_hint(environment)
    before = facts["previous_version"]
    was = f", before it version {before}" if facts["changed"] and before else ""
    word = "is in service" if facts["changed"] else "was in service already"
    console.line(f"endpoint {facts['endpoint']}: version {facts['version']} {word}{was}")
    if hint:
        console.line(f"next:  {as_started(hint)}")
    print_answer(deployment.answer_of(arguments, facts, facts["endpoint"]))
    return 0


def cost_of(settings: Settings) -> str:
    """Return in one line what an endpoint costs on AWS."""
    if settings.serving_instance:
        return f"one {settings.serving_instance}, by the hour, until undeploy"
    return "serverless, by the milliseconds of requests only; two alarms"
