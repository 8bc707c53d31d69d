"""One alert for each change of state; what receives it may be down, slow or wrong."""

import json
import socket
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.orchestration.operations.alerts import Alerts
from src.reporting.terminal.console import Console
from src.settings import Settings


class Lines(Console):
    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def line(self, text=""):
        self.lines.append(text)


@pytest.fixture
def make(tmp_path):
    def made(**settings):
        console = Lines()
        found = Alerts(Settings(report_dir=str(tmp_path), **settings), console, limit_s=1.0)
        return found, console.lines

    return made


@contextmanager
def webhook(answer=200):
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret-token", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@given(st.lists(st.sampled_from(["OK", "ALARM", "INSUFFICIENT_DATA"]), max_size=12))
def test_a_state_is_told_once(tmp_path_factory, states):
    alerts = Alerts(Settings(report_dir=str(tmp_path_factory.mktemp("a"))), Console(quiet=True))
    told = [alert.state for state in states for alert in alerts.update({"x": (state, "why")})]
    changes = [now for before, now in zip(["OK", *states], states, strict=False) if now != before]
    assert told == changes
    if states:
        assert alerts.states()["x"]["state"] == states[-1]


def test_the_command_gets_lines_of_json(make, tmp_path):
    taken = tmp_path / "taken"
    copy = f"import sys; open({str(taken)!r}, 'w').write(sys.stdin.read())"
    alerts, lines = make(alert_command=f'{sys.executable} -c "{copy}"')
    alerts.update({"cycle": ("ALARM", "no space"), "other": ("OK", "good")})
    (line,) = taken.read_text().splitlines()
    found = json.loads(line)
    assert (found["alarm"], found["state"], found["before"]) == ("cycle", "ALARM", "OK")
    assert not [text for text in lines if "warning" in text]


def test_the_webhook_gets_one_text(make):
    with webhook() as (address, bodies):
        alerts, _ = make(alert_webhook=address)
        alerts.update({"cycle": ("ALARM", "no space")})
        alerts.update({"cycle": ("ALARM", "no space still")})
    assert [json.loads(body) for body in bodies] == [
        {"text": "ALARM: cycle: no space (before: OK)"}
    ]


@pytest.fixture
def hanging():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/secret-token"


def test_what_receives_alerts_may_hang_be_down_or_refuse(make, hanging, closed_port, tmp_path):
    """It costs the limit at most, and no line shows the address."""
    with webhook(500) as (refusing, _):
        for number, receiver in enumerate([
            {"alert_webhook": hanging},
            {"alert_webhook": f"http://127.0.0.1:{closed_port}/secret-token"},
            {"alert_webhook": refusing},
            {"alert_webhook": "secret-token"},
            {"alert_command": f'{sys.executable} -c "while True: pass"'},
            {"alert_command": "/no/such/program"},
            {"alert_command": f'{sys.executable} -c "raise SystemExit(3)"'},
            {"alert_command": 'an "open quote'},
        ]):  # fmt: skip
            alerts, lines = make(**receiver)
            clock = time.monotonic()
            alerts.update({f"alarm {number}": ("ALARM", "why")})
            assert time.monotonic() - clock < 4, receiver
            warned = [text for text in lines if text.startswith("warning: DEMO_ALERT_")]
            assert len(warned) == 1, receiver
            assert not [text for text in lines if "secret-token" in text or "127.0.0.1" in text]
    kept = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "secret-token" not in kept


def test_a_report_folder_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    console = Lines()
    alerts = Alerts(Settings(report_dir=str(tmp_path / "file")), console)
    alerts.update({"cycle": ("ALARM", "why")})
    assert any("alerts cannot be written" in text for text in console.lines)
