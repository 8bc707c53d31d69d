"""Look inside the local cloud: `python -m src.local_cloud up | psql | reset`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from src.errors import DemoError, missing_package
from src.local_cloud.local_cloud import LocalCloud

DESCRIPTION = """\
Keep the local cloud up for other programs, or look into its warehouse.

  up              start S3 and the warehouse, print how to connect, run until Ctrl-C
  psql [ARGS]     open psql on the warehouse (ARGS go to psql: -c 'SELECT ...')
  reset           delete all local data: buckets, warehouse, logs

While `up` runs, the scripts use its servers instead of starting their own.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m src.local_cloud",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("up", "psql", "reset"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    chosen = build_parser().parse_args(argv)
    folder = Path(os.environ.get("DEMO_STATE_DIR") or ".demo").absolute()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if chosen.command == "reset":
            return _reset(folder)
        if chosen.command == "psql":
            with LocalCloud(folder, role="visitor") as cloud:
                return _psql(folder, cloud.write_client_files()["psql_path"], chosen.arguments)
        with LocalCloud(folder, role="host") as cloud:
            lines = cloud.write_client_files()
            print("The local cloud is up. Look inside, from another shell:\n")
            print(f"  {lines['psql']}")
            print(f"  {lines['aws']}\n")
            print(f"Any other client of Redshift or PostgreSQL: {lines['client']}\n")
            print("The scripts use these servers too. Ctrl-C stops both.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except DemoError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        return _fail(missing_package(error))
    return 0


def _fail(error: DemoError) -> int:
    from src.reporting.console import Console

    Console().error(error)
    return error.exit_code


def _psql(folder: Path, program: str, arguments: list[str]) -> int:
    environment = {**os.environ, "PGSERVICEFILE": str(folder / "pg_service.conf")}
    command = [program, "service=concert_demo", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def _reset(folder: Path) -> int:
    if not (folder / "credentials.json").exists():
        print(f"{folder} holds no local cloud; nothing was deleted.")
        return 0
    LocalCloud(folder).delete()
    print(f"Deleted the local cloud in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
