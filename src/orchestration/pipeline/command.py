"""Take concert data from nothing to a verified warehouse."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from src.orchestration.command_line import (
    add_setting,
    console_from,
    print_plan,
    print_result,
    script_parser,
    settings_from,
)

EXAMPLES = """\
  python run_demo_pipeline.py
  python run_demo_pipeline.py --artists 100 --venues 50 --concerts 500 --sales 2000
  python run_demo_pipeline.py --skip-generation
  python run_demo_pipeline.py --as-of 2025-10-07 --since 2025-09-30 --load-mode merge
  python run_demo_pipeline.py --resume
  python run_demo_pipeline.py --input-dir my_data/
  python run_demo_pipeline.py --json | jq .steps
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the script's parser."""
    parser = script_parser("run_demo_pipeline.py", __doc__ or "", EXAMPLES)
    data = parser.add_argument_group("data")
    for name in (
        "artists", "venues", "concerts", "sales", "seed", "as_of", "since", "defect_rate",
        "workers", "generate_on", "raw_format",
    ):  # fmt: skip
        add_setting(data, name)
    data.add_argument(
        "--skip-generation",
        action="store_true",
        help="use the newest complete raw data set that is in S3",
    )
    add_setting(data, "input_dir", metavar="DIR")
    data.add_argument(
        "--next-day",
        action="store_true",
        help="load the changes of the day after the newest load, or the first day",
    )
    data.add_argument(
        "--resume",
        action="store_true",
        help="resume the newest run after its last completed stage, if it did not succeed",
    )
    where = parser.add_argument_group("where and how")
    add_setting(where, "raw_bucket", metavar="NAME")
    add_setting(where, "processed_bucket", metavar="NAME")
    add_setting(where, "iam_role", metavar="ARN")
    add_setting(where, "etl")
    add_setting(where, "etl_engine")
    add_setting(where, "load_mode")
    where.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    settings = settings_from(arguments)
    console = console_from(arguments)
    resumed, skip_generation = None, arguments.skip_generation
    if arguments.resume:
        from src.orchestration.option_rules import check_options
        from src.orchestration.pipeline.resuming import unfinished_run

        resumed = unfinished_run(settings)
        settings, skip_generation = resumed.settings, resumed.skip_generation
        check_options(arguments, settings, is_resumed=True)
    if arguments.next_day and not arguments.dry_run:
        from src.orchestration.pipeline.next_day import settings_of_next_day

        settings = settings_of_next_day(settings)
    from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator

    orchestrator = DemoPipelineOrchestrator(
        settings,
        skip_generation=skip_generation,
        console=console,
        present=arguments.present,
        resumed=resumed,
    )
    if arguments.dry_run:
        from src.orchestration.pipeline.dry_run import describe

        stages = orchestrator.stages()
        plan = describe(stages, settings, skip_generation=skip_generation, resumed=resumed)
        if arguments.next_day:
            plan = ["the day, seed and sizes would be those after the newest load", *plan]
        return print_plan(arguments, console, plan)
    report = orchestrator.run_pipeline()
    print_result(arguments, orchestrator.workflow, report, "python train_demo_models.py")
    return orchestrator.workflow.exit_code
