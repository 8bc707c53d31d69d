"""A model's server in a few lines, for tests of what keeps such servers: starts in 0.1 s.

`model.json` in the model's folder says how it behaves: the version it answers with; `start`:
"exit" ends at once, "ill" answers /ping with 503. A request's body can be a command.
"""

import argparse
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
for option in ("--model", "--host", "--port"):
    parser.add_argument(option)
given = parser.parse_args()
model = json.loads((Path(given.model) / "model.json").read_text())
if model.get("start") == "exit":
    sys.exit("the model cannot be loaded")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(503 if model.get("start") == "ill" else 200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if body == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if body == b"wait":
            time.sleep(30)
        status = int(body.removeprefix(b"status ")) if body.startswith(b"status") else 200
        status = model.get("status", status)
        kind = self.headers.get("content-type", "")
        if kind.startswith(("text/csv", "application/jsonlines")):
            return self.answer(status, body.upper())
        found = {"version": model["version"], "pid": os.getpid(), "size": len(body),
                 "accept": self.headers.get("accept"), "folder": given.model}  # fmt: skip
        return self.answer(status, json.dumps(found).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        attributes = self.headers.get("x-amzn-sagemaker-custom-attributes")
        if attributes:
            self.send_header("x-amzn-sagemaker-custom-attributes", attributes)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer((given.host, int(given.port)), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print(f"http://{given.host}:{server.server_port}", flush=True)
server.serve_forever()
