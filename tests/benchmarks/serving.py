"""The figures of answers: `python -m tests.benchmarks.serving models/ticket_sales/1`.

Each of HTTP stands beside a floor measured in the same run: the same client against a server that
answers any request with a constant.
"""

import argparse
import asyncio
import hashlib
import json
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from src.serving.model_package import package, read_package
from src.serving.predictor import Predictor
from tests.conftest import ROOT

RECORD = {"capacity": 800, "starts_at": "2026-05-01 20:00", "popularity": 45, "base_price": 60,
          "genre": "rock", "city": "Berlin"}  # fmt: skip
FLOOR = """
import asyncio
class Answer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        self.transport.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}')
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, '127.0.0.1', 0)
    print(f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}', flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Client(asyncio.Protocol):
    """Sends one request after another over one connection and times the answers."""

    def __init__(self, request, until):
        self.request, self.until = request, until
        self.times, self.failed, self.sent = [], 0, 0
        self.done = asyncio.get_running_loop().create_future()
        self.rest, self.left = b"", None

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        self.sent += 1
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data):
        self.rest += data
        head, mark, body = self.rest.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self.times.append(time.perf_counter() - self.started)
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self.rest = b""
        if time.perf_counter() < self.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, _error):
        if not self.done.done():
            self.done.set_result(None)


def request(method, path, body=b"", kind="application/json"):
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def loaded(url, sent, connections, seconds):
    loop, port = asyncio.get_running_loop(), int(url.rpartition(":")[2])
    until = time.perf_counter() + seconds
    pairs = await asyncio.gather(
        *(loop.create_connection(lambda: Client(sent, until), "127.0.0.1", port)
          for _ in range(connections))
    )  # fmt: skip
    await asyncio.gather(*(client.done for _, client in pairs))
    clients = [client for _, client in pairs]
    times = sorted(t for client in clients for t in client.times)
    return {
        "requests_a_second": round(len(times) / max(seconds, 1e-9)),
        "p50_ms": round(statistics.median(times) * 1000, 3),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 3),
        "lost": sum(c.sent for c in clients) - len(times) + sum(c.failed for c in clients),
    }


@contextmanager
def running(command, **options):
    """Start a server; yields its address, which it prints."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **options) as one:
        try:
            yield one.stdout.readline().strip()
        finally:
            one.terminate()


def predictions(folder):
    """How long one prediction takes in the process, from the record's texts to the answer."""
    predictor, times = Predictor.load(folder), []
    record = {name: str(value) for name, value in RECORD.items()}
    for _ in range(3000):
        started = time.perf_counter()
        predictor.one(record)
        times.append((time.perf_counter() - started) * 1000)
    times = sorted(times[500:])
    return {"p50_ms": round(statistics.median(times), 3),
            "p99_ms": round(times[int(len(times) * 0.99)], 3)}  # fmt: skip


async def large_body(url, megabytes=6.2):
    """How long a body of the largest size takes, and the slowest /ping meanwhile."""
    line = json.dumps(RECORD).encode() + b"\n"
    body = line * int(megabytes * 1e6 / len(line))
    big = request("POST", "/invocations", body, "application/jsonlines")
    started, slowest = time.perf_counter(), 0.0
    task = asyncio.create_task(loaded(url, big, 1, 0))
    while not task.done():
        ping = await loaded(url, request("GET", "/ping"), 1, 0)
        slowest = max(slowest, ping["p99_ms"])
    found = await task
    return {"rows": body.count(b"\n"), "seconds": round(time.perf_counter() - started, 2),
            "slowest_ping_ms": slowest, "lost": found["lost"]}  # fmt: skip


def measured(folder, seconds):
    files, manifest = read_package(folder)
    packed = package(files, manifest)
    figures = {"package": {
        "bytes": len(packed), "is_identical": package(files, manifest) == packed,
        "sha256": hashlib.sha256(packed).hexdigest()[:12],
    }, "prediction": predictions(folder)}  # fmt: skip
    sent = request("POST", "/invocations", json.dumps(RECORD).encode())
    command = [sys.executable, "-m", "src.serving", "serve", "--port", "0", "--quiet",
               "--model", str(folder)]  # fmt: skip
    started = time.perf_counter()
    with running(command) as url:
        asyncio.run(loaded(url, request("GET", "/ping"), 1, 0))
        figures["start_to_ping_s"] = round(time.perf_counter() - started, 2)
        asyncio.run(loaded(url, sent, 16, 0.5))  # warm
        for connections in (1, 16, 160):
            figures[f"http_{connections}"] = asyncio.run(loaded(url, sent, connections, seconds))
        figures["large_body"] = asyncio.run(large_body(url))
    with running([sys.executable, "-c", FLOOR]) as url:
        for connections in (1, 16, 160):
            figures[f"floor_{connections}"] = asyncio.run(loaded(url, sent, connections, seconds))
    a = np.random.default_rng(1).random((200, 200))
    started = time.perf_counter()
    for _ in range(20):
        np.sort(a, axis=None)
    figures["machine_sort_ms"] = round((time.perf_counter() - started) / 20 * 1000, 3)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    print(json.dumps(measured(options.model.absolute(), options.seconds), indent=1))


if __name__ == "__main__":
    sys.exit(main())
