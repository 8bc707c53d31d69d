"""Ratios of several runs beside the ones that were committed: what became slower than noise.

Only ratios are compared, each of two times of one run: absolute times are those of a machine.
In every one more is better, but for those whose name begins with "cost".
"""

import json
import statistics
from pathlib import Path

COMMITTED = Path(__file__).with_name("figures.json")


def ratios(figures):
    """Return the ratios among a part's figures."""
    return {name: value for name, value in figures.items() if "ratio" in name}


def spread(runs):
    """Return each ratio's least, median and greatest value over runs of one part."""
    found = {}
    for name in ratios(runs[0]):
        values = sorted(run[name] for run in runs)
        found[name] = [values[0], statistics.median(values), values[-1]]
    return found


def slower(now, before):
    """Return a line for each ratio whose whole spread is on the worse side of the committed one."""
    lines = []
    for part, measured in now.items():
        for name, (low, middle, high) in measured.items():
            least, known, most = before.get(part, {}).get(name, (0.0, middle, float("inf")))
            is_worse = low > most if name.startswith("cost") else high < least
            if is_worse:
                lines.append(
                    f"{part}: {name} is {middle:.2f} ({low:.2f} to {high:.2f}); "
                    f"committed: {known:.2f} ({least:.2f} to {most:.2f})"
                )
    return lines


def compare(now, *, keep=False):
    """Print what became slower and return how much that is; `keep` makes these the committed."""
    before = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    if keep:
        COMMITTED.write_text(json.dumps({**before, **now}, indent=2, sort_keys=True) + "\n")
        return 0
    lines = slower(now, before)
    print("\n".join(lines) if lines else "nothing became slower than its spread")
    return len(lines)
