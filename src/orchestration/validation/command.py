"""Check that everything the concert demo needs is in place, and works."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from src.errors import SettingsError
from src.orchestration.command_line import (
    console_from,
    print_answer,
    print_report,
    script_parser,
    settings_from,
)
from src.settings.unknown import unknown_variables

EXAMPLES = """\
  python validate_demo_pipeline.py
  python validate_demo_pipeline.py --smoke --strict
  python validate_demo_pipeline.py --only links,commands
  python validate_demo_pipeline.py --target aws --report
  python validate_demo_pipeline.py --json | jq .tally
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the script's parser."""
    parser = script_parser("validate_demo_pipeline.py", __doc__ or "", EXAMPLES, has_stages=False)
    checks = parser.add_argument_group("checks")
    checks.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="run only this check (may be repeated, or several with commas)",
    )
    checks.add_argument("--list", action="store_true", help="list the checks, and run none")
    checks.add_argument(
        "--smoke",
        action="store_true",
        help="also run both scripts on small data, in a temporary folder",
    )
    checks.add_argument(
        "--report",
        action="store_true",
        help="also write one file for a bug report: this validation, the newest run and its log",
    )
    checks.add_argument(
        "--strict", action="store_true", help="a check that was skipped counts as failed"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    settings = settings_from(arguments, may_lack=True)
    console = console_from(arguments)
    if arguments.strict and (unknown := unknown_variables()):
        raise SettingsError(unknown[0], hint="correct or remove it, or leave out --strict")
    from src.orchestration.validation.demo_pipeline_validator import (
        DemoPipelineValidator,
        all_checks,
    )

    if arguments.list:
        checks = all_checks(settings.target)
        print_answer("\n".join(f"{check.name:<16} {check.title}" for check in checks))
        return 0
    validator = DemoPipelineValidator(
        settings,
        only=arguments.only,
        run_smoke=arguments.smoke,
        strict=arguments.strict,
        console=console,
    )
    report = validator.run_validation()
    if arguments.report:
        from src.orchestration.validation import bug_report

        path = bug_report.write(report, validator.report_path)
        console.line(f"for a bug report (account numbers are masked; read it first):  {path}")
    print_report(arguments, report, validator.report_path)
    return validator.exit_code
