"""Answer over HTTP with the champion or a saved version, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from src.errors import CannotRunError
from src.json_object import JsonObject
from src.orchestration.command_line import console_from, print_answer
from src.serving.bounded_http import BoundedHttp
from src.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

DRAIN_S = 25  # SageMaker ends a container 30 s after SIGTERM
_BACKLOG = 2048


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--model", type=Path, metavar="PATH",
        help="folder or model.tar.gz of a saved version (default: the champion)",
    )  # fmt: skip
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on "
        "(default: 127.0.0.1, which only this machine reaches)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port; 0 takes a free one "
        "(default: 8080)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Load and check the model, listen, and answer until a signal; returns the exit code."""
    console = console_from(arguments)
    from src.serving.app import PredictionServer
    from src.serving.models import load_predictor

    predictor = load_predictor(arguments.model, settings)
    with _listening(arguments.host, arguments.port) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        console.line(f"ticket_sales version {predictor.version} answers; Ctrl-C ends it")
        console.line(
            f"try:  curl -s -H 'Content-Type: application/json' {url}/invocations --data "
            """'{"capacity": 800, "starts_at": "2026-05-01 20:00", "base_price": 60}'"""
        )
        print_answer(json.dumps({"url": url, "version": predictor.version})
                     if arguments.json else url)  # fmt: skip
        log = _log if not arguments.quiet else _no_log
        return _Server.answer(PredictionServer(predictor, log).app(), listener)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Open the port; raises CannotRunError where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, proto=socket.IPPROTO_TCP
        )[0]
        # Of a stated protocol: else asyncio leaves out TCP_NODELAY, and answers wait 40 ms.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        raise CannotRunError(
            f"the server cannot listen on {host} port {port}", cause=str(error),
            hint="name another port: --port 0 takes a free one",
        ) from error  # fmt: skip
    with listener:
        yield listener


class _Server(uvicorn.Server):
    """Ends after the requests it has, with exit code 0 by SIGTERM and 130 by Ctrl-C."""

    ended_by = 0

    @classmethod
    def answer(cls, app: Starlette, listener: socket.socket) -> int:
        server = cls(
            uvicorn.Config(
                app, loop="asyncio", http=BoundedHttp, ws="none", lifespan="off",
                proxy_headers=False,
                log_config=None, access_log=False, server_header=False,
                timeout_keep_alive=75, timeout_graceful_shutdown=DRAIN_S,
            )
        )  # fmt: skip
        server.run(sockets=[listener])
        return 130 if server.ended_by == signal.SIGINT else 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals while the server runs; they are not raised again afterwards."""
        chosen = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in chosen}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking connections; a second Ctrl-C does not wait for requests either."""
        self.ended_by = self.ended_by or sig
        super().handle_exit(sig, frame)


def _log(line: JsonObject) -> None:
    sys.stderr.write(json.dumps(line) + "\n")


def _no_log(_line: JsonObject) -> None:
    return None
