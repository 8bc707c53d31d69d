"""Drift since training: population stability of each feature, against chance."""

from __future__ import annotations

import numpy as np

from src.json_object import JsonObject
from src.services.arrays import Floats

BINS = 10
MIN_ROWS = 200


def profile(matrix: Floats, names: tuple[str, ...]) -> JsonObject:
    """Return each feature's quantile edges and shares in the reference rows."""
    found: JsonObject = {"rows": len(matrix), "features": {}}
    for index, name in enumerate(names):
        column = matrix[:, index]
        edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
        found["features"][name] = {"edges": edges.tolist(), "shares": _shares(column, edges)}
    return found


def drift(reference: JsonObject, matrix: Floats, names: tuple[str, ...]) -> JsonObject:
    """Compare rows with a profile; returns {"verdict", "features": [{feature, psi, limit}]}.

    The folklore limit of 0.1 alone gives false alarms on few rows: the limit here is the larger
    of it and what chance reaches once in a thousand (PSI x 1/(1/n+1/m) is chi-squared).
    """
    from scipy.stats import chi2

    if len(matrix) < MIN_ROWS:
        return {"verdict": "insufficient data", "rows": len(matrix), "features": []}
    rows = []
    for index, name in enumerate(names):
        known = reference["features"].get(name)
        if known is None:
            continue
        shares = np.array(_shares(matrix[:, index], np.array(known["edges"])))
        expected = np.array(known["shares"])
        psi = float(((shares - expected) * np.log(shares / expected)).sum())
        chance = float(chi2.ppf(0.999, max(len(expected) - 1, 1)))
        limit = max(0.1, chance * (1 / reference["rows"] + 1 / len(matrix)))
        rows.append({"feature": name, "psi": psi, "limit": limit, "has_drifted": psi > limit})
    rows.sort(key=lambda row: -float(str(row["psi"])))
    verdict = "drifted" if any(row["has_drifted"] for row in rows) else "stable"
    return {"verdict": verdict, "rows": len(matrix), "features": rows}


def _shares(column: Floats, edges: Floats) -> list[float]:
    counts = np.bincount(np.searchsorted(edges, column, "right"), minlength=len(edges) + 1)
    smoothed = counts + 0.5
    return [float(share) for share in smoothed / smoothed.sum()]
