"""Print the dashboard, the alarms, or the CloudFormation template of both, as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from src.domain.metrics import alarms, endpoint_alarms
from src.infrastructure.watching.monitoring import alarm_parameters, dashboard_body, template
from src.orchestration.command_line import add_setting, print_answer, settings_from

TEMPLATE = Path(__file__).parents[1] / "infrastructure" / "cloudformation" / "operations.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_setting(parser, "target")
    parser.add_argument(
        "--part",
        choices=("template", "dashboard", "alarms"),
        default="template",
        metavar="template|dashboard|alarms",
        help="what to print (default: template)",
    )
    parser.add_argument(
        "--write", action="store_true", help="write the template of this program anew"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the JSON on stdout; returns the exit code."""
    settings = settings_from(arguments, may_lack=True)
    every = alarms("aws", max_rejected_share=settings.max_rejected_share)
    if arguments.write:
        TEMPLATE.write_text(template_text(), encoding="utf-8")
        print_answer(str(TEMPLATE))
        return 0
    parts: dict[str, object] = {
        "template": template(every),
        "dashboard": dashboard_body(settings.aws_region, every),
        "alarms": [alarm_parameters(one, "TOPIC")
                   for one in (*every, *endpoint_alarms(settings.endpoint_name))],
    }  # fmt: skip
    print_answer(json.dumps(parts[arguments.part], indent=2))
    return 0


def template_text() -> str:
    """Return the template as it is kept beside the other one."""
    return json.dumps(template(alarms("aws")), indent=2) + "\n"
