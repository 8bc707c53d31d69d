#!/usr/bin/env python3
"""Train, judge, save and explain the two models of the concert demo."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.resolve()))  # `python -P` leaves it out

from src.orchestration.command_line import offer, run_script
from src.orchestration.training.command import EXAMPLES, build_parser, main

__all__ = ["EXAMPLES", "build_parser", "main"]

# The class can be imported from here, yet `--help` does not import it.
__getattr__ = offer("DemoModelTrainer", "src.orchestration.training.demo_model_trainer")

if __name__ == "__main__":
    sys.exit(run_script(main))
