"""Where the sales model errs: by venue size, genre and month, and its best and worst concerts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.json_object import JsonObject
from src.services.modelling.sales_training import TrainedSalesModel
from src.services.modelling.scenarios import moving_factors, typical_concert
from src.services.modelling.time_split import TimeSplit

_SHOWN, _LEAST_ROWS, _SIZES = 3, 10, 4
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip


def error_tables(model: TrainedSalesModel, split: TimeSplit) -> JsonObject:
    """Return the test rows' errors by group, and the concerts predicted best and worst.

    Groups and order are by the share of seats that a prediction was wrong by: tickets alone
    would only name the largest venues.
    """
    test = model.test.copy()
    test["off"] = (test["tickets"] - test["tickets_sold"]).abs()
    test["off_share"] = test["off"] / test["capacity"]
    groups = {
        "venue size": _sizes(test["capacity"]),
        "genre": test["genre"].fillna("unknown"),
        "month of the show": test["starts_at"].dt.month.map(lambda m: _MONTHS[m - 1]),
    }
    order = test.sort_values(["off_share", "concert_id"], kind="stable")
    is_inside = test["tickets_sold"].between(test["low"], test["high"])
    typical = typical_concert(split.train)
    pick = {"best": order.head(_SHOWN), "worst": order.tail(_SHOWN)[::-1]}
    return {
        "by": {
            name: [_group(word, test[values == word], is_inside[values == word])
                   for word in _ordered(name, values)]
            for name, values in groups.items()
        },
        **{name: [_concert(model, row, typical) for _, row in rows.iterrows()]
           for name, rows in pick.items()},
    }  # fmt: skip


def _sizes(capacity: pd.Series) -> pd.Series:
    """Return the quarter of the venues' sizes that each row belongs to, in words."""
    edges = [int(capacity.quantile(part / _SIZES)) for part in range(1, _SIZES)]
    words = [f"up to {edges[0]:,} seats"]
    words += [f"{low + 1:,} to {high:,} seats" for low, high in zip(edges, edges[1:], strict=False)]
    words += [f"more than {edges[-1]:,} seats"]
    places = np.searchsorted(edges, capacity.to_numpy(), side="left")
    return pd.Series([words[place] for place in places], index=capacity.index)


def _ordered(name: str, values: pd.Series) -> list[str]:
    found = set(values)
    if name == "genre":
        return sorted(found)
    if name == "venue size":
        return sorted(found, key=lambda word: (
            word.startswith("more"), int("".join(filter(str.isdigit, word.split(" to ")[0])))
            if not word.startswith("up") else 0))  # fmt: skip
    return [month for month in _MONTHS if month in found]


def _group(word: str, rows: pd.DataFrame, inside: pd.Series) -> JsonObject:
    found: JsonObject = {"group": word, "rows": len(rows)}
    if len(rows) >= _LEAST_ROWS:  # a mean of fewer tells nothing
        found["mae"] = round(float(rows["off"].mean()), 1)
        found["off_share"] = round(float(rows["off_share"].mean()), 4)
        found["inside"] = round(float(inside.mean()), 4)
    return found


def _concert(model: TrainedSalesModel, row: pd.Series, typical: pd.DataFrame) -> JsonObject:
    frame = pd.DataFrame([row.to_dict()])
    return {
        "concert_id": str(row["concert_id"]),
        "starts_at": str(row["starts_at"]),
        "genre": row["genre"] if pd.notna(row["genre"]) else None,
        "city": row["city"] if pd.notna(row["city"]) else None,
        "capacity": int(row["capacity"]),
        "expected": round(float(row["tickets"]), 1),
        "low": round(float(row["low"]), 1),
        "high": round(float(row["high"]), 1),
        "actual": int(row["tickets_sold"]),
        "earlier_shows": int(row["artist_prior_shows"]) if "artist_prior_shows" in row else None,
        "moved_by": moving_factors(model.service, frame, typical),
    }
