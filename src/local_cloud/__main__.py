"""Inspect the local cloud: `python -m src.local_cloud up | psql | reset`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from src.arguments import Parser
from src.commands import as_started
from src.errors import DemoError, UsageError, missing_package
from src.local_cloud.local_cloud import LocalCloud, usable
from src.reporting.terminal.console import Console
from src.reporting.wording import printable
from src.settings import state_folder

DESCRIPTION = """\
Keep the local cloud up for other programs, or look into its warehouse.

  up              start S3, the warehouse and the other services, print how to connect,
                  run until Ctrl-C
  psql [ARGS]     open psql on the warehouse (ARGS go to psql: -c 'SELECT ...')
  reset           delete all local data: buckets, warehouse, logs

While `up` runs, the scripts use its servers instead of starting their own.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = Parser(
        prog=as_started("python -m src.local_cloud"),
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=("up", "psql", "reset"), nargs="?")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        chosen = build_parser().parse_args(argv)
        if chosen.command is None:
            raise UsageError("a command is missing: up, psql or reset",
                             hint="python -m src.local_cloud --help")  # fmt: skip
        if chosen.arguments and chosen.command != "psql":
            text = f"{chosen.command} takes no arguments: {' '.join(chosen.arguments)}"
            raise UsageError(text, hint="python -m src.local_cloud --help")
        folder = state_folder()
        if chosen.command == "reset":
            return _reset(folder)
        if chosen.command == "psql":
            with LocalCloud(folder, role="visitor") as cloud:
                return _psql(folder, cloud.write_client_files()["psql_path"], chosen.arguments)
        return _up(folder)
    except KeyboardInterrupt:
        return 0
    except DemoError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        return _fail(missing_package(error))
    except Exception as error:  # a bug must not look like another outcome
        text = f"internal error: {type(error).__name__}: {error}"
        return _fail(UsageError(text, hint="report this, with the command"))


def _fail(error: DemoError) -> int:
    Console().error(error)
    return error.exit_code


def _up(folder: Path) -> int:
    with LocalCloud(folder, role="host") as cloud:
        lines = {name: printable(line) for name, line in cloud.write_client_files().items()}
        print("The local cloud is up. Connect from another shell:\n")
        print(f"  {lines['psql']}")
        print(f"  {lines['aws']}\n")
        print(f"Any other client of Redshift or PostgreSQL: {lines['client']}")
        print(f"TLS is optional: {lines['tls']}\n")
        print("AWS's SDKs and tools; the cluster and the workgroup are both named concert-demo:")
        for name, url in cloud.endpoint_variables().items():
            print(f"  {name}={url}")
        print(f"  {lines['aws_env']}   # sets these, and the key pair\n")
        print("The scripts use these servers too. Ctrl-C stops them.", flush=True)
        cloud.watch(Console().line)


def _psql(folder: Path, program: str, arguments: list[str]) -> int:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "AWS_"))}
    environment = {**kept, "PGSERVICEFILE": str(folder / "pg_service.conf")}
    command = [program, "service=concert_demo", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def _reset(folder: Path) -> int:
    with usable(folder):
        is_there = (folder / "credentials.json").exists()
    if not is_there:
        print(printable(f"{folder} holds no local cloud; nothing was deleted."))
        return 0
    LocalCloud(folder).delete()
    print(printable(f"Deleted the local cloud in {folder}."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
