"""Show the cards of the talk, scene by scene: on a terminal keys turn them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from src.arguments import Parser
from src.commands import as_started
from src.orchestration.command_line import add_common_options, settings_from
from src.reporting.terminal.cards import Card, scenes


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = Parser(prog=as_started("python -m src cards"), description=__doc__,
                    allow_abbrev=False)  # fmt: skip
    parser.add_argument("scene", nargs="?", choices=list(scenes()), default="pipeline",
                        help="which part of the talk (default: pipeline)")  # fmt: skip
    add_common_options(parser, has_reports=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show the cards of a scene; returns the exit code."""
    from src.reporting.terminal.presenter import Presenter

    arguments = build_parser().parse_args(argv)
    settings_from(arguments, may_lack=True)
    scene = scenes()[arguments.scene]
    presenter = Presenter(dict, color=not arguments.no_color)
    for index, card in enumerate(scene.cards, 1):
        presenter.begin_card(index, len(scene.cards))
        presenter.show_card(_as_started(card), card.key.replace("_", " "))
    return 0


def _as_started(card: Card) -> Card:
    return Card(card.key, card.service, card.what, card.say, as_started(card.type))
