"""The program as SageMaker starts it: numpy alone, drained by SIGTERM, nothing left by kill -9."""

import json
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from src.serving.model_package import package
from tests.conftest import ROOT
from tests.unit.serving.conftest import predictor, saved  # noqa: F401
from tests.waiting import wait_until

# What the container's image does not have; importing any of it fails.
ABSENT = ("sklearn", "scipy", "pandas", "pyarrow", "skops", "boto3", "psycopg2", "threadpoolctl",
          "dotenv", "jinja2", "rich", "faker", "duckdb", "sqlglot", "psutil")  # fmt: skip
PROGRAM = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None
from src.orchestration.command_line import run_script
from src.serving.__main__ import main
sys.exit(run_script(main))
"""
BODY = '{"capacity": 800, "starts_at": "2026-05-01 20:00", "base_price": 60}'


@pytest.fixture(scope="module")
def model(saved, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("package") / "model.tar.gz"
    path.write_bytes(package(*saved))
    return path


@pytest.fixture
def start(script, model):
    def start(*options):
        command = [sys.executable, "-c", PROGRAM, "serve", "--model", str(model), "--port", "0"]
        process = script.start_command([*command, *options], PYTHONPATH=str(ROOT))
        return process, process.stdout.readline().strip()

    return start


def test_the_server_answers_with_numpy_alone_and_ends_after_its_requests(start, predictor):  # noqa: F811
    process, url = start()
    record = {name: str(value) for name, value in json.loads(BODY).items()}
    with httpx.Client(base_url=url) as client:
        assert client.get("/ping").status_code == 200
        found = client.post("/invocations", content=BODY,
                            headers={"Content-Type": "application/json"})  # fmt: skip
        assert found.json() == json.loads(json.dumps(predictor.one(record)))
    # A request whose body is still coming when the signal comes is answered before the end.
    host, port = re.fullmatch(r"http://([\d.]+):(\d+)", url).groups()
    with socket.create_connection((host, int(port))) as late:
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n"
        late.sendall(f"{head}Content-Type: application/json\r\n\r\n{BODY[:9]}".encode())
        lines = iter(process.stderr.readline, "")
        assert any(json.loads(line)["status"] == 200 for line in lines if line[0] == "{")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(host, int(port)), "the port is closed")
        late.sendall(BODY[9:].encode())
        assert late.recv(9999).startswith(b"HTTP/1.1 200")
    assert process.wait(30) == 0
    assert "2026-05-01" not in process.stderr.read()


@pytest.mark.parametrize("line", [b"GET /ping HTTP/1.1\r\nX: ", b"GET /?a="])
def test_a_head_without_an_end_is_refused(start, line):
    """It took as much of the memory as a client sent."""
    _, url = start()
    host, port = re.fullmatch(r"http://([\d.]+):(\d+)", url).groups()
    with socket.create_connection((host, int(port))) as endless:
        endless.sendall(line)
        with pytest.raises(OSError):  # the server closes; it takes what is on its way, no more
            for _ in range(500):
                endless.sendall(b"a" * 100_000)
    assert httpx.get(f"{url}/ping").status_code == 200


def refuses(host, port):
    try:
        socket.create_connection((host, port)).close()
    except OSError:
        return True
    return False


def test_a_killed_server_leaves_nothing(start):
    process, url = start("--quiet", "--json")
    found = json.loads(url)
    assert found.keys() == {"url", "version"}
    assert psutil.Process(process.pid).children(recursive=True) == []
    process.kill()
    process.wait(30)
    assert refuses("127.0.0.1", int(found["url"].rpartition(":")[2]))


def test_a_large_body_does_not_hold_up_ping(start):
    process, url = start("--quiet")
    lines = f"{BODY}\n" * (1_000_000 // len(BODY))
    done = threading.Event()
    answers = []

    def send():
        with httpx.Client(base_url=url, timeout=120) as client:
            kind = {"Content-Type": "application/jsonlines"}
            answers.append(client.post("/invocations", content=lines, headers=kind))
        done.set()

    thread = threading.Thread(target=send)
    thread.start()
    pings = 0
    with httpx.Client(base_url=url, timeout=120) as client:
        while not done.is_set():
            pings += client.get("/ping").status_code == 200
    thread.join()
    assert answers[0].text.count("\n") == lines.count("\n") and pings >= 3


def test_a_port_that_is_taken_is_an_error_before_anything_is_printed(script, model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "src.serving", "serve", "--model", str(model),
                   "--port", port]  # fmt: skip
        done = script.run_cold(command)
    assert done.returncode == 2 and done.stdout == ""
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr


def test_the_container_has_what_the_server_needs():
    """The same packages as requirements.txt pins, and the files that the image copies exist."""
    folder = ROOT / "src/serving"
    pins = (ROOT / "requirements.txt").read_text()
    for line in (folder / "requirements.txt").read_text().splitlines():
        assert line.startswith("#") or re.search(rf"^{re.escape(line)}( |$)", pins, re.MULTILINE)
    docker = (folder / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (\S+) ", docker, re.MULTILINE):
        assert (ROOT / source).exists()
    entry = json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", docker, re.MULTILINE)[1])
    assert entry[:2] == ["sh", "-c"] and entry[2].startswith("exec python -m src.serving")
    assert Path("/opt/ml/model").as_posix() in entry[2]
