"""What every script here uses: where the local cloud is, and a record of how each call ended."""

import json
import os
import traceback
from contextlib import contextmanager
from pathlib import Path

HOST, DATABASE, USER = "127.0.0.1", "dev", "demo"
PORT, PASSWORD = int(os.environ["CLIENT_PORT"]), os.environ["CLIENT_PASSWORD"]
S3_ENDPOINT, BUCKET = os.environ["CLIENT_S3"], "clients"
CA = os.environ["CLIENT_CA"]
ROLE = "arn:aws:iam::123456789012:role/clients"
_RESULTS = Path(os.environ["CLIENT_RESULTS"])


@contextmanager
def call(name, after_failure=None):
    """Record that what stands in the block passed or failed; the script goes on either way."""
    error = ""
    try:
        yield
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
        traceback.print_exc()
        if after_failure:
            after_failure()
    with _RESULTS.open("a") as file:
        file.write(json.dumps({"name": name, "error": error}) + "\n")


def same(found, wanted):
    """Fail where a result is not the one of Redshift."""
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")
