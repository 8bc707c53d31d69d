"""Train, judge, save and explain the two models of the concert demo."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from src.orchestration.command_line import (
    add_setting,
    console_from,
    print_result,
    script_parser,
    settings_from,
)

EXAMPLES = """\
  python train_demo_models.py
  python train_demo_models.py --with-challengers
  python train_demo_models.py --if-needed
  python train_demo_models.py --validate-only
  python train_demo_models.py --rollback
  python train_demo_models.py --json | jq .models.ticket_sales_prediction.test_metrics
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the script's parser."""
    parser = script_parser("train_demo_models.py", __doc__ or "", EXAMPLES)
    models = parser.add_argument_group("models")
    for name in ("test_size", "random_state", "coverage"):
        add_setting(models, name)
    add_setting(models, "output_dir", metavar="DIR")
    models.add_argument(
        "--validate-only",
        action="store_true",
        help="re-check the saved models on the warehouse; train and write nothing",
    )
    models.add_argument(
        "--if-needed",
        action="store_true",
        help="train only for a reason: new data, age, error on concerts since, or drift",
    )
    models.add_argument(
        "--with-challengers", action="store_true", help="compare with other learners as well"
    )
    models.add_argument(
        "--promote",
        choices=("auto", "never"),
        metavar="auto|never",
        help="auto: a model that is not worse becomes the champion; never: it stays a candidate "
        "(default: auto)",
    )
    models.add_argument(
        "--rollback",
        nargs="?",
        const="previous",
        metavar="[MODEL:]VERSION",
        help="make an earlier version the champion again, without a version the one before; "
        "trains nothing",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    settings = settings_from(arguments)
    console = console_from(arguments)
    if arguments.rollback:
        from src.orchestration.training.rollback import ModelRollback

        rollback = ModelRollback(settings, arguments.rollback, console)
        print_result(arguments, rollback.workflow, rollback.run(), "python -m src.serving deploy")
        return rollback.workflow.exit_code
    from src.orchestration.training.demo_model_trainer import DemoModelTrainer
    from src.orchestration.training.retraining import RetrainingTrainer

    trainer_class = RetrainingTrainer if arguments.if_needed else DemoModelTrainer
    trainer = trainer_class(
        settings,
        validate_only=arguments.validate_only,
        with_challengers=arguments.with_challengers,
        promote=arguments.promote or "auto",
        console=console,
        present=arguments.present,
    )
    report = trainer.run_training_pipeline()
    follow_up = None if arguments.validate_only else "python train_demo_models.py --validate-only"
    print_result(arguments, trainer.workflow, report, follow_up)
    return trainer.workflow.exit_code
