"""Run other people's clients against the local Redshift: `python -m tests.clients --help`."""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from src.local_cloud.local_cloud import LocalCloud
from tests.clients.clients import CLIENTS, CannotRunHereError
from tests.clients.counts import RESULTS, keep
from tests.clients.places import BUCKET, Places
from tests.contract import reference_pages

DESCRIPTION = """\
Run other people's clients and their own test suites against a local cloud of their own.

Their environments, sources and logs are kept in the scratch folder; the counts go to
tests/clients/results.json and into the matrix of src/local_cloud/README.md.
"""


def build_parser():
    parser = argparse.ArgumentParser(
        "python -m tests.clients",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(client.name for client in CLIENTS)
    parser.add_argument("names", nargs="*", metavar="CLIENT", help=f"only these: {names}")
    parser.add_argument("--ci", action="store_true",
                        help="the stable selection; fails where fewer calls pass than in the "
                        "results file, and does not write it")  # fmt: skip
    scratch = Path(tempfile.gettempdir()) / "concert-demo-clients"
    parser.add_argument("--scratch", type=Path, default=scratch, help=f"default: {scratch}")
    parser.add_argument("--sqlfluff", type=Path, help="a checkout of sqlfluff/sqlfluff")
    parser.add_argument("--redshift-connector", type=Path,
                        help="a checkout of aws/amazon-redshift-python-driver")  # fmt: skip
    return parser


def chosen_clients(options, checkouts):
    known = {client.name: client for client in CLIENTS}
    if unknown := [name for name in options.names if name not in known]:
        raise SystemExit(f"no such client: {unknown[0]}; python -m tests.clients --help lists them")
    chosen = [known[name] for name in options.names] or list(CLIENTS)
    if options.ci:
        chosen = [client for client in chosen if client.in_ci]
    for client in chosen:
        if client.needs and client.needs not in checkouts:
            option = "--" + client.needs.replace("_", "-")
            print(f"{client.name}: not run, it needs {option} PATH")
    return [client for client in chosen if not client.needs or client.needs in checkouts]


def run_clients(clients, scratch, checkouts):
    """Return the counts of each client that could run, by its name."""
    scratch.mkdir(parents=True, exist_ok=True)
    state = scratch / "state"
    if state.exists():
        LocalCloud(state).delete()
    found = {}
    with LocalCloud(state, role="host") as cloud:
        cloud.s3_client().create_bucket(Bucket=BUCKET)
        places = Places(scratch.resolve(), cloud, checkouts)
        for client in clients:
            started = time.monotonic()
            try:
                counts = client.run(places)
            except CannotRunHereError as error:
                print(f"{client.name:30} not run: {error}")
                continue
            found[client.name] = counts
            seconds = time.monotonic() - started
            skipped = f", {counts.skipped} skipped" if counts.skipped else ""
            print(f"{client.name:30} {counts.passed} of {counts.total} pass{skipped} "
                  f"({seconds:.0f} s) {counts.note}", flush=True)  # fmt: skip
            for name in counts.failed[:10]:
                print(f"    not: {name}")
    shutil.rmtree(state, ignore_errors=True)
    return found


def is_worse(found):
    """Tell whether a client passes fewer calls than when the results were last written."""
    known = reference_counts()
    worse = [n for n, c in found.items() if c.passed < known.get(n, {"passed": 1})["passed"]]
    for name in worse:
        print(f"{name}: fewer calls pass than {RESULTS.name} has ({known.get(name)})")
    return bool(worse)


def reference_counts():
    import json

    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def main(argv=None):
    options = build_parser().parse_args(argv)
    given = {"sqlfluff": options.sqlfluff, "redshift_connector": options.redshift_connector}
    checkouts = {name: path.resolve() for name, path in given.items() if path}
    clients = chosen_clients(options, checkouts)
    try:
        found = run_clients(clients, options.scratch, checkouts)
    except RuntimeError:
        traceback.print_exc()
        return 2
    if options.ci:
        return int(is_worse(found))
    keep(found)
    reference_pages.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
