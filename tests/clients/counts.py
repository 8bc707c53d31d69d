"""What a client's run comes to: how many calls passed, and which did not."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")


@dataclass
class Counts:
    """The calls of one client by how they ended."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: int = 0
    apart: int = 0  # refused by name, of a kind that stays refused
    note: str = ""

    @property
    def total(self):
        return self.passed + len(self.failed) + self.apart

    def add(self, name, error):
        if error:
            self.failed.append(name)
        else:
            self.passed += 1


def of_calls(path):
    """Return the counts of a script's record."""
    counts = Counts()
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        counts.add(entry["name"], entry["error"])
    return counts


def of_junit(path):
    """Return the counts of a test suite's report."""
    counts = Counts()
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("skipped") is not None:
            counts.skipped += 1
        else:
            name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
            counts.add(name, case.find("failure") is not None or case.find("error") is not None)
    return counts


def keep(found):
    """Write the results of these clients among those of the others."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known.update({name: asdict(counts) for name, counts in found.items()})
    RESULTS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def matrix(_=""):
    """Return the table of the README."""
    lines = ["| client | calls that pass | not | note |", "| --- | --- | --- | --- |"]
    for name, fields in json.loads(RESULTS.read_text()).items():
        counts = Counts(**fields)
        shown = ", ".join(f"`{one}`" for one in counts.failed[:3])
        if len(counts.failed) > 3:
            shown = f"{len(counts.failed)} (`tests/clients/results.json` names them)"
        skipped = f"; {counts.skipped} skipped" if counts.skipped else ""
        apart = f"; {counts.apart} of kinds that stay refused" if counts.apart else ""
        lines.append(f"| {name} | {counts.passed} of {counts.total}{skipped}{apart} | {shown} "
                     f"| {counts.note} |")  # fmt: skip
    return "\n".join(lines)
