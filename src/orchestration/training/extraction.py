"""What the models learn from: extraction by SQL, and ground truth where it exists."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from src.domain.bucket_layout import MANIFEST_NAME, TRUTH_NAME
from src.domain.tables import SCHEMA, TABLES
from src.errors import ModelError
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.sql import files

GENERATE = "python run_demo_pipeline.py"  # replaces all that is in the warehouse
_NUMBERS = ("popularity", "base_price", "artist_prior_sell_through", "venue_prior_sell_through")


def read_feature_sql(name: str, until: pd.Timestamp | None = None) -> str:
    """Return the text of one extraction; `until` is how far the data reaches."""
    moment = "NULL" if until is None else f"'{until:%Y-%m-%d %H:%M:%S.%f}'"
    (file,) = files.read_all("features", name)
    return files.bind(file.statement, {"newest_sale": moment}.__getitem__)


def known_until(environment: DemoEnvironment, load: LoadFacts | None) -> pd.Timestamp | None:
    """Return until when the data reaches: its as-of date, or else its newest sale."""
    if load is not None and load.as_of is not None:
        return pd.Timestamp(load.as_of)
    newest = environment.redshift.query_value(
        "SELECT MAX(purchased_at) FROM concert_dw.ticket_sales"
    )
    return None if newest is None else pd.Timestamp(newest)


def venue_data(
    environment: DemoEnvironment, run_id: str
) -> tuple[LoadFacts | None, pd.Timestamp | None, pd.DataFrame]:
    """Return the newest load, until when it reaches, and its venue-quarters, of one moment."""

    def read() -> tuple[LoadFacts | None, pd.Timestamp | None, pd.DataFrame]:
        load = newest_load(environment)
        until = known_until(environment, load)
        return load, until, extract_venue_quarters(environment, run_id)

    return environment.redshift.read_together(read)


def sales_data(
    environment: DemoEnvironment, run_id: str, until: pd.Timestamp | None,
    check: Callable[[], None],
) -> tuple[pd.DataFrame, pd.DataFrame, int]:  # fmt: skip
    """Return concerts, bookings, and how many concerts are left out, of one moment.

    `check` raises where that moment is not the one of what was read before.
    """

    def read() -> tuple[pd.DataFrame, pd.DataFrame, int]:
        check()
        concerts = extract_concerts(environment, run_id, until)
        bookings = extract_bookings(environment, run_id)
        return concerts, bookings, concerts_of_unknown_capacity(environment)

    return environment.redshift.read_together(read)


def extract_concerts(
    environment: DemoEnvironment, run_id: str, until: pd.Timestamp | None
) -> pd.DataFrame:
    """Return one row per concert of a venue with a known capacity, oldest first.

    Where the data does not state whether a concert is over, it is if it started by `until`.
    """
    query = read_feature_sql("ticket_sales", until)
    frame = environment.read_frame(query, f"ticket_sales-{run_id}")
    frame = frame.sort_values(["starts_at", "concert_id"]).reset_index(drop=True)
    for name in _NUMBERS:
        frame[name] = pd.to_numeric(frame[name]).astype(float)
    return frame


def extract_bookings(environment: DemoEnvironment, run_id: str) -> pd.DataFrame:
    """Return one row per concert with sales: what was sold by when."""
    frame = environment.read_frame(read_feature_sql("bookings"), f"bookings-{run_id}")
    frame["concert_id"] = frame["concert_id"].astype(str)
    frame["newest_sale"] = pd.to_datetime(frame["newest_sale"])
    return frame


def nothing_to_learn_from(environment: DemoEnvironment) -> ModelError:
    """Return the error of a warehouse with no concert at a venue of known capacity."""
    concerts = concerts_of_unknown_capacity(environment)
    if not concerts:
        is_empty = sum(_rows_by_table(environment).values()) == 0
        hint = GENERATE if is_empty else hint_for_more(newest_load(environment))
        settings = environment.settings
        where = f"schema {SCHEMA}"
        if settings.target == "local":
            where += f" of the local cloud in {Path(settings.state_dir).absolute()}"
        return ModelError("there is no concert in the warehouse", where=where, hint=hint)
    return ModelError(
        f"all {concerts:,} concerts are at venues of unknown capacity",
        where="concert_dw.venues, column capacity",
        cause="the models learn which share of a venue's capacity is sold",
        hint="python run_demo_pipeline.py --input-dir DIR --load-mode merge, "
        "with capacities in DIR/venues.csv",
    )


def concerts_of_unknown_capacity(environment: DemoEnvironment) -> int:
    """Return how many concerts the models leave out because no capacity is known."""
    return int(
        environment.redshift.query_value(
            "SELECT COUNT(*) FROM concert_dw.concerts c "
            "JOIN concert_dw.venues v ON v.venue_id = c.venue_id WHERE v.capacity IS NULL"
        )
    )


def extract_venue_quarters(environment: DemoEnvironment, run_id: str) -> pd.DataFrame:
    """Return one row per venue and quarter."""
    frame = environment.read_frame(read_feature_sql("venue_quarters"), f"venues-{run_id}")
    frame = frame.sort_values(["quarter", "venue_id"]).reset_index(drop=True)
    for name in ("concerts", "tickets", "revenue", "booked", "booked_popularity", "booked_price"):
        frame[name] = pd.to_numeric(frame[name]).astype(float)
    return frame


@dataclass(frozen=True)
class LoadFacts:
    """What the newest load recorded about the data."""

    dataset_id: str
    as_of: Any
    is_replaced: bool  # also by merged changes of one generated world: its truth covers all rows
    is_generated: bool = False  # all that is in the warehouse; else some is the user's own
    run_id: str = ""
    loaded_at: Any = None


def hint_for_more(load: LoadFacts | None) -> str:
    """Return how to get more data; it replaces the warehouse only if all in it was generated.

    What is in a warehouse without a load was put there by the user.
    """
    if load is not None and load.is_generated:
        return GENERATE
    return f"add concerts that are over: {GENERATE} --input-dir DIR --load-mode merge"


def hint_after_failure(load: LoadFacts | None) -> str:
    """Return what to do after a failed check; never replaces the user's own data by other."""
    first = "use the predictions as a candidate's, or"
    if load is not None and load.is_generated:
        return f"{first}: {hint_for_more(load)} --seed 42"
    return f"{first} {hint_for_more(load)}"


_LOADS = (
    "SELECT run_id, dataset_id, MAX(as_of) AS as_of, load_mode, loaded_at, "
    "SUM(table_rows) AS table_rows FROM concert_dw.load_history "
    "GROUP BY run_id, dataset_id, load_mode, loaded_at ORDER BY loaded_at DESC, run_id DESC"
)


def newest_load(environment: DemoEnvironment) -> LoadFacts | None:
    """Return the facts of the newest load, or None where there was none."""
    loads = environment.redshift.query(_LOADS)
    if not loads:
        return None
    row = loads[0]
    worlds = _worlds(environment, loads)
    return LoadFacts(
        row["dataset_id"],
        row["as_of"],
        row["load_mode"] == "replace" or (None not in worlds and len(worlds) == 1),
        None not in worlds and sum(_rows_by_table(environment).values()) == int(row["table_rows"]),
        row["run_id"],
        row["loaded_at"],
    )


def is_newest(environment: DemoEnvironment, load: LoadFacts | None) -> bool:
    """Tell whether nothing was loaded since this load; None stands for no load at all."""
    rows = environment.redshift.query(f"{_LOADS} LIMIT 1")
    newest = (rows[0]["run_id"], rows[0]["loaded_at"]) if rows else None
    return newest == ((load.run_id, load.loaded_at) if load else None)


def _worlds(environment: DemoEnvironment, loads: list[JsonObject]) -> set[str | None]:
    """Return the worlds of the newest replacement and all merged since; None is the user's data."""
    last = next((i for i, load in enumerate(loads) if load["load_mode"] == "replace"), len(loads))
    dataset_ids = {load["dataset_id"] for load in loads[: last + 1]}
    return {_world(environment, dataset_id) for dataset_id in dataset_ids}


def _rows_by_table(environment: DemoEnvironment) -> dict[str, int]:
    return {t.name: environment.redshift.row_count(SCHEMA, t.name) for t in TABLES}


def _world(environment: DemoEnvironment, dataset_id: str) -> str | None:
    """Return which world a data set is of: its seed and sizes; None where it is not generated."""
    datasets = environment.raw_datasets
    body = datasets.storage.find(datasets.prefix(dataset_id) + MANIFEST_NAME)
    try:
        manifest = json.loads(body or b"")
        made_with = manifest["parameters"]
        is_generated = manifest["source"] == "synthetic"
        return json.dumps([made_with["seed"], made_with["size"]]) if is_generated else None
    except (ValueError, KeyError, TypeError):
        return None


def ground_truth(environment: DemoEnvironment, load: LoadFacts | None) -> pd.DataFrame | None:
    """Return mean and variance of every concert's final tickets, by concert_id.

    None for data that was not generated, or merged from several data sets.
    """
    if load is None or not load.is_replaced:
        return None
    datasets = environment.raw_datasets
    body = datasets.storage.find(datasets.prefix(load.dataset_id) + TRUTH_NAME)
    if body is None:
        return None
    truth = pd.read_parquet(io.BytesIO(body))
    truth["concert_id"] = truth["concert_id"].astype(str)
    return truth.set_index("concert_id")
