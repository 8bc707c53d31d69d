"""Look inside the local cloud: `python -m src.local_cloud up | psql | reset`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from src.errors import DemoError
from src.local_cloud.local_cloud import LocalCloud

DESCRIPTION = """\
Keep the local cloud up for other programs, or look into its warehouse.

  up              start S3 and the warehouse, print how to connect, run until Ctrl-C
  psql [ARGS]     open psql on the warehouse (ARGS go to psql: -c 'SELECT ...')
  reset           delete all local data: buckets, warehouse, logs
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m src.local_cloud",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("up", "psql", "reset"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    folder = Path(os.environ.get("DEMO_STATE_DIR") or ".demo").absolute()
    try:
        if chosen.command == "reset":
            return _reset(folder)
        with LocalCloud(folder) as cloud:
            lines = cloud.write_client_files()
            if chosen.command == "psql":
                return _psql(folder, lines["psql_path"], chosen.arguments)
            print("The local cloud is up. In another shell:\n")
            print(f"  {lines['psql']}")
            print(f"  {lines['aws']}\n")
            print("Pipeline runs wait until this ends. Ctrl-C stops both servers.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except DemoError as error:
        from src.reporting.console import Console

        Console().error(error)
        return error.exit_code
    return 0


def _psql(folder: Path, program: str, arguments: list[str]) -> int:
    environment = {**os.environ, "PGSERVICEFILE": str(folder / "pg_service.conf")}
    command = [program, "service=concert_demo", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def _reset(folder: Path) -> int:
    if not (folder / "lock").exists():
        print(f"{folder} holds no local cloud; nothing was deleted.")
        return 0
    cloud = LocalCloud(folder)
    with cloud.locked():
        for place in cloud.places():
            shutil.rmtree(place, ignore_errors=True)
    print(f"Deleted the local cloud in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
