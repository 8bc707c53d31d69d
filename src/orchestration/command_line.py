"""What the scripts share: common options, exit codes, and errors instead of tracebacks."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from src import __version__
from src.errors import DemoError, UsageError, missing_package
from src.reporting.console import Console
from src.settings import Settings, load_settings

if TYPE_CHECKING:
    from src.orchestration.workflow import Workflow

EXIT_CODES = """exit codes:
  0    good
  1    it ran, and a stage or check failed
  2    it could not run: usage, settings, something unreachable, or a bug of ours
  130  interrupted by Ctrl-C
"""


class _Parser(argparse.ArgumentParser):
    """Raises UsageError instead of exiting, so that every error looks the same."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"python {self.prog} --help")


def script_parser(
    prog: str, description: str, examples: str, *, has_stages: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the options every script has."""
    parser = _Parser(
        prog=prog,
        description=description,
        epilog=f"examples:\n{examples}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    common = parser.add_argument_group("common options")
    add_setting(common, "target")
    add_setting(common, "report_dir", metavar="DIR")
    common.add_argument("--json", action="store_true", help="print the report itself on stdout")
    volume = common.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    volume.add_argument(
        "-v", "--verbose", action="store_true", help="print the log and tracebacks on stderr"
    )
    if has_stages:
        volume.add_argument(
            "--present",
            action="store_true",
            help="show tables after each stage, and on a terminal wait for a key before the next",
        )
    common.add_argument("--no-color", action="store_true", help="never color the output")
    common.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def offer(name: str, module: str) -> Callable[[str], Any]:
    """Return a script's `__getattr__`: it imports the script's class when that is asked for."""

    def get(wanted: str) -> Any:
        if wanted != name:
            raise AttributeError(wanted)
        return getattr(importlib.import_module(module), name)

    return get


def add_setting(group: Any, name: str, *, metavar: str | None = None) -> None:
    """Add the option of a setting: its help, choices and default come from Settings."""
    spec = next(f for f in fields(Settings) if f.name == name)
    meta = spec.metadata
    shown = f" (default: {spec.default})" if spec.default != "" else ""
    choices = meta["choices"]
    group.add_argument(
        "--" + name.replace("_", "-"),
        dest=name,
        default=None,  # unset: the environment or .env decides
        metavar="|".join(choices) if choices else metavar or "N",
        help=f"{meta['doc']} [{meta['env']}]{shown}".replace("%", "%%"),
    )


def settings_from(arguments: argparse.Namespace, *, may_lack: bool = False) -> Settings:
    """Build Settings from parsed options, the environment and .env."""
    names = {spec.name for spec in fields(Settings)}
    given = {k: v for k, v in vars(arguments).items() if k in names}
    return load_settings(given, may_lack=may_lack)


def console_from(arguments: argparse.Namespace) -> Console:
    """Return the console the options ask for."""
    color = not arguments.no_color and not os.environ.get("NO_COLOR")
    if arguments.verbose:
        _log_to_stderr()
    return Console(quiet=arguments.quiet, color=color)


def print_result(
    arguments: argparse.Namespace,
    workflow: Workflow,
    report: dict[str, Any],
    next_command: str | None,
) -> None:
    """Print the error or the next step, and the one thing stdout carries."""
    if workflow.error is not None:
        workflow.console.error(workflow.error)
    elif next_command:
        workflow.console.line(f"next:  {next_command}")
    print_report(arguments, report, workflow.report_path)


def print_report(arguments: argparse.Namespace, report: dict[str, Any], path: Path) -> None:
    """Print the one thing stdout carries: the report's path, or with --json the report."""
    from src.reporting.run_report import to_json

    try:
        print(to_json(report) if arguments.json else path, flush=True)
    except BrokenPipeError:
        # The reader has left; the report is on disk. Keep the interpreter's exit quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_script(
    body: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None
) -> int:
    """Run a script's body; every outcome becomes one of the documented exit codes."""
    signal.signal(signal.SIGTERM, _interrupt)
    wants_json = "--json" in (sys.argv[1:] if argv is None else argv)
    try:
        return body(argv)
    except DemoError as error:
        return _end(error, wants_json)
    except KeyboardInterrupt:
        Console().line("\nInterrupted.")
        return 130
    except ModuleNotFoundError as error:
        return _end(missing_package(error), wants_json)
    except Exception as error:  # a bug of ours must not look like a failed check
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise_trace(error)
        name = type(error).__name__
        return _end(
            UsageError(f"internal error: {name}: {error}", hint="run it again with -v"), wants_json
        )
    finally:
        if argv is None:
            # The outcome stands: while Python winds up, a signal must not turn it into another.
            for late in (signal.SIGINT, signal.SIGTERM):
                signal.signal(late, signal.SIG_IGN)


def _end(error: DemoError, wants_json: bool) -> int:
    Console(color=not os.environ.get("NO_COLOR") and "--no-color" not in sys.argv).error(error)
    if wants_json:  # `... --json | jq` works also when nothing could start
        print(json.dumps({"verdict": "failed", "exit_code": error.exit_code,
                          "error": error.as_dict()}, indent=2))  # fmt: skip
    return error.exit_code


def raise_trace(error: BaseException) -> None:
    """Print a traceback on stderr."""
    import traceback

    traceback.print_exception(error, file=sys.stderr)


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _log_to_stderr() -> None:
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("    %(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("src")
    ours.setLevel(logging.DEBUG)
    ours.addHandler(handler)
