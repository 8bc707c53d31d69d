"""Answers a check's question from inside the checkout: `python -m ...probe QUESTION < JSON`.

A process of its own, so that the code looked at is the checkout's and cannot harm the validator.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Callable
from typing import Any


def failed_imports() -> list[str]:
    """Return the modules below src that cannot be imported, each with its reason."""
    import src

    found = []
    for module in pkgutil.walk_packages(src.__path__, "src.", onerror=lambda _: None):
        try:
            importlib.import_module(module.name)
        except Exception as error:  # whatever it raises: that is the finding
            found.append(f"{module.name}: {type(error).__name__}: {error}")
    return found


def options(script: str) -> list[str]:
    """Return the long options of a script."""
    parser = importlib.import_module(script.removesuffix(".py")).build_parser()
    names = (name for action in parser._actions for name in action.option_strings)
    return [name for name in names if name.startswith("--")]


def refused_commands(commands: list[tuple[str, str, list[str]]]) -> list[str]:
    """Return the commands (place, module, arguments) that the module's own parser refuses."""
    from src.errors import DemoError
    from src.orchestration.command_line import settings_from

    found = []
    for place, program, arguments in commands:
        shown = f"{place}: {program} {' '.join(arguments)}"
        try:
            module = importlib.import_module(program)
            parsed = module.build_parser().parse_args(arguments)
            if hasattr(parsed, "target"):
                settings_from(parsed, may_lack=True)
        except SystemExit as ended:  # --help and --version end; a plain parser's errors too
            if ended.code:
                found.append(f"{shown}: refused")
        except (DemoError, ImportError, AttributeError) as error:
            found.append(f"{shown}: {error}")
    return found


QUESTIONS: dict[str, Callable[..., Any]] = {
    "imports": failed_imports,
    "options": options,
    "commands": refused_commands,
}


def main() -> None:
    """Answer one question on stdout, as JSON."""
    details = json.load(sys.stdin)
    answer = sys.stdout
    sys.stdout = sys.stderr  # what parsers and modules print is no part of the answer
    json.dump(QUESTIONS[sys.argv[1]](*details), answer)


if __name__ == "__main__":
    main()
