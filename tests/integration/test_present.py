"""--present on a terminal: cards, tables and keys on screens that fit, at three sizes."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading

import pyte
import pytest

from tests.conftest import ROOT, SMALL
from tests.waiting import wait_until

WAIT_S = 300  # for the next screen, on a busy machine
NEXT, RIGHT, LEFT, UP, DELETE = b" ", b"\x1b[C", b"\x1b[D", b"\x1b[A", b"\x1b[3~"


class Terminal:
    """A script on a pseudo-terminal of some size, and what a person sees there."""

    def __init__(self, command, environment, columns, lines):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.columns = columns
        self._screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._parts = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = b""
        self.process = subprocess.Popen(
            # It must be the session's own terminal: only there is Ctrl-C a signal.
            ["setsid", "--ctty", *command], cwd=ROOT, env=environment,
            stdin=slave, stderr=slave, stdout=subprocess.PIPE,
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        try:
            while part := os.read(self._master, 4096):
                with self._lock:
                    self.raw += part
                    self._parts.feed(part.replace(b"\n", b"\r\n"))
        except OSError:
            return  # Linux ends a pseudo-terminal with an error

    @property
    def text(self):
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def see(self, *words):
        """Wait until these words are on the screen, and a key is waited for."""

        def asks():
            assert self._reader.is_alive(), self.text
            return all(word in self.text for word in words) and self._takes_keys()

        wait_until(asks, f"{words!r}", timeout_s=WAIT_S)

    def _takes_keys(self):
        """Keys pressed before are thrown away in the moment in which the terminal changes."""
        return not termios.tcgetattr(self._master)[3] & termios.ICANON

    def press(self, *keys):
        for key in keys:
            os.write(self._master, key)

    def turn_to(self, words):
        """Press the key that continues until these words are on the screen."""
        for _ in range(40):
            if words in self.text:
                return
            self.turn()
        raise AssertionError(self.text)

    def turn(self):
        """Press the key that continues, and wait for the next screen, or the end.

        The foot is drawn last: where it stands, keys are taken.
        """
        before = self.text
        self.press(NEXT)
        wait_until(
            lambda: self.process.poll() is not None
            or ((now := self.text) != before and ("space next" in now or "space ends" in now)),
            "a turn", timeout_s=WAIT_S,
        )  # fmt: skip

    def end(self):
        output, _ = self.process.communicate(timeout=WAIT_S)
        self._reader.join()
        return output.decode()

    def close(self):
        self.process.kill()
        self.process.communicate()
        self._reader.join()
        os.close(self._master)


@pytest.fixture
def terminal(script):
    opened = []

    def open_terminal(*arguments, columns=100, lines=30, command=None, **variables):
        found = command or script.command("--present", *arguments)
        opened.append(Terminal(found, script.environment(**variables), columns, lines))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def frames(shown):
    """Return the screens that were drawn, each as its lines without codes and without the foot."""
    drawn = shown.raw.decode(errors="replace").split("\x1b[H\x1b[J")[1:]
    for frame in drawn:
        text = re.split(r"\x1b\[\d+;1H", frame)[0]
        yield [re.sub(r"\x1b\[[\d;]*m", "", line) for line in text.splitlines()]


@pytest.mark.parametrize(("columns", "lines"), [(100, 30), (80, 24), (60, 20)])
def test_a_show_fits_the_terminal_and_its_keys_do_what_the_foot_says(
    script, terminal, columns, lines
):
    shown = terminal(*SMALL, columns=columns, lines=lines)
    shown.see("1/5  S3 buckets", "say", "space next")
    shown.press(UP, b"x", b"4")
    shown.see("stage 4 has not begun")
    shown.press(b"s")
    shown.see("no rejected record is loaded yet")
    shown.press(RIGHT)
    shown.turn_to("2/5  data generation")
    shown.press(LEFT, LEFT)
    shown.see("Two buckets are made")
    shown.press(b"?")
    shown.see("Any other key does nothing")
    shown.press(b"b")
    shown.see("Two buckets are made")
    shown.turn_to("5/5  data verification")
    shown.press(b"3")
    shown.see("3/5  Glue ETL", "AWS Glue")
    shown.press(b"s")
    shown.see("Rejected record 1 of ")
    shown.press(b"b", b"o")
    shown.see("no page yet")
    shown.turn_to("psql")
    shown.see("The servers stop when you go on")
    assert (script.state / "servers.json").exists()
    shown.press(b"o")
    shown.see("file://")
    shown.press(NEXT)
    report = json.loads((ROOT / shown.end().strip()).read_text())
    assert report["verdict"] == "succeeded" and shown.process.returncode == 0
    assert not (script.state / "servers.json").exists()
    drawn = list(frames(shown))
    assert len(drawn) > 12
    for frame in drawn:
        assert len(frame) <= lines - 2, frame
        assert max(map(len, frame)) <= columns, frame
    told = "\n".join(line for frame in drawn for line in frame)
    for words in ("Rows at each step", "Data quality", "copied"):
        assert words in re.sub(r"\s+", " ", told)
    assert {check["title"].split()[0] for check in report["steps"]["data_verification"]["checks"]}


def test_an_arrow_or_another_key_never_starts_a_stage(script, terminal):
    shown = terminal(*SMALL)
    shown.see("1/5  S3 buckets", "space next")
    shown.press(UP, b"\x1b[B", DELETE, b"\x1b", b"x", "é".encode(), b"\x1b[1;5A", b"?")
    shown.see("Any other key does nothing")
    assert not script.state.exists() or not list((script.state / "s3").glob("*"))


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_a_stop_at_a_card_names_it_and_offers_the_rest(script, terminal, key):
    shown = terminal(*SMALL)
    shown.turn_to("3/5  Glue ETL")
    shown.see("3/5  Glue ETL", "say")
    shown.press(key)
    assert shown.end() and shown.process.returncode == 130
    told = shown.text
    assert "interrupted before Glue ETL" in told and "Traceback" not in told
    assert "python run_demo_pipeline.py --resume --present" in told
    again = script.run("--resume")
    assert again.returncode == 0 and "2 ok, 0 failed" not in again.stderr


def test_ctrl_c_at_the_last_screen_is_a_key_like_any_other(terminal):
    shown = terminal(*SMALL)
    shown.turn_to("psql")
    shown.process.send_signal(signal.SIGINT)
    shown.end()
    assert shown.process.returncode == 0 and "Traceback" not in shown.text


@pytest.mark.parametrize("scene", ["pipeline", "training", "serving", "live"])
def test_the_cards_of_each_scene_fit_a_small_terminal(terminal, scene):
    command = [sys.executable, "-m", "src", "cards", scene]
    shown = terminal(columns=60, lines=20, command=command)
    shown.see("1/", "space next")
    while shown.process.poll() is None:
        shown.turn()
    assert shown.process.returncode == 0
    for frame in frames(shown):
        assert len(frame) <= 18 and max(map(len, frame)) <= 60, frame


def test_without_a_terminal_the_tables_are_shown_and_nothing_waits(script):
    done = script.run("--present", *SMALL)
    assert done.returncode == 0
    assert "Rows at each step" in done.stderr and "space next" not in done.stderr
