"""A local stream behind its HTTP endpoint, without the rest of the local cloud.

`python -m tests.streaming.stream_server FOLDER PORT` serves one from a process that can be killed.
"""

import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

from src.local_cloud.endpoint.dispatch import Dispatcher
from src.local_cloud.endpoint.server import EndpointServer
from src.local_cloud.endpoint.signature import SignatureCheck
from src.local_cloud.kinesis.limits import Limits
from src.local_cloud.kinesis.local_kinesis import LocalKinesis
from src.local_cloud.servers.server_set import shared_loader

KEYS = "AKIATEST", "secret"
FILE = "streams.sqlite"


def endpoint(kinesis, port=0):
    """Return a started server of a stream."""
    dispatcher = Dispatcher({"kinesis": lambda: kinesis}, SignatureCheck(*KEYS), shared_loader())
    server = EndpointServer(dispatcher)
    server.port = port
    server.start()
    return server


def client_of(port, **config):
    """Return a boto3 client that asks once."""
    once = {"max_attempts": 0}
    return boto3.client(
        "kinesis", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
        aws_access_key_id=KEYS[0], aws_secret_access_key=KEYS[1],
        config=Config(**{"retries": once, "connect_timeout": 2, "read_timeout": 20, **config}),
    )  # fmt: skip


@contextmanager
def served(file, **arguments):
    """Give a client of a stream on a file."""
    with closing(LocalKinesis(file, **arguments)) as kinesis:
        server = endpoint(kinesis)
        try:
            with closing(client_of(server.port)) as client:
                yield client
        finally:
            server.stop()


def main(folder, port, limits):
    kinesis = LocalKinesis(Path(folder) / FILE, limits=Limits() if limits == "limits" else None)
    print(endpoint(kinesis, int(port)).port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:4])
