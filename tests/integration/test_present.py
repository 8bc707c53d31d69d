"""--present on a terminal: one key a stage, and servers to look into before the end."""

import os
import pty
import signal
import subprocess
import sys
import termios
import threading

import pytest

from tests.conftest import LIMIT_S, ROOT, SMALL
from tests.waiting import wait_until


class Terminal:
    """A script on a pseudo-terminal, and everything it has written there."""

    def __init__(self, script, *arguments):
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            script.command("--present", *arguments), cwd=ROOT, env=script.environment(),
            stdin=slave, stderr=slave, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._text = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        try:
            while part := os.read(self._master, 4096):
                self._text += part
        except OSError:
            return  # Linux ends a pseudo-terminal with an error

    @property
    def text(self):
        return self._text.decode(errors="replace")

    def wait_for(self, words, count=1):
        def asks():
            assert self._reader.is_alive(), self.text
            return self.text.count(words) >= count and self._takes_keys()

        wait_until(asks, f"{words!r} for the {count}. time", timeout_s=LIMIT_S)

    def _takes_keys(self):
        """Keys pressed before are thrown away in the moment in which the terminal changes."""
        return not termios.tcgetattr(self._master)[3] & termios.ICANON

    def press(self, key=b" "):
        os.write(self._master, key)

    def close(self):
        self.process.kill()
        self.process.communicate()
        self._reader.join()
        os.close(self._master)


@pytest.fixture
def terminal(script):
    opened = []

    def open_terminal(*arguments):
        opened.append(Terminal(script, *arguments))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_each_stage_waits_for_a_key_and_the_servers_for_the_last(script, terminal):
    shown = terminal(*SMALL)
    for index in range(1, 5):
        shown.wait_for("Press any key to continue:", index)
        assert f"  {index + 1}/5  " not in shown.text
        shown.press()
    shown.wait_for("Press any key to stop the servers")
    assert (script.state / "servers.json").exists()
    psql = subprocess.run(
        [sys.executable, "-m", "src.local_cloud", "psql", "-Atc",
         "SELECT COUNT(*) FROM concert_dw.concerts"],
        cwd=ROOT, env=script.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert psql.stdout.strip() == "200"
    shown.press()
    output, _ = shown.process.communicate(timeout=LIMIT_S)
    assert shown.process.returncode == 0 and output.decode().strip().endswith(".json")
    assert not (script.state / "servers.json").exists()
    for words in ("Rows at each step", "Data quality", "in the warehouse"):
        assert words in shown.text


@pytest.mark.parametrize(
    ("stage", "code"), [("Press any key to continue:", 130), ("Press any key to stop", 0)]
)
def test_ctrl_c_at_a_pause(terminal, stage, code):
    shown = terminal(*SMALL)
    if code == 0:
        for index in range(1, 5):
            shown.wait_for("Press any key to continue:", index)
            shown.press()
    shown.wait_for(stage)
    shown.process.send_signal(signal.SIGINT)
    shown.process.communicate(timeout=LIMIT_S)
    assert shown.process.returncode == code
    assert "Traceback" not in shown.text


def test_without_a_terminal_the_tables_are_shown_and_nothing_waits(script):
    done = script.run("--present", *SMALL)
    assert done.returncode == 0
    assert "Rows at each step" in done.stderr and "Press any key" not in done.stderr
