"""What the scripts share: common options, exit codes, and errors instead of tracebacks."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from src import __version__
from src.arguments import Parser
from src.commands import as_started
from src.errors import CannotRunError, DemoError, UsageError, missing_package
from src.json_object import JsonObject
from src.orchestration.option_rules import check_options
from src.reporting.terminal.console import Console, log_formatter
from src.reporting.wording import printable
from src.settings import Settings, load_settings
from src.settings.unknown import unknown_variables

if TYPE_CHECKING:
    from src.orchestration.workflow import Workflow

EXIT_CODES = """exit codes:
  0    good
  1    it ran, and a stage or check failed
  2    it could not run: usage, settings, something unreachable, or an internal error
  130  interrupted by Ctrl-C
"""


def script_parser(
    prog: str, description: str, examples: str, *, has_stages: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the options every script has."""
    parser = Parser(
        prog=as_started(prog),
        description=description,
        epilog=f"examples:\n{as_started(examples)}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_common_options(parser, has_reports=True, has_stages=has_stages)
    return parser


def add_common_options(
    parser: argparse.ArgumentParser, *, has_reports: bool = False, has_stages: bool = False
) -> None:
    """Add the options that every command has."""
    common = parser.add_argument_group("common options")
    add_setting(common, "target")
    if has_reports:
        add_setting(common, "report_dir", metavar="DIR")
    what = "the report itself" if has_reports else "the answer as JSON"
    common.add_argument("--json", action="store_true", help=f"print {what} on stdout")
    common.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    common.add_argument(
        "-v", "--verbose", action="store_true", help="print the log and tracebacks on stderr"
    )
    if has_stages:
        common.add_argument(
            "--present",
            action="store_true",
            help="show tables after each stage, and on a terminal wait for a key before the next",
        )
        common.add_argument(
            "--open",
            action="store_true",
            help="open the page at the end; print its link where there is no desktop",
        )
    common.add_argument("--no-color", action="store_true", help="never color the output")
    common.add_argument("--version", action="version", version=f"%(prog)s {__version__}")


def offer(name: str, module: str) -> Callable[[str], Any]:
    """Return a script's `__getattr__`: it imports the script's class when that is requested."""

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
    """Build Settings from parsed options, the environment and .env.

    Raises UsageError where options cannot go together.
    """
    names = {spec.name for spec in fields(Settings)}
    given = {k: v for k, v in vars(arguments).items() if k in names}
    settings = load_settings(given, may_lack=may_lack)
    check_options(arguments, settings)
    return settings


def console_from(arguments: argparse.Namespace) -> Console:
    """Return the console the options ask for."""
    color = not arguments.no_color and not os.environ.get("NO_COLOR")
    if arguments.verbose:
        _log_to_stderr()
    console = Console(quiet=arguments.quiet, color=color)
    for text in unknown_variables():
        console.line(f"warning: {text}")
    return console


def print_result(
    arguments: argparse.Namespace,
    workflow: Workflow,
    report: JsonObject,
    next_command: str | None,
) -> None:
    """Print the error or the next step, and the one thing stdout carries."""
    if workflow.error is not None:
        workflow.console.error(workflow.error)
    elif next_command:
        workflow.console.line(f"next:  {as_started(next_command)}")
    # Only the scripts with stages have --open.
    if getattr(arguments, "open", False) and workflow.page_path is not None:
        from src.orchestration.browser import show_page

        workflow.console.line(f"open:  {show_page(workflow.page_path)}")
    print_report(arguments, report, workflow.report_path)


def print_report(arguments: argparse.Namespace, report: JsonObject, path: Path) -> None:
    """Print the one thing stdout carries: the report's path, or with --json the report."""
    from src.reporting.run_report import to_json

    print_answer(to_json(report) if arguments.json else str(path), where=str(path))


def print_plan(arguments: argparse.Namespace, console: Console, plan: Sequence[str]) -> int:
    """Print what a dry run found: lines for people, with --json the same as JSON on stdout."""
    from src.reporting.run_report import to_json

    for line in plan:
        console.line(line)
    if arguments.json:
        print_answer(to_json({"verdict": "not_run", "exit_code": 0, "plan": list(plan)}))
    return 0


def print_answer(text: str, *, where: str | None = None, end: str = "\n") -> None:
    """Print what stdout carries; raises CannotRunError where it cannot be written."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        _discard_stdout()  # the reader has left; the report is on disk
    except OSError as error:
        _discard_stdout()
        raise CannotRunError(
            "the answer cannot be written to stdout",
            where=where and f"the report is {where}",
            cause=str(error),
            hint="free some space there, or send stdout elsewhere",
        ) from error


def _discard_stdout() -> None:
    """Let the interpreter's exit find nothing to write, and nothing to complain about."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_script(
    body: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None
) -> int:
    """Run a script's body; every outcome becomes one of the documented exit codes."""
    signal.signal(signal.SIGTERM, _interrupt)
    words = sys.argv[1:] if argv is None else argv
    try:
        return _run(body, argv)
    except KeyboardInterrupt:
        Console().line("\nInterrupted.")
        return 130
    except DemoError as error:
        return _end(error, words)
    finally:
        if argv is None:
            # The outcome stands: while Python ends, a signal must not turn it into another.
            for late in (signal.SIGINT, signal.SIGTERM):
                signal.signal(late, signal.SIG_IGN)


def _run(body: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None) -> int:
    """Run the body; whatever it raises becomes an error with an exit code."""
    try:
        try:
            return body(argv)
        except SystemExit as ended:  # --help and --version
            print_answer("", end="")
            return ended.code if isinstance(ended.code, int) else 2
    except (DemoError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    except Exception as error:  # an internal error must not look like a failed check
        if {"-v", "--verbose"} & set(sys.argv):
            print_trace(error)
        text = f"internal error: {type(error).__name__}: {error}"
        raise UsageError(text, hint="run the same command again with -v") from error


def _end(error: DemoError, words: Sequence[str]) -> int:
    color = not os.environ.get("NO_COLOR") and "--no-color" not in words
    Console(color=color).error(error)
    if "--json" in words:  # `... --json | jq` works also when nothing could start
        from src.reporting.run_report import to_json

        answer = {"verdict": "failed", "exit_code": error.exit_code, "error": error.as_dict()}
        with suppress(CannotRunError):  # stdout itself may be what failed
            print_answer(to_json(answer))
    return error.exit_code


def print_trace(error: BaseException) -> None:
    """Print a traceback on stderr."""
    import traceback

    Console(color=False).line(printable("".join(traceback.format_exception(error))))


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _log_to_stderr() -> None:
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter("    %(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("src")
    ours.setLevel(logging.DEBUG)
    ours.addHandler(handler)
