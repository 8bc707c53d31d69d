"""Predictions as tables of the warehouse."""

from __future__ import annotations

from typing import Any

import pandas as pd

from src.infrastructure.redshift_client import RedshiftClient
from src.services.modelling.scenarios import Predictor

_ROWS_PER_INSERT = 250


def write_predictions(
    client: RedshiftClient,
    predicted: pd.DataFrame,
    ranking: pd.DataFrame,
    sales: Predictor,
    venue: Predictor,
) -> dict[str, int]:
    """Replace the rows of the prediction tables, both in one transaction."""
    concerts: list[tuple[Any, ...]] = [
        (str(r["concert_id"]), sales.version, str(r["starts_at"]),
         round(float(r["tickets"]), 1), round(float(r["low"]), 1), round(float(r["high"]), 1),
         round(float(r["confidence"]), 4), sales.role, round(float(r["sell_out"]), 4),
         round(float(r["demand"]), 1), int(r["sold_so_far"]),
         *(round(float(r[f"moved_{name}"]), 1) for name in ("tickets", "low", "high")),
         str(r["as_of"]))
        for r in predicted.to_dict("records")
    ]  # fmt: skip
    venues: list[tuple[Any, ...]] = [
        (str(r["venue_id"]), venue.version, int(r["rank"]),
         *(round(float(r[name]), 2) for name in ("score", "forecast", "low", "high")), venue.role)
        for r in ranking.to_dict("records")
    ]  # fmt: skip
    tables: dict[str, list[tuple[Any, ...]]] = {
        "concert_predictions": concerts,
        "venue_rankings": venues,
    }

    def replace() -> None:
        with client.transaction():
            for table, rows in tables.items():
                client.execute(f"DELETE FROM concert_dw.{table}")
                for start in range(0, len(rows), _ROWS_PER_INSERT):
                    part = rows[start : start + _ROWS_PER_INSERT]
                    client.insert_rows(f"concert_dw.{table}", part)

    client.repeatedly(replace)  # a lost connection took all of it, or the same is written again
    return {table: len(rows) for table, rows in tables.items()}
