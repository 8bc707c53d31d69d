"""The commands of the program, named as the user started it.

Texts name the scripts and modules of a checkout. Where the program was started as
`concert-demo run`, or is installed without the scripts, `as_started` names those commands.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DISTRIBUTION = "concert-data-platform-demo"
PROGRAM = "concert-demo"
SCRIPTS = {
    "run": "run_demo_pipeline.py",
    "train": "train_demo_models.py",
    "validate": "validate_demo_pipeline.py",
}
MODULES = {"cloud": "src.local_cloud", "operations": "src.operations",
           "serving": "src.serving", "streaming": "src.streaming"}  # fmt: skip
_OF_CHECKOUT = {name: rf"(?:python3? )?(?<![\w/.-]){script}\b" for name, script in SCRIPTS.items()}
_OF_CHECKOUT |= {name: rf"python3? -m {module}\b" for name, module in MODULES.items()}
_STARTED = re.compile(rf"^({PROGRAM}|python -m src) (\w+)$")


def is_checkout(root: Path = ROOT) -> bool:
    """Tell a clone of the repository, which has the scripts, from an installed package."""
    return any((root / script).is_file() for script in SCRIPTS.values())


def mark_start(command: str) -> None:
    """Note on `sys.argv` that the first argument, a command of this program, was chosen."""
    is_module = Path(sys.argv[0]).name == "__main__.py"
    sys.argv[:2] = [f"{'python -m src' if is_module else PROGRAM} {command}"]


def started_command() -> str:
    """Return which command this process runs; empty where Python code imported the package."""
    found = _STARTED.match(sys.argv[0])
    if found:
        return found[2]
    script = Path(sys.argv[0]).name
    return next((name for name, file in SCRIPTS.items() if file == script), "")


def as_started(text: str) -> str:
    """Return the text with each command of a checkout as the user can type it."""
    found = _STARTED.match(sys.argv[0])
    if found is None and is_checkout():
        return text
    program = found[1] if found else PROGRAM
    for name, pattern in _OF_CHECKOUT.items():
        text = re.sub(pattern, f"{program} {name}", text)
    return re.sub(r"python3? -m src(?= )", program, text)


def install_command() -> str:
    """Return how to install the packages that the program needs."""
    if is_checkout():
        return f"{sys.executable} -m pip install -r requirements.txt"
    return f"{sys.executable} -m pip check; then install the packages that it lists"
