"""How good the models are over worlds: `python -m tests.benchmarks.worlds --seeds 20`.

One world at a time is generated and learned from in this process; DuckDB runs the feature SQL. A
line a world is appended to --out, so that a stopped run goes on where it ended. Printed are the
mean and the spread of each figure, and what a world failed.
"""

import argparse
import io
import json
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import sqlglot

from src.domain.bucket_layout import TRUTH_NAME
from src.domain.tables import TABLES
from src.orchestration.training import extraction
from src.services.demand.sales_distribution import SalesDistribution
from src.services.features.row_batch import RowBatch
from src.services.generation.concert_world import WorldSize
from src.services.generation.demand_model import DemandParameters
from src.services.modelling import (
    pace_training,
    sales_training,
    time_split,
    venue_training,
)
from src.services.modelling.model_decision import failed, model_checks
from src.services.synthetic_data_generator import SyntheticDataGenerator

SIZES = {"default": (1_000, 500, 10_000, 50_000), "small": (100, 50, 500, 2_000)}
WORLD = DemandParameters()
# What is changed of a concert, and by how much that moves the world's log demand.
WHAT_IFS = {
    "price -20 %": ("base_price", lambda old: old * 0.8, WORLD.elasticity * np.log(0.8)),
    "price +20 %": ("base_price", lambda old: old * 1.2, WORLD.elasticity * np.log(1.2)),
    "popularity +5": (
        "popularity",
        lambda old: np.minimum(old + 5, 100),
        (WORLD.popularity - WORLD.elasticity * WORLD.price_popularity) / 2,
    ),
    "capacity x2": ("capacity", lambda old: old * 2, 0.0),
}


class InMemory:
    """Keeps what is exported, by path."""

    def __init__(self):
        self.bodies = {}

    def put(self, path, body):
        self.bodies[path] = body


class World:
    """A world's tables in DuckDB, read by the statements that read the warehouse."""

    def __init__(self, size, seed):
        generator, sink = SyntheticDataGenerator(size, seed=seed, defect_rate=0.0), InMemory()
        generator.export(sink, "parquet", "x")
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("CREATE SCHEMA concert_dw")
        for spec in TABLES:
            self.connection.register("made", pa.concat_tables(generator.blocks(spec.name)))
            columns = ", ".join(f"CAST({c.name} AS {c.redshift_type})" for c in spec.columns)
            self.connection.execute(
                f"CREATE TABLE concert_dw.{spec.name} ({', '.join(spec.column_names)}) "
                f"AS SELECT {columns} FROM made"
            )
        truth = pd.read_parquet(io.BytesIO(sink.bodies[TRUTH_NAME]))
        self.truth = truth.assign(concert_id=truth["concert_id"].astype(str)).set_index(
            "concert_id"
        )
        self.as_of = pd.Timestamp(generator.world.as_of, unit="s")

    def read_frame(self, query, _name):
        """Return the rows of a statement of Redshift."""
        (text,) = sqlglot.transpile(query, read="redshift", write="duckdb")
        return self.connection.execute(text).df()


def measured(size, seed, random_state=42):
    """Return the figures of the models of one world."""
    world = World(size, seed)
    concerts = extraction.extract_concerts(world, "x", world.as_of)
    quarters = extraction.extract_venue_quarters(world, "x")
    bookings = extraction.extract_bookings(world, "x")
    started = time.process_time()
    split = time_split.split_by_time(time_split.completed(concerts, world.as_of), 0.2)
    sales = sales_training.train_sales_model(
        split, world.truth, random_state=random_state, coverage=0.9
    )
    pace = pace_training.learn_pace(sales, bookings, random_state)
    panel = venue_training.finished_panel(quarters, world.as_of)
    venue = venue_training.train_venue_model(
        panel, test_size=0.2, random_state=random_state, coverage=0.9
    )
    seconds = time.process_time() - started
    headline, intervals = sales.facts["headline"], sales.facts["intervals"]
    booked = venue.facts["booked_venues"]
    wrong = [f"{name}: {check.name}: {check.found}, expected {check.expected}"
             for name, model in (("sales", sales), ("venues", venue))
             for check in failed(model_checks(model.facts, 0.9))]  # fmt: skip
    figures = {
        "MAE": headline["model"]["mae"],
        "MAE of the knowable": headline["model"]["mae"] / headline["knowable"]["mae"],
        "CRPS": headline["model"]["crps"],
        "CRPS of the knowable": headline["model"]["crps"] / headline["knowable"]["crps"],
        "R2": headline["model"]["r2"],
        "coverage": intervals["coverage"],
        "worst quartile": min(intervals["by_capacity_quartile"]),
        **{
            f"coverage in quartile {q}": share
            for q, share in enumerate(intervals["by_capacity_quartile"], 1)
        },
        "Winkler": intervals["winkler"],
        "ECE": sales.facts["confidence"]["ece"],
        "hit AUC": sales.facts["confidence"]["auc"],
        "sell-out Brier": sales.facts["sell_out"]["brier"],
        "sell-out AUC": sales.facts["sell_out"]["auc"],
        "venues R2": venue.facts["test_metrics"]["r2"],
        "venues MAE": venue.facts["test_metrics"]["mae"],
        "venues Winkler": venue.facts["intervals"]["winkler"],
        "venues worst quartile": min(venue.facts["intervals"]["by_capacity_quartile"]),
        "booked venues MAE of the baseline": booked["mae"] / booked["mean_by_booked_count"]["mae"],
        "CPU s": seconds,
        **{f"pace MAE {p['days_before']} days": p["mae"]["moved"] for p in pace},
        **{f"naive MAE {p['days_before']} days": p["mae"]["naive"] for p in pace},
        **effects(sales, world.truth),
    }
    return {"seed": seed, "failed": wrong, "figures": figures}


def effects(sales, truth):
    """Return the effect of each what-if on all test concerts, and its share of the world's."""
    rows, service = sales.rows.test, sales.service
    known = truth.loc[sales.test["concert_id"]]
    sd = np.sqrt(known["noise_sd"] ** 2 + known["hidden_sd"] ** 2).to_numpy()
    log_demand = known["log_demand"].to_numpy()
    base = service.predict_points(rows).sum()
    true_base = SalesDistribution(log_demand, sd, rows.capacity).expected.sum()
    found = {}
    for name, (column, change, moves) in WHAT_IFS.items():
        columns = {**rows.rows.columns, column: change(rows.rows.numbers(column))}
        effect = service.predict_points(RowBatch(columns, len(rows))).sum() / base - 1
        capacity = rows.capacity * (2 if column == "capacity" else 1)
        law = SalesDistribution(log_demand + moves, sd, capacity)
        true = law.expected.sum() / true_base - 1
        found |= {f"{name} %": effect * 100, f"{name} of the world's": effect / true}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="seeds 0 to this one")
    parser.add_argument("--size", choices=tuple(SIZES), default="default")
    parser.add_argument("--out", default="reports/worlds.ndjson")
    chosen = parser.parse_args()
    out = Path(chosen.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {line["seed"]: line for line in lines if line["size"] == chosen.size}
    for seed in range(chosen.seeds):
        if seed not in done:
            size = WorldSize(*SIZES[chosen.size])
            done[seed] = {"size": chosen.size, **measured(size, seed)}
            with out.open("a") as file:
                file.write(json.dumps(done[seed]) + "\n")
        for line in done[seed]["failed"]:
            print(f"seed {seed} failed: {line}", flush=True)
    table = pd.DataFrame([done[seed]["figures"] for seed in range(chosen.seeds)])
    spread = table.describe().T[["mean", "std", "min", "max"]]
    print(spread.to_string(float_format="{:,.3f}".format))


if __name__ == "__main__":
    main()
