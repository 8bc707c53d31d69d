"""What a producer keeps on the disk, so that one that was killed continues where it was.

`ledger.jsonl` has a line for each plan and one for each acknowledged call, on the disk before the
next call is made. A line that a kill has cut is as if it had not been written: its events are sent
again, and readers of the stream drop them by their key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from src.json_object import JsonObject

NAME = "ledger.jsonl"


class ProducerLedger:
    """The ledger of one stream's producer; use it as a context manager while writing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plans: list[JsonObject] = []
        self.acknowledged = 0  # every event with a lower number is on the stream
        self.defects: dict[int, str] = {}  # of the events that are broken on purpose
        self._file: IO[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        for line in self._lines():
            if "plan" in line:
                self.plans.append(line["plan"])
            else:
                self.acknowledged = line["acknowledged"]
                self.defects |= {int(number): kind for number, kind in line["defects"]}

    def _lines(self) -> list[JsonObject]:
        path = self.folder / NAME
        whole = path.read_bytes() if path.exists() else b""
        kept, _, cut = whole.rpartition(b"\n")
        if cut:
            os.truncate(path, len(whole) - len(cut))
        return [json.loads(line) for line in kept.splitlines()]

    def __enter__(self) -> ProducerLedger:
        self._file = (self.folder / NAME).open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self, plan: JsonObject) -> None:
        """Note what decides the events from here on."""
        self.plans.append(plan)
        self._write({"plan": plan})

    def acknowledge(self, below: int, defects: Iterable[tuple[int, str]]) -> None:
        """Note that all events below a number are on the stream, and which of them are broken."""
        self.acknowledged = below
        found = list(defects)
        self.defects |= dict(found)
        self._write({"acknowledged": below, "defects": found})

    def _write(self, line: JsonObject) -> None:
        if self._file is None:
            raise RuntimeError("the ledger is not open")
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
